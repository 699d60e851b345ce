use dfdx::prelude::{
    Axes2, Axis, Device, Dim, HasShape, PermuteTo, ReshapeTo, SelectTo, SumTo, Tape, Tensor, TryAdd, TryMul,
};

use crate::ops::{OpError, device_error};

/// [`symmetric_cross_entropy`](super::symmetric_cross_entropy) in dfdx's own operations.
pub fn symmetric_cross_entropy<B: Dim, C: Dim, D: Device<f32>, T: Tape<f32, D>>(
    logits: Tensor<(B, C), f32, D, T>,
) -> Result<Tensor<(), f32, D, T>, OpError> {
    let size = logits.shape().0.size();
    let forward = || -> Result<_, D::Err> {
        let rows = logits.try_reshape_like(&(size, size))?;
        let columns: Tensor<(usize, usize), f32, D, T> =
            rows.retaped::<T>().try_permute::<_, Axes2<1, 0>>()?.try_contiguous()?;
        // Picked, not multiplied by zeros: what stands beside the diagonal may be negative infinity.
        let diagonal = rows.device().try_tensor_from_vec((0..size).collect(), (size,))?;
        let columns = columns.try_log_softmax::<Axis<1>>()?.try_select(diagonal.clone())?;
        let rows = rows.try_log_softmax::<Axis<1>>()?.try_select(diagonal)?;
        rows.try_add(columns)?.try_sum::<(), _>()?.try_mul(-0.5 / size as f32)
    };
    forward().map_err(device_error)
}
