use dfdx::prelude::{Axis, BroadcastTo, Device, HasShape, ReshapeTo, SumTo, Tape, Tensor, TryDiv};

use crate::ops::largest::largest_of_rows;
use crate::ops::nothing::is_empty;
use crate::ops::{OpError, Rows, device_error};

/// [`l2_normalize`](super::l2_normalize) in dfdx's own operations.
///
/// Rows are divided by their largest value, at least `eps`, before they are squared: no square overflows, and the norm that is left is at
/// least 1, or below `eps`. The clamp acts on the squared norm: the same value, and no infinite gradient of the square root at zero.
pub fn l2_normalize<S: Rows, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    eps: f32,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    if is_empty(&x) {
        return Ok(x);
    }
    let shape = *x.shape();
    let forward = || -> Result<_, D::Err> {
        let rows = x.try_reshape_like(&(shape.rows(), shape.last()))?;
        let largest = largest_of_rows(&rows, eps)?.retaped::<T>().try_broadcast_like::<_, Axis<1>>(rows.shape())?;
        let rows = rows.try_div(largest)?;
        let norm = rows.retaped::<T>().try_square()?.try_sum::<(usize,), Axis<1>>()?.try_clamp(1.0, f32::MAX)?;
        let norm = norm.try_sqrt()?.try_broadcast_like::<_, Axis<1>>(rows.shape())?;
        rows.try_div(norm)?.try_reshape_like(&shape)
    };
    forward().map_err(device_error)
}
