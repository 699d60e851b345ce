use dfdx::prelude::{Device, Shape, Tape, Tensor, TryMul};

use crate::ops::nothing::is_empty;
use crate::ops::{OpError, device_error};

/// [`scale`](super::scale) in dfdx's own operations.
pub fn scale<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    factor: f32,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    if is_empty(&x) {
        return Ok(x);
    }
    x.try_mul(factor).map_err(device_error)
}
