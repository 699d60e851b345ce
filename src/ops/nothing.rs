//! Operations on nothing, composed: CUDA refuses to launch a kernel for no values, so dfdx's operations cannot be asked.
//!
//! An element-wise operation returns its empty operand as it is. Where an operand or the result is empty, any other has a constant result.

use dfdx::prelude::{Device, Gradients, HasShape, Merge, PutTape, Shape, SplitTape, Storage, Tape, Tensor};

use super::{OpError, device_error};

/// Whether a tensor has no values.
pub(crate) fn is_empty<S: Shape, D: Storage<f32>, T>(x: &Tensor<S, f32, D, T>) -> bool {
    x.shape().num_elements() == 0
}

/// The first of two empty operands, on the tapes of both.
pub(crate) fn merged<S: Shape, D: Storage<f32>, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    a: Tensor<S, f32, D, T>,
    b: Tensor<S, f32, D, R>,
) -> Tensor<S, f32, D, T> {
    let ((a, tape), (_, its_tape)) = (a.split_tape(), b.split_tape());
    a.put_tape(tape.merge(its_tape))
}

/// A result that depends on no operand, on their tape. `operands` makes the gradients of those that have values: zeros.
pub(crate) fn constant<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    device: D,
    value: f32,
    shape: S,
    mut tape: T,
    operands: impl FnOnce(&mut Gradients<f32, D>) -> Result<(), D::Err> + 'static,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    tape.add_backward_op(operands);
    let values = device.try_tensor_from_vec(vec![value; shape.num_elements()], shape);
    Ok(values.map_err(device_error)?.put_tape(tape))
}
