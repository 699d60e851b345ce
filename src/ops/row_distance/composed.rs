use dfdx::prelude::{
    Axis, Device, Dim, HasShape, Merge, SplitTape, SumTo, Tape, Tensor, TryAdd, TryDiv, TryMul, TrySub,
};

use crate::ops::nothing::{constant, is_empty};
use crate::ops::record::distinct;
use crate::ops::{OpError, device_error};

/// Of rows without values, or of no rows.
fn none<B: Dim, E: Dim, D: Device<f32>, T: Tape<f32, D>>(
    a: Tensor<(B, E), f32, D, T>,
    value: f32,
) -> Result<Tensor<(B,), f32, D, T>, OpError> {
    let (a, tape) = a.split_tape();
    constant(a.device().clone(), value, (a.shape().0,), tape, |_| Ok(()))
}

/// [`row_squared_distance`](super::row_squared_distance) in dfdx's own operations.
pub fn squared_distance<B: Dim, E: Dim, D: Device<f32>, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    a: Tensor<(B, E), f32, D, T>,
    b: Tensor<(B, E), f32, D, R>,
) -> Result<Tensor<(B,), f32, D, T>, OpError> {
    let (a, b) = distinct(a, b)?;
    if is_empty(&a) {
        return none(a, 0.0);
    }
    let forward = || -> Result<_, D::Err> { a.try_sub(b)?.try_square()?.try_sum::<(B,), Axis<1>>() };
    forward().map_err(device_error)
}

/// [`row_cosine`](super::row_cosine) in dfdx's own operations.
pub fn cosine<B: Dim, E: Dim, D: Device<f32>, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    a: Tensor<(B, E), f32, D, T>,
    b: Tensor<(B, E), f32, D, R>,
    eps: f32,
) -> Result<Tensor<(B,), f32, D, T>, OpError> {
    let (a, b) = distinct(a, b)?;
    if is_empty(&a) {
        return none(a, 0.0 / eps);
    }
    let forward = || -> Result<_, D::Err> {
        let norm_a = a.retaped::<T>().try_square()?.try_sum::<(B,), Axis<1>>()?.try_add(eps)?.try_sqrt()?;
        let norm_b = b.retaped::<T>().try_square()?.try_sum::<(B,), Axis<1>>()?.try_add(eps)?.try_sqrt()?;
        let product = a.try_mul(b)?.try_sum::<(B,), Axis<1>>()?;
        product.try_div(norm_a)?.try_div(norm_b)
    };
    forward().map_err(device_error)
}
