use dfdx::prelude::{Axis, BroadcastTo, Device, HasShape, ReshapeTo, SumTo, Tape, Tensor, TryDiv};

use crate::ops::nothing::is_empty;
use crate::ops::{OpError, Rows, device_error};

/// [`l2_normalize`](super::l2_normalize) in dfdx's own operations.
///
/// The clamp acts on the squared norm: the same value, and no infinite gradient of the square root at zero.
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
        let norm = rows.retaped::<T>().try_square()?.try_sum::<(usize,), Axis<1>>()?.try_clamp(eps * eps, f32::MAX)?;
        let norm = norm.try_sqrt()?.try_broadcast_like::<_, Axis<1>>(rows.shape())?;
        rows.try_div(norm)?.try_reshape_like(&shape)
    };
    forward().map_err(device_error)
}
