use dfdx::prelude::{Device, Dim, Merge, Tape, Tensor, TryAdd, TrySub};

use crate::ops::nothing::{is_empty, merged};
use crate::ops::{OpError, device_error};

/// [`hinge`](super::hinge) in dfdx's own operations.
pub fn hinge<B: Dim, D: Device<f32>, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    margin: &Tensor<(B,), f32, D>,
    small: Tensor<(B,), f32, D, T>,
    large: Tensor<(B,), f32, D, R>,
) -> Result<Tensor<(B,), f32, D, T>, OpError> {
    if is_empty(&small) {
        return Ok(merged(small, large));
    }
    let forward = || -> Result<_, D::Err> { small.try_add(margin.clone())?.try_sub(large)?.try_relu() };
    forward().map_err(device_error)
}
