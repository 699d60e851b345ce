use dfdx::prelude::{Device, Shape, Tape, Tensor, TryMul};

use crate::ops::{OpError, device_error};

/// [`gelu`](super::gelu) in dfdx's own operations.
pub fn gelu<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    x.try_accurate_gelu().map_err(device_error)
}

/// [`quick_gelu`](super::quick_gelu) in dfdx's own operations.
pub fn quick_gelu<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    let forward = || x.retaped::<T>().try_mul(1.702)?.try_sigmoid()?.try_mul(x);
    forward().map_err(device_error)
}
