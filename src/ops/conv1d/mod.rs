mod composed;
mod cpu;

pub use composed::conv1d as composed;

use dfdx::prelude::{Device, Dim, HasShape, Tensor};

use super::error::room;
use super::{LayerTape, OpError, check_size};

/// How the kernel of [`conv1d`] moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv1dSteps {
    /// Distance of neighbouring positions.
    pub stride: usize,
    /// Zeros before the first and after the last value.
    pub padding: usize,
}

impl Default for Conv1dSteps {
    /// Every position, no padding.
    fn default() -> Self {
        Self { stride: 1, padding: 0 }
    }
}

impl Conv1dSteps {
    /// Number of positions of a kernel over `length` values, if it fits at all.
    fn positions(self, length: usize, kernel: usize) -> Option<usize> {
        let room = length.checked_add(self.padding.checked_mul(2)?)?.checked_sub(kernel)?;
        room.checked_div(self.stride).map(|steps| steps + 1)
    }

    /// Which value stands under place `k` of the kernel at a position; none over the padding.
    fn source(self, position: usize, k: usize, length: usize) -> Option<usize> {
        (position * self.stride + k).checked_sub(self.padding).filter(|i| *i < length)
    }
}

/// Devices that can compute [`conv1d`].
pub trait Conv1dKernel: Device<f32> {
    /// See [`conv1d`]. The sizes agree and the kernel has `positions`.
    fn conv1d<B: Dim, C: Dim, L: Dim, O: Dim, K: Dim, T: LayerTape<Self>>(
        x: Tensor<(B, C, L), f32, Self, T>,
        weight: &Tensor<(O, C, K), f32, Self>,
        bias: Option<&Tensor<(O,), f32, Self>>,
        steps: Conv1dSteps,
        positions: usize,
    ) -> Result<Tensor<(B, O, usize), f32, Self, T::Output>, OpError> {
        composed(x, weight, bias, steps, positions)
    }
}

/// Convolution along the last axis, as PyTorch's (a correlation, one group):
/// `y[b, o, t] = bias[o] + Σ weight[o, c, k] x[b, c, t · stride + k − padding]`.
///
/// On the CPU a matrix product for every `(C, L)` of the batch. Unless the kernel is a single value that moves by one, each thread
/// lays out the `C · K · P` values of one item for it; the backward pass does so again.
///
/// # Shapes
/// `x`: `(B, C, L)`, `weight`: `(O, C, K)`, `bias`: `(O,)`; result: `(B, O, P)` with `P = (L + 2 padding − K) / stride + 1`, rounded down.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree, [`OpError::Undefined`] for an empty kernel, one longer than the padded input,
/// and a stride of 0.
pub fn conv1d<B: Dim, C: Dim, L: Dim, O: Dim, K: Dim, D: Conv1dKernel, T: LayerTape<D>>(
    x: Tensor<(B, C, L), f32, D, T>,
    weight: &Tensor<(O, C, K), f32, D>,
    bias: Option<&Tensor<(O,), f32, D>>,
    steps: Conv1dSteps,
) -> Result<Tensor<(B, O, usize), f32, D, T::Output>, OpError> {
    let ((_, channels, length), (outputs, inputs, kernel)) = (*x.shape(), *weight.shape());
    check_size("conv1d", "channels", inputs.size(), channels.size())?;
    if let Some(bias) = bias {
        check_size("conv1d", "bias width", outputs.size(), bias.shape().0.size())?;
    }
    let undefined = |reason| OpError::Undefined { op: "conv1d", reason };
    if steps.stride == 0 || kernel.size() == 0 {
        return Err(undefined("stride and kernel are at least 1"));
    }
    let positions = steps.positions(length.size(), kernel.size());
    let positions = positions.ok_or(undefined("the kernel is longer than the padded input"))?;
    // What it makes for one item, and in all.
    room("conv1d", &[channels.size(), kernel.size(), positions])?;
    room("conv1d", &[x.shape().0.size(), outputs.size(), positions])?;
    D::conv1d(x, weight, bias, steps, positions)
}
