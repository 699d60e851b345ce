use dfdx::prelude::{Axes2, Axis, BroadcastTo, Device, Dim, HasShape, ReshapeTo, Tensor, TryAdd, TryMatMul};

use super::Conv1dSteps;
use crate::ops::{LayerTape, OpError, begin, device_error};

/// [`conv1d`](fn@super::conv1d) in dfdx's own operations: a product with a constant matrix puts the values under the kernel in order.
pub fn conv1d<B: Dim, C: Dim, L: Dim, O: Dim, K: Dim, D: Device<f32>, T: LayerTape<D>>(
    x: Tensor<(B, C, L), f32, D, T>,
    weight: &Tensor<(O, C, K), f32, D>,
    bias: Option<&Tensor<(O,), f32, D>>,
    steps: Conv1dSteps,
    positions: usize,
) -> Result<Tensor<(B, O, usize), f32, D, T::Output>, OpError> {
    let ((batch, channels, length), (outputs, _, kernel)) = (*x.shape(), *weight.shape());
    let x = begin(x);
    let (items, channels, length) = (batch.size(), channels.size(), length.size());
    let (outs, kernel) = (outputs.size(), kernel.size());
    let forward = || -> Result<_, D::Err> {
        let device = x.device().clone();
        let mut places = vec![0.0; length * kernel * positions];
        for (k, position) in (0..kernel).flat_map(|k| (0..positions).map(move |position| (k, position))) {
            if let Some(i) = steps.source(position, k, length) {
                places[i * kernel * positions + k * positions + position] = 1.0;
            }
        }
        let places = device.try_tensor_from_vec(places, (length, kernel * positions))?;
        let windows = x.try_reshape_like(&(items * channels, length))?.try_matmul(places)?;
        let windows = windows.try_reshape_like(&(items, channels * kernel, positions))?;
        let filter = weight.retaped::<T::Output>().try_reshape_like(&(outs, channels * kernel))?;
        let mut y = filter.try_broadcast_like::<_, Axis<0>>(&(items, outs, channels * kernel))?.try_matmul(windows)?;
        if let Some(bias) = bias {
            let bias = bias.retaped::<T::Output>().try_reshape_like(&(outs,))?;
            y = y.try_add(bias.try_broadcast_like::<_, Axes2<0, 2>>(&(items, outs, positions))?)?;
        }
        y.try_reshape_like(&(batch, outputs, positions))
    };
    forward().map_err(device_error)
}
