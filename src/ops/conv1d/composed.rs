use dfdx::prelude::{Axes2, Axes3, Device, Dim, HasShape, PermuteTo, ReshapeTo, SplitTape, Tensor, TryMatMul};

use super::Conv1dSteps;
use crate::ops::composed::permute;
use crate::ops::linear::with_bias;
use crate::ops::nothing::{constant, is_empty};
use crate::ops::record::begin_distinct;
use crate::ops::{LayerTape, OpError, device_error};

/// [`conv1d`](fn@super::conv1d) in dfdx's own operations: a product with a constant matrix puts the values under the kernel in order.
pub fn conv1d<B: Dim, C: Dim, L: Dim, O: Dim, K: Dim, D: Device<f32>, T: LayerTape<D>>(
    x: Tensor<(B, C, L), f32, D, T>,
    weight: &Tensor<(O, C, K), f32, D>,
    bias: Option<&Tensor<(O,), f32, D>>,
    steps: Conv1dSteps,
    positions: usize,
) -> Result<Tensor<(B, O, usize), f32, D, T::Output>, OpError> {
    let ((batch, channels, length), (outputs, _, kernel)) = (*x.shape(), *weight.shape());
    let axis = steps.axis(length.size(), kernel.size())?;
    let x = begin_distinct(x)?;
    let (items, channels, length, kernel) = (batch.size(), channels.size(), length.size(), kernel.size());
    let (rows, under, device) = (items * positions, channels * kernel, x.device().clone());
    let product = if is_empty(&x) || is_empty(weight) {
        let ((_, tape), weight) = (x.split_tape(), weight.clone());
        constant(device, 0.0, (rows, outputs), tape, move |gradients| gradients.try_alloc_for(&weight))?
    } else {
        let forward = || -> Result<_, D::Err> {
            let mut places = vec![0.0; length * kernel * positions];
            for (k, position) in (0..kernel).flat_map(|k| (0..positions).map(move |position| (k, position))) {
                if let Some(i) = axis.source(position, k) {
                    places[i * kernel * positions + k * positions + position] = 1.0;
                }
            }
            let places = device.try_tensor_from_vec(places, (length, kernel * positions))?;
            let windows = x.try_reshape_like(&(items * channels, length))?.try_matmul(places)?;
            let windows = windows.try_reshape_like(&(items, under, positions))?;
            let windows = windows.try_permute::<_, Axes3<0, 2, 1>>()?.try_reshape_like(&(rows, under))?;
            let filter = weight.retaped::<T::Output>().try_reshape_like(&(outputs, under))?;
            windows.try_matmul(filter.try_permute::<_, Axes2<1, 0>>()?)
        };
        forward().map_err(device_error)?
    };
    let y = with_bias(product, bias)?.try_reshape_like(&(batch, positions, outputs)).map_err(device_error)?;
    permute::<_, _, Axes3<0, 2, 1>, _, _>(y)
}
