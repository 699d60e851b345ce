use dfdx::prelude::{Device, Merge, Shape, Tape, Tensor, TryMul};

use crate::ops::nothing::{is_empty, merged};
use crate::ops::{OpError, device_error};

/// [`sigmoid_gate`](super::sigmoid_gate) in dfdx's own operations.
pub fn sigmoid_gate<S: Shape, D: Device<f32>, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    value: Tensor<S, f32, D, T>,
    gate: Tensor<S, f32, D, R>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    if is_empty(&value) {
        return Ok(merged(value, gate));
    }
    value.try_mul(gate.try_sigmoid().map_err(device_error)?).map_err(device_error)
}
