use dfdx::prelude::{Cpu, Gradients, PutTape, ReshapeTo, Shape, SplitTape, Tape, Tensor, TensorFromVec};

use super::error::{OpError, device_error};

/// The gradients of one backward pass on the CPU.
pub(crate) type CpuGradients = Gradients<f32, Cpu>;
pub(crate) type CpuResult = Result<(), <Cpu as dfdx::prelude::HasErr>::Err>;

/// Turns the values of a fused operation into a tensor and records how its gradient flows back.
///
/// `backward` receives the gradient of the output, moved out of the tape (nothing after this operation reads it), and
/// accumulates into the gradients of the inputs.
pub(crate) fn record<S: Shape, T: Tape<f32, Cpu>>(
    device: &Cpu,
    values: Vec<f32>,
    shape: S,
    mut tape: T,
    backward: impl FnOnce(&[f32], &mut CpuGradients) -> CpuResult + 'static,
) -> Result<Tensor<S, f32, Cpu, T>, OpError> {
    let out = device.try_tensor_from_vec(values, shape).map_err(device_error)?;
    let ghost = out.ghost();
    tape.add_backward_op(move |grads| {
        let grad_out = std::mem::take(&mut **grads.get_or_alloc_mut(&ghost)?);
        backward(&grad_out, grads)
    });
    Ok(out.put_tape(tape))
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
