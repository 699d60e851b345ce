use dfdx::prelude::{Axes2, Device, Dim, HasShape, PermuteTo, ReshapeTo, SplitTape, Tape, Tensor};

use super::PoolSteps;
use crate::ops::composed::reduce;
use crate::ops::convolution::composed::windows;
use crate::ops::nothing::{constant, is_empty};
use crate::ops::{AroundAxis, OpError, Reduction, TieGradient, device_error};

/// [`max_pool2d`](fn@super::max_pool2d) in dfdx's own operations: the maxima over rows that are picked from the transposed pictures.
pub fn max_pool2d<B: Dim, C: Dim, H: Dim, W: Dim, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<(B, C, H, W), f32, D, T>,
    steps: PoolSteps,
) -> Result<Tensor<(B, C, usize, usize), f32, D, T>, OpError> {
    let (batch, channels, height, width) = *x.shape();
    let axes = steps.axes([height.size(), width.size()])?;
    let [rows, columns] = axes.map(|axis| axis.positions);
    let shape = (batch, channels, rows, columns);
    if is_empty(&x) {
        let (x, tape) = x.split_tape();
        return constant(x.device().clone(), 0.0, shape, tape, |_| Ok(()));
    }
    let (planes, positions) = (batch.size() * channels.size(), rows * columns);
    let under = x.try_reshape_like(&(planes, height.size() * width.size()));
    let under = under.and_then(|planes| windows(planes, axes, f32::NEG_INFINITY)).map_err(device_error)?;
    let around = AroundAxis { outer: 1, length: steps.kernel * steps.kernel, inner: positions * planes };
    let reduction = Reduction::Max(TieGradient::First);
    let maxima = reduce(under, around, None, reduction, (positions, planes))?;
    let maxima: Result<Tensor<(usize, usize), f32, D, T>, _> = maxima.try_permute::<_, Axes2<1, 0>>();
    maxima.and_then(|maxima| maxima.try_reshape_like(&shape)).map_err(device_error)
}
