use dfdx::prelude::{Axis, Device, Dim, Merge, SumTo, Tape, Tensor, TryAdd, TryDiv, TryMul, TrySub};

use crate::ops::{OpError, device_error};

/// [`row_squared_distance`](super::row_squared_distance) in dfdx's own operations.
pub fn squared_distance<B: Dim, E: Dim, D: Device<f32>, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    a: Tensor<(B, E), f32, D, T>,
    b: Tensor<(B, E), f32, D, R>,
) -> Result<Tensor<(B,), f32, D, T>, OpError> {
    let forward = || -> Result<_, D::Err> { a.try_sub(b)?.try_square()?.try_sum::<(B,), Axis<1>>() };
    forward().map_err(device_error)
}

/// [`row_cosine`](super::row_cosine) in dfdx's own operations.
pub fn cosine<B: Dim, E: Dim, D: Device<f32>, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    a: Tensor<(B, E), f32, D, T>,
    b: Tensor<(B, E), f32, D, R>,
    eps: f32,
) -> Result<Tensor<(B,), f32, D, T>, OpError> {
    let forward = || -> Result<_, D::Err> {
        let norm_a = a.retaped::<T>().try_square()?.try_sum::<(B,), Axis<1>>()?.try_add(eps)?.try_sqrt()?;
        let norm_b = b.retaped::<R>().try_square()?.try_sum::<(B,), Axis<1>>()?.try_add(eps)?.try_sqrt()?;
        let product = a.try_mul(b)?.try_sum::<(B,), Axis<1>>()?;
        product.try_div(norm_a)?.try_div(norm_b)
    };
    forward().map_err(device_error)
}
