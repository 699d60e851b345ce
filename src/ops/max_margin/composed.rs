use dfdx::prelude::{
    Axis, BroadcastTo, Device, Dim, HasShape, ReshapeTo, SumTo, Tape, Tensor, TryAdd, TryDiv, TryMul, TrySub,
};

use super::MarginTerms;
use crate::ops::{OpError, device_error};

/// [`max_margin`](fn@super::max_margin) in dfdx's own operations.
pub fn max_margin<B: Dim, D: Device<f32>, T: Tape<f32, D>>(
    scores: Tensor<(B, B), f32, D, T>,
    margin: f32,
    over: MarginTerms,
) -> Result<Tensor<(), f32, D, T>, OpError> {
    let n = scores.shape().0.size();
    let square = (n, n);
    let forward = || -> Result<_, D::Err> {
        let device = scores.device().clone();
        let matrix = |on: f32, off: f32| {
            let values = (0..n * n).map(|i| if i % (n + 1) == 0 { on } else { off }).collect();
            device.try_tensor_from_vec(values, square)
        };
        let counted = matrix(if over == MarginTerms::All { 1.0 } else { 0.0 }, 1.0)?;
        let scores = scores.try_reshape_like(&square)?;
        let matching = scores.retaped::<T>().try_mul(matrix(1.0, 0.0)?)?.try_sum::<(usize,), Axis<1>>()?;
        let rows = matching.retaped::<T>().try_broadcast_like::<_, Axis<1>>(&square)?;
        let columns = matching.try_broadcast_like::<_, Axis<0>>(&square)?;
        let by_row = rows.try_sub(scores.retaped::<T>())?.try_negate()?.try_add(margin)?.try_relu()?;
        let by_column = columns.try_sub(scores)?.try_negate()?.try_add(margin)?.try_relu()?;
        by_row.try_add(by_column)?.try_mul(counted)?.try_sum::<(), _>()?.try_div(over.count(n) as f32)
    };
    forward().map_err(device_error)
}
