mod composed;
mod cpu;

pub use composed::max_pool2d as composed;

use dfdx::prelude::{Device, Dim, HasShape, Tape, Tensor};

use super::convolution::{Border, KernelAxis};
use super::error::room;
use super::{OpError, OpsDevice, check_least, check_option};

/// The squares of [`max_pool2d`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSteps {
    /// Side of a square.
    pub kernel: usize,
    /// Distance of neighbouring squares.
    pub stride: usize,
    /// How far squares reach beyond the input on each side, at most half of one.
    pub padding: usize,
}

impl PoolSteps {
    fn axes(self, lengths: [usize; 2]) -> Result<[KernelAxis; 2], OpError> {
        const OP: &str = "max pool";
        check_option(OP, self.padding <= self.kernel / 2, "the padding is more than half of the kernel")?;
        let axis = |length: usize| {
            check_least(OP, "values along an axis", 1, length)?;
            KernelAxis::new(OP, [length, self.kernel], [self.stride, self.padding], Border::Zeros)
        };
        Ok([axis(lengths[0])?, axis(lengths[1])?])
    }
}

/// Devices that can compute [`max_pool2d`].
pub trait MaxPool2dKernel: Device<f32> {
    /// See [`max_pool2d`]. The squares fit.
    fn max_pool2d<B: Dim, C: Dim, H: Dim, W: Dim, T: Tape<f32, Self>>(
        x: Tensor<(B, C, H, W), f32, Self, T>,
        steps: PoolSteps,
    ) -> Result<Tensor<(B, C, usize, usize), f32, Self, T>, OpError> {
        composed(x, steps)
    }
}

/// The maxima of squares, as PyTorch's: what lies beyond the input does not count, squares that begin beyond its padding are left out. The gradient
/// goes to the first maximum in row-major order; NaN in a square is its maximum.
///
/// # Shapes
/// `(B, C, H, W)` to `(B, C, P, Q)` with `P = (H + 2 padding − kernel) / stride + 1`, rounded down, and `Q` likewise.
///
/// # Errors
/// [`OpError::TooFew`] for an empty kernel or input and a padded input smaller than the kernel, [`OpError::Option`] for a stride of 0 and padding
/// of more than half of the kernel, [`OpError::Memory`].
pub fn max_pool2d<B: Dim, C: Dim, H: Dim, W: Dim, D: OpsDevice, T: Tape<f32, D>>(
    x: Tensor<(B, C, H, W), f32, D, T>,
    steps: PoolSteps,
) -> Result<Tensor<(B, C, usize, usize), f32, D, T>, OpError> {
    let (batch, channels, height, width) = *x.shape();
    let [rows, columns] = steps.axes([height.size(), width.size()])?;
    room("max pool", &[batch.size(), channels.size(), rows.positions, columns.positions])?;
    D::max_pool2d(x, steps)
}
