use dfdx::prelude::{Axes2, Device, Dim, HasShape, Merge, PermuteTo, ReshapeTo, Tape, Tensor, TryMatMul};

use crate::ops::{OpError, device_error};

/// [`inner_products`](super::inner_products) in dfdx's own operations.
pub fn inner_products<B: Dim, C: Dim, E: Dim, D: Device<f32>, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    a: Tensor<(B, E), f32, D, T>,
    b: Tensor<(C, E), f32, D, R>,
) -> Result<Tensor<(B, C), f32, D, T>, OpError> {
    let ((rows, width), columns) = (*a.shape(), b.shape().0);
    let forward = || -> Result<_, D::Err> {
        let a = a.try_reshape_like(&(rows.size(), width.size()))?;
        let b = b.try_reshape_like(&(columns.size(), width.size()))?;
        let b: Tensor<(usize, usize), f32, D, R> = b.try_permute::<_, Axes2<1, 0>>()?;
        a.try_matmul(b)?.try_reshape_like(&(rows, columns))
    };
    forward().map_err(device_error)
}
