mod composed;
mod cpu;

pub use composed::conv1d as composed;

use dfdx::prelude::{Device, Dim, HasShape, Tensor};

use super::convolution::{Border, KernelAxis};
use super::error::room;
use super::{LayerTape, OpError, OpsDevice, check_size};

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
    fn axis(self, length: usize, kernel: usize) -> Result<KernelAxis, OpError> {
        KernelAxis::new("conv1d", [length, kernel], [self.stride, self.padding], Border::Zeros)
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
/// [`OpError::Shape`] when run-time sizes disagree, [`OpError::TooFew`] for an empty kernel and a padded input shorter than the kernel,
/// [`OpError::Option`] for a stride of 0.
pub fn conv1d<B: Dim, C: Dim, L: Dim, O: Dim, K: Dim, D: OpsDevice, T: LayerTape<D>>(
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
    let positions = steps.axis(length.size(), kernel.size())?.positions;
    // What it makes for one item, and in all.
    room("conv1d", &[channels.size(), kernel.size(), positions])?;
    room("conv1d", &[x.shape().0.size(), outputs.size(), positions])?;
    D::conv1d(x, weight, bias, steps, positions)
}
