use dfdx::prelude::{Axes2, Axis, BroadcastTo, Device, Dim, HasShape, PermuteTo, ReshapeTo, Tensor, TryAdd, TryMatMul};

use crate::ops::{LayerTape, OpError, Rows, begin, device_error};

/// [`linear`](super::linear) in dfdx's own operations.
pub fn linear<S: Rows, O: Dim, D: Device<f32>, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
    weight: &Tensor<(O, S::Last), f32, D>,
    bias: Option<&Tensor<(O,), f32, D>>,
) -> Result<Tensor<S::With<O>, f32, D, T::Output>, OpError> {
    let x = begin(x);
    let (shape, outputs) = (*x.shape(), weight.shape().0);
    let forward = || -> Result<_, D::Err> {
        let rows = x.try_reshape_like(&(shape.rows(), shape.last()))?;
        let weight: Tensor<(S::Last, O), f32, D> = weight.clone().try_permute::<_, Axes2<1, 0>>()?;
        let mut y = rows.try_matmul(weight)?;
        if let Some(bias) = bias {
            let bias = bias.retaped::<T::Output>().try_broadcast_like::<_, Axis<0>>(&(shape.rows(), outputs))?;
            y = y.try_add(bias)?;
        }
        y.try_reshape_like(&shape.with(outputs))
    };
    forward().map_err(device_error)
}
