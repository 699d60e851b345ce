use dfdx::prelude::{Axes2, Axis, BroadcastTo, Device, Dim, HasShape, PermuteTo, ReshapeTo, Tensor, TryAdd, TryMatMul};

use crate::ops::{LayerTape, OpError, Rows, begin, composed, device_error};

/// [`linear_columns`](super::linear_columns) in dfdx's own operations.
pub fn linear<S: Rows, O: Dim, W: Dim, D: Device<f32>, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
    weight: &Tensor<(O, W), f32, D>,
    first: usize,
    bias: Option<&Tensor<(O,), f32, D>>,
) -> Result<Tensor<S::With<O>, f32, D, T::Output>, OpError> {
    let x = begin(x);
    let (shape, (outputs, columns)) = (*x.shape(), *weight.shape());
    let inputs = shape.last().size();
    let columns_first = || weight.retaped::<T::Output>().try_permute::<(W, O), Axes2<1, 0>>();
    let mut weight =
        columns_first().map_err(device_error)?.try_reshape_like(&(columns.size(), outputs)).map_err(device_error)?;
    if inputs < columns.size() {
        weight = composed::select_rows(weight, &(first..first + inputs).collect::<Vec<_>>(), None)?;
    }
    let forward = || -> Result<_, D::Err> {
        let mut y = x.try_reshape_like(&(shape.rows(), inputs))?.try_matmul(weight)?;
        if let Some(bias) = bias {
            let bias = bias.retaped::<T::Output>().try_broadcast_like::<_, Axis<0>>(&(shape.rows(), outputs))?;
            y = y.try_add(bias)?;
        }
        y.try_reshape_like(&shape.with(outputs))
    };
    forward().map_err(device_error)
}
