use dfdx::prelude::{Device, Merge, Shape, Tape, Tensor, TryAdd, TryMul};

use crate::ops::{OpError, device_error};

/// [`add`](super::add) in dfdx's own operations.
pub fn add<S: Shape, D: Device<f32>, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    a: Tensor<S, f32, D, T>,
    b: Tensor<S, f32, D, R>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    // dfdx does not take one tensor as both operands: a product gives the second an identity of its own.
    let forward = || a.try_add(b.try_mul(1.0)?);
    forward().map_err(device_error)
}
