use dfdx::prelude::{
    Axis, BroadcastTo, Device, Dim, HasShape, Merge, NoneTape, SplitTape, SumTo, Tape, Tensor, TryAdd, TryDiv, TryMul,
    TrySub,
};

use crate::ops::largest::largest_of_rows;
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

/// Rows over `√(Σx² + eps)`. Divided by their largest value first, at least `√eps`, so that no square overflows.
fn unit_rows<B: Dim, E: Dim, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<(B, E), f32, D, T>,
    eps: f32,
) -> Result<Tensor<(B, E), f32, D, T>, D::Err> {
    let (shape, root) = (*x.shape(), eps.sqrt());
    let largest: Tensor<(B,), f32, D, NoneTape> = largest_of_rows(&x, root.max(f32::MIN_POSITIVE))?;
    let eps = largest.clone().try_recip()?.try_mul(root)?.try_square()?;
    let x = x.try_div(largest.retaped::<T>().try_broadcast_like::<_, Axis<1>>(&shape)?)?;
    let norm = x.retaped::<T>().try_square()?.try_sum::<(B,), Axis<1>>()?.try_add(eps.retaped::<T>())?.try_sqrt()?;
    x.try_div(norm.try_broadcast_like::<_, Axis<1>>(&shape)?)
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
    let forward =
        || -> Result<_, D::Err> { unit_rows(a, eps)?.try_mul(unit_rows(b, eps)?)?.try_sum::<(B,), Axis<1>>() };
    forward().map_err(device_error)
}
