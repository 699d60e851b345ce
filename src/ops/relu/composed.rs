use dfdx::prelude::{Device, Shape, Tape, Tensor};

use crate::ops::nothing::is_empty;
use crate::ops::{OpError, device_error};

/// [`relu`](super::relu) in dfdx's own operations.
pub fn relu<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    if is_empty(&x) {
        return Ok(x);
    }
    x.try_relu().map_err(device_error)
}
