use dfdx::prelude::{
    Axis, BroadcastTo, ChooseFrom, Device, Dim, HasShape, MaxTo, ReshapeTo, SumTo, Tape, Tensor, TryAdd, TryDiv,
    TryMul, TryNe, TrySub,
};

use crate::ops::nothing::is_empty;
use crate::ops::{OpError, Rows, device_error};

/// [`masked_softmax`](super::masked_softmax), without a mask [`softmax`](super::softmax), in dfdx's own operations.
pub fn softmax<S: Rows, B: Dim, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    mask: Option<&Tensor<(B, S::Last), f32, D>>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    if is_empty(&x) {
        return Ok(x);
    }
    let shape = *x.shape();
    let forward = || -> Result<_, D::Err> {
        let (rows, width) = (shape.rows(), shape.last());
        let Some(mask) = mask else {
            let x = x.try_reshape_like(&(rows, width))?;
            return x.try_softmax::<Axis<1>>()?.try_reshape_like(&shape);
        };
        let items = mask.shape().0.size();
        let sizes = (items, rows / items.max(1), width);
        let x = x.try_reshape_like(&sizes)?;
        let mask = mask.clone().try_reshape_like(&(items, width))?.try_broadcast_like::<_, Axis<1>>(&sizes)?;
        // Left-out entries take part with the smallest number, then with the weight 0.
        let lowest = x.device().try_zeros_like(&sizes)?.try_add(f32::MIN)?;
        let kept = mask.try_ne(0.0)?;
        let mask = kept.clone().try_choose(x.device().try_ones_like(&sizes)?, x.device().try_zeros_like(&sizes)?)?;
        let x = kept.try_choose(x, lowest.retaped::<T>())?;
        let largest = x.retaped::<dfdx::prelude::NoneTape>().try_max::<(usize, usize), Axis<2>>()?;
        let weights =
            x.try_sub(largest.retaped::<T>().try_broadcast_like::<_, Axis<2>>(&sizes)?)?.try_exp()?.try_mul(mask)?;
        let total = weights.retaped::<T>().try_sum::<(usize, usize), Axis<2>>()?;
        // A row without entries has the total 0; any other at least 1.
        let total = total.try_add(f32::MIN_POSITIVE)?.try_broadcast_like::<_, Axis<2>>(&sizes)?;
        weights.try_div(total)?.try_reshape_like(&shape)
    };
    forward().map_err(device_error)
}

/// [`log_softmax`](super::log_softmax) in dfdx's own operations.
pub fn log_softmax<S: Rows, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    if is_empty(&x) {
        return Ok(x);
    }
    let shape = *x.shape();
    let forward = || -> Result<_, D::Err> {
        let x = x.try_reshape_like(&(shape.rows(), shape.last()))?;
        x.try_log_softmax::<Axis<1>>()?.try_reshape_like(&shape)
    };
    forward().map_err(device_error)
}
