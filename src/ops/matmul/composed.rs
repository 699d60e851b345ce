use dfdx::prelude::{Axes3, Device, Merge, PermuteTo, ReshapeTo, Shape, SplitTape, Tape, Tensor, TryMatMul};

use super::Product;
use crate::ops::nothing::constant;
use crate::ops::record::distinct;
use crate::ops::{OpError, device_error};

/// [`matmul`](super::matmul) in dfdx's own operations.
pub fn matmul<A: Shape, B: Shape, O: Shape, D: Device<f32>, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    a: Tensor<A, f32, D, T>,
    b: Tensor<B, f32, D, R>,
    product: Product,
    shape: O,
) -> Result<Tensor<O, f32, D, T>, OpError> {
    let (a, b) = distinct(a, b)?;
    let Product { count, rows, inner, columns, left_transposed, right_transposed } = product;
    if count * rows * inner * columns == 0 {
        let ((a, tape), (b, b_tape)) = (a.split_tape(), b.split_tape());
        return constant(a.device().clone(), 0.0, shape, tape.merge(b_tape), move |gradients| {
            gradients.try_alloc_for(&a)?;
            gradients.try_alloc_for(&b)
        });
    }
    let forward = || -> Result<_, D::Err> {
        let a = if left_transposed {
            a.try_reshape_like(&(count, inner, rows))?.try_permute::<_, Axes3<0, 2, 1>>()?
        } else {
            a.try_reshape_like(&(count, rows, inner))?
        };
        let b = if right_transposed {
            b.try_reshape_like(&(count, columns, inner))?.try_permute::<_, Axes3<0, 2, 1>>()?
        } else {
            b.try_reshape_like(&(count, inner, columns))?
        };
        a.try_matmul(b)?.try_reshape_like(&shape)
    };
    forward().map_err(device_error)
}
