use dfdx::prelude::{Axes2, Axes3, Axes4, Device, Dim, HasShape, PermuteTo, ReshapeTo, SplitTape, Tensor, TryMatMul};

use super::Conv2dSteps;
use crate::ops::composed::permute;
use crate::ops::convolution::composed::windows;
use crate::ops::linear::with_bias;
use crate::ops::nothing::{constant, is_empty};
use crate::ops::record::begin_distinct;
use crate::ops::{LayerTape, OpError, device_error};

/// [`conv2d`](fn@super::conv2d) in dfdx's own operations: rows picked from the transposed pictures are what is under the kernel.
pub fn conv2d<B: Dim, C: Dim, H: Dim, W: Dim, O: Dim, K: Dim, L: Dim, D: Device<f32>, T: LayerTape<D>>(
    x: Tensor<(B, C, H, W), f32, D, T>,
    weight: &Tensor<(O, C, K, L), f32, D>,
    bias: Option<&Tensor<(O,), f32, D>>,
    steps: Conv2dSteps,
) -> Result<Tensor<(B, O, usize, usize), f32, D, T::Output>, OpError> {
    let ((batch, channels, height, width), (outputs, _, down, across)) = (*x.shape(), *weight.shape());
    let axes = steps.axes([height.size(), width.size()], [down.size(), across.size()])?;
    let x = begin_distinct(x)?;
    let [rows, columns] = axes.map(|axis| axis.positions);
    let (items, channels, positions) = (batch.size(), channels.size(), rows * columns);
    let (kernel, device) = (down.size() * across.size(), x.device().clone());
    let product = if is_empty(&x) || is_empty(weight) {
        let ((x, tape), weight) = (x.split_tape(), weight.clone());
        constant(device, 0.0, (items * positions, outputs), tape, move |gradients| {
            if is_empty(&x) { gradients.try_alloc_for(&weight) } else { gradients.try_alloc_for(&x) }
        })?
    } else {
        let forward = || -> Result<_, D::Err> {
            let planes = x.try_reshape_like(&(items * channels, height.size() * width.size()))?;
            let windows = windows(planes, axes, 0.0)?.try_reshape_like(&(kernel, positions, items, channels))?;
            let windows = windows.try_permute::<_, Axes4<2, 1, 3, 0>>()?;
            let windows = windows.try_reshape_like(&(items * positions, channels * kernel))?;
            let filter = weight.retaped::<T::Output>().try_reshape_like(&(outputs, channels * kernel))?;
            windows.try_matmul(filter.try_permute::<_, Axes2<1, 0>>()?)
        };
        forward().map_err(device_error)?
    };
    let y = with_bias(product, bias)?.try_reshape_like(&(batch, positions, outputs)).map_err(device_error)?;
    let y = permute::<_, _, Axes3<0, 2, 1>, _, _>(y)?;
    y.try_reshape_like(&(batch, outputs, rows, columns)).map_err(device_error)
}
