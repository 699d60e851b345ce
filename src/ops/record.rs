use dfdx::prelude::{
    Cpu, Device, Gradients, Merge, PutTape, ReshapeTo, Shape, SplitTape, Storage, Tape, Tensor, TensorFromVec, TryMul,
};

use super::error::{OpError, device_error};
use super::nothing::is_empty;
use super::tape::{LayerTape, RecordingTape, begin};

/// The gradients of one backward pass on the CPU.
pub(crate) type CpuGradients = Gradients<f32, Cpu>;
pub(crate) type CpuResult = Result<(), <Cpu as dfdx::prelude::HasErr>::Err>;

/// Turns the values of a fused operation into a tensor and records how its gradient flows back.
///
/// `backward` receives the gradient of the output, moved out of the tape (nothing after this operation reads it), and adds to the gradients of
/// the inputs ([`Slot`](super::slot::Slot)).
pub(crate) fn record<S: Shape, T: Tape<f32, Cpu>>(
    device: &Cpu,
    values: Vec<f32>,
    shape: S,
    tape: T,
    backward: impl FnOnce(Vec<f32>, &mut CpuGradients) -> CpuResult + 'static,
) -> Result<Tensor<S, f32, Cpu, T>, OpError> {
    let out = device.try_tensor_from_vec(values, shape).map_err(device_error)?;
    Ok(record_tensor(out, tape, backward))
}

/// [`record`] for a `backward` that needs the values of the output too: it holds a clone of the tensor, which copies nothing.
pub(crate) fn record_tensor<S: Shape, T: Tape<f32, Cpu>>(
    out: Tensor<S, f32, Cpu>,
    mut tape: T,
    backward: impl FnOnce(Vec<f32>, &mut CpuGradients) -> CpuResult + 'static,
) -> Tensor<S, f32, Cpu, T> {
    let ghost = out.ghost();
    tape.add_backward_op(move |grads| {
        let grad_out = std::mem::take(&mut **grads.get_or_alloc_mut(&ghost)?);
        backward(grad_out, grads)
    });
    out.put_tape(tape)
}

/// A parameter in row-major order, as parameters are; the tape then stays as it was. Any other tensor is copied into that order,
/// and the tape remembers it.
pub(crate) fn parameter<S: Shape, T: Tape<f32, Cpu>>(
    tensor: &Tensor<S, f32, Cpu>,
    tape: T,
) -> Result<(Tensor<S, f32, Cpu>, T), OpError> {
    let (tensor, more) = tensor.retaped::<T>().try_contiguous().map_err(device_error)?.split_tape();
    Ok((tensor, tape.merge(more)))
}

/// [`parameter`] of a layer's weight and of its bias, if it has one.
pub(crate) fn weight_and_bias<W: Shape, B: Shape, T: Tape<f32, Cpu>>(
    weight: &Tensor<W, f32, Cpu>,
    bias: Option<&Tensor<B, f32, Cpu>>,
    tape: T,
) -> Result<(Tensor<W, f32, Cpu>, Option<Tensor<B, f32, Cpu>>, T), OpError> {
    let (weight, tape) = parameter(weight, tape)?;
    let Some(bias) = bias else { return Ok((weight, None, tape)) };
    let (bias, tape) = parameter(bias, tape)?;
    Ok((weight, Some(bias), tape))
}

/// Two operands in row-major order and the tape on which the result is to be recorded.
pub(crate) fn operands<A: Shape, B: Shape, T: Tape<f32, Cpu> + Merge<R>, R: Tape<f32, Cpu>>(
    a: Tensor<A, f32, Cpu, T>,
    b: Tensor<B, f32, Cpu, R>,
) -> Result<(Tensor<A, f32, Cpu>, Tensor<B, f32, Cpu>, T), OpError> {
    let ((a, tape), (b, b_tape)) = (a.split_tape(), b.split_tape());
    let (a, tape) = parameter(&a, tape.merge(b_tape))?;
    let (b, tape) = parameter(&b, tape)?;
    Ok((a, b, tape))
}

/// [`operands`] of any number: tensors in row-major order, and their tapes merged into `tape`.
pub(crate) fn operand_list<S: Shape, T: RecordingTape<Cpu>>(
    tensors: Vec<Tensor<S, f32, Cpu, T>>,
    mut tape: T,
) -> Result<(Vec<Tensor<S, f32, Cpu>>, T), OpError> {
    let mut operands = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let (tensor, its_tape) = tensor.try_contiguous().map_err(device_error)?.split_tape();
        tape = tape.merge(its_tape);
        operands.push(tensor);
    }
    Ok((operands, tape))
}

/// Any number of operands without their tapes, which go into `tape`.
pub(crate) fn split_all<S: Shape, D: Storage<f32>, T: RecordingTape<D>>(
    tensors: Vec<Tensor<S, f32, D, T>>,
    mut tape: T,
) -> (Vec<Tensor<S, f32, D>>, T) {
    let mut operands = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let (tensor, its_tape) = tensor.split_tape();
        tape = tape.merge(its_tape);
        operands.push(tensor);
    }
    (operands, tape)
}

/// Two operands for one of dfdx's operations, which do not take one tensor as both: the second gets an identity of its own. The tapes are on
/// the first.
pub(crate) fn distinct<A: Shape, B: Shape, D: Device<f32>, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    a: Tensor<A, f32, D, T>,
    b: Tensor<B, f32, D, R>,
) -> Result<(Tensor<A, f32, D, T>, Tensor<B, f32, D, T>), OpError> {
    let ((a, tape), (b, b_tape)) = (a.split_tape(), b.split_tape());
    let b = b.put_tape(T::default());
    let b = if is_empty(&b) { b } else { b.try_mul(1.0).map_err(device_error)? };
    Ok((a.put_tape(tape.merge(b_tape)), b))
}

/// [`begin`] for dfdx's operations, which compute a gradient of every operand: data gets an identity of its own for it, so that the features
/// stay without.
pub(crate) fn begin_distinct<S: Shape, D: Device<f32>, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T::Output>, OpError> {
    if T::GRADIENT || is_empty(&x) {
        return Ok(begin(x));
    }
    let (x, tape) = x.split_tape();
    Ok(x.try_mul(1.0).map_err(device_error)?.put_tape(tape.begin()))
}
