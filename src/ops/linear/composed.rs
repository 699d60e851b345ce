use dfdx::prelude::{
    Axes2, Axis, BroadcastTo, Device, Dim, HasShape, PermuteTo, PutTape, ReshapeTo, SplitTape, Tape, Tensor, TryAdd,
    TryMatMul,
};

use crate::ops::nothing::{constant, is_empty};
use crate::ops::record::begin_distinct;
use crate::ops::{LayerTape, OpError, Rows, composed, device_error};

/// [`linear_columns`](super::linear_columns) in dfdx's own operations.
pub fn linear<S: Rows, O: Dim, W: Dim, D: Device<f32>, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
    weight: &Tensor<(O, W), f32, D>,
    first: usize,
    bias: Option<&Tensor<(O,), f32, D>>,
) -> Result<Tensor<S::With<O>, f32, D, T::Output>, OpError> {
    let x = begin_distinct(x)?;
    let (shape, (outputs, columns)) = (*x.shape(), *weight.shape());
    let (rows, inputs) = (shape.rows(), shape.last().size());
    if rows * inputs * outputs.size() == 0 {
        let ((x, tape), weight) = (x.split_tape(), weight.clone());
        let y = constant(x.device().clone(), 0.0, (rows, outputs), tape, move |gradients| {
            gradients.try_alloc_for(&weight)
        })?;
        return with_bias(y, bias)?.try_reshape_like(&shape.with(outputs)).map_err(device_error);
    }
    let columns_first = || weight.retaped::<T::Output>().try_permute::<(W, O), Axes2<1, 0>>();
    let mut weight =
        columns_first().map_err(device_error)?.try_reshape_like(&(columns.size(), outputs)).map_err(device_error)?;
    if inputs < columns.size() {
        weight = composed::select_rows(weight, &(first..first + inputs).collect::<Vec<_>>(), None)?;
    }
    let y = x.try_reshape_like(&(rows, inputs)).map_err(device_error)?.try_matmul(weight).map_err(device_error)?;
    with_bias(y, bias)?.try_reshape_like(&shape.with(outputs)).map_err(device_error)
}

/// `y + bias` in every row.
pub(crate) fn with_bias<O: Dim, D: Device<f32>, T: Tape<f32, D>>(
    y: Tensor<(usize, O), f32, D, T>,
    bias: Option<&Tensor<(O,), f32, D>>,
) -> Result<Tensor<(usize, O), f32, D, T>, OpError> {
    let Some(bias) = bias else { return Ok(y) };
    if is_empty(&y) {
        let ((y, mut tape), bias) = (y.split_tape(), bias.clone());
        tape.add_backward_op(move |gradients| gradients.try_alloc_for(&bias));
        return Ok(y.put_tape(tape));
    }
    let bias = bias.retaped::<T>().try_broadcast_like::<_, Axis<0>>(y.shape()).map_err(device_error)?;
    y.try_add(bias).map_err(device_error)
}
