mod composed;
mod cpu;

pub use composed::conv2d as composed;

use dfdx::prelude::{Device, Dim, HasShape, Tensor};

use super::convolution::{Border, KernelAxis};
use super::error::room;
use super::{LayerTape, OpError, OpsDevice, check_size};

/// How the kernel of [`conv2d`] moves, along both axes alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2dSteps {
    /// Distance of neighbouring positions.
    pub stride: usize,
    /// Values of padding on each side.
    pub padding: usize,
    /// What stands there.
    pub border: Border,
}

impl Default for Conv2dSteps {
    /// Every position, no padding.
    fn default() -> Self {
        Self { stride: 1, padding: 0, border: Border::Zeros }
    }
}

impl Conv2dSteps {
    fn axes(self, lengths: [usize; 2], kernels: [usize; 2]) -> Result<[KernelAxis; 2], OpError> {
        let axis =
            |i: usize| KernelAxis::new("conv2d", [lengths[i], kernels[i]], [self.stride, self.padding], self.border);
        Ok([axis(0)?, axis(1)?])
    }
}

/// Devices that can compute [`conv2d`].
pub trait Conv2dKernel: Device<f32> {
    /// See [`conv2d`]. The sizes agree.
    fn conv2d<B: Dim, C: Dim, H: Dim, W: Dim, O: Dim, K: Dim, L: Dim, T: LayerTape<Self>>(
        x: Tensor<(B, C, H, W), f32, Self, T>,
        weight: &Tensor<(O, C, K, L), f32, Self>,
        bias: Option<&Tensor<(O,), f32, Self>>,
        steps: Conv2dSteps,
    ) -> Result<Tensor<(B, O, usize, usize), f32, Self, T::Output>, OpError> {
        composed(x, weight, bias, steps)
    }
}

/// Convolution along the last two axes, as PyTorch's (a correlation, one group):
/// `y[b, o, i, j] = bias[o] + Σ weight[o, c, k, l] x[b, c, i · stride + k − padding, j · stride + l − padding]`.
///
/// On the CPU matrix products for every picture of the batch. Unless the kernel is a single value that moves by one, each thread lays out the
/// values under the kernel for them, some rows of the result at a time (about a megabyte, or one row); the backward pass does so again.
///
/// # Shapes
/// `x`: `(B, C, H, W)`, `weight`: `(O, C, K, L)`, `bias`: `(O,)`; result: `(B, O, P, Q)` with `P = (H + 2 padding − K) / stride + 1`, rounded down,
/// and `Q` likewise.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree, [`OpError::TooFew`] for an empty kernel, a padded input smaller than the kernel, and an empty
/// one to replicate, [`OpError::Option`] for a stride of 0, [`OpError::Memory`].
pub fn conv2d<B: Dim, C: Dim, H: Dim, W: Dim, O: Dim, K: Dim, L: Dim, D: OpsDevice, T: LayerTape<D>>(
    x: Tensor<(B, C, H, W), f32, D, T>,
    weight: &Tensor<(O, C, K, L), f32, D>,
    bias: Option<&Tensor<(O,), f32, D>>,
    steps: Conv2dSteps,
) -> Result<Tensor<(B, O, usize, usize), f32, D, T::Output>, OpError> {
    let ((batch, channels, height, width), (outputs, inputs, down, across)) = (*x.shape(), *weight.shape());
    check_size("conv2d", "channels", inputs.size(), channels.size())?;
    if let Some(bias) = bias {
        check_size("conv2d", "bias width", outputs.size(), bias.shape().0.size())?;
    }
    let [rows, columns] = steps.axes([height.size(), width.size()], [down.size(), across.size()])?;
    // What it lays out for one row of the result, and the result.
    room("conv2d", &[channels.size(), down.size(), across.size(), columns.positions])?;
    room("conv2d", &[batch.size(), outputs.size(), rows.positions, columns.positions])?;
    D::conv2d(x, weight, bias, steps)
}
