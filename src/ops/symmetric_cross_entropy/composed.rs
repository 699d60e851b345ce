use dfdx::prelude::{Axes2, Axis, Device, Dim, HasShape, PermuteTo, ReshapeTo, SumTo, Tape, Tensor, TryAdd, TryMul};

use crate::ops::{OpError, device_error};

/// [`symmetric_cross_entropy`](super::symmetric_cross_entropy) in dfdx's own operations.
pub fn symmetric_cross_entropy<B: Dim, C: Dim, D: Device<f32>, T: Tape<f32, D>>(
    logits: Tensor<(B, C), f32, D, T>,
) -> Result<Tensor<(), f32, D, T>, OpError> {
    let size = logits.shape().0.size();
    let forward = || -> Result<_, D::Err> {
        let logits = logits.try_reshape_like(&(size, size))?;
        let diagonal = (0..size * size).map(|i| if i % (size + 1) == 0 { -0.5 / size as f32 } else { 0.0 }).collect();
        let diagonal = logits.device().try_tensor_from_vec(diagonal, (size, size))?;
        let columns: Tensor<(usize, usize), f32, D, T> =
            logits.retaped::<T>().try_permute::<_, Axes2<1, 0>>()?.try_contiguous()?;
        let columns = columns.try_log_softmax::<Axis<1>>()?.try_mul(diagonal.clone())?.try_sum::<(), _>()?;
        logits.try_log_softmax::<Axis<1>>()?.try_mul(diagonal)?.try_sum::<(), _>()?.try_add(columns)
    };
    forward().map_err(device_error)
}
