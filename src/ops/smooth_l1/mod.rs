mod composed;
mod cpu;

pub use composed::smooth_l1 as composed;

use dfdx::prelude::{Device, HasShape, Merge, Shape, Tensor};

use super::{LayerTape, OpError, OpsDevice, RecordingTape, check_least, check_option, check_sizes};

/// What a loss makes of its terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossReduction {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
}

impl LossReduction {
    /// What the sum of `terms` terms is multiplied by.
    fn scale(self, terms: usize) -> f64 {
        match self {
            Self::Mean => 1.0 / terms as f64,
            Self::Sum => 1.0,
        }
    }
}

/// Devices that can compute [`smooth_l1`].
pub trait SmoothL1Kernel: Device<f32> {
    /// See [`smooth_l1`].
    fn smooth_l1<S: Shape, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        target: Tensor<S, f32, Self, R>,
        beta: f32,
        reduction: LossReduction,
    ) -> Result<Tensor<(), f32, Self, T>, OpError> {
        composed(x, target, beta, reduction)
    }
}

/// Smooth L1 loss (Girshick 2015): with `d = x − target`, `d² / (2 beta)` where `|d| < beta` and `|d| − beta / 2` elsewhere.
///
/// `beta = 0` is the L1 loss, whose gradient at 0 is 0.
///
/// # Shapes
/// `x`, `target`: the same shape; result: a scalar.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree, [`OpError::Option`] for a `beta` that is negative or not finite,
/// [`OpError::TooFew`] for the mean of nothing.
pub fn smooth_l1<S: Shape, D: OpsDevice, T: RecordingTape<D> + Merge<R>, R: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
    target: Tensor<S, f32, D, R>,
    beta: f32,
    reduction: LossReduction,
) -> Result<Tensor<(), f32, D, T>, OpError> {
    check_sizes("smooth L1", "size of the target", x.shape(), target.shape())?;
    check_option("smooth L1", beta.is_finite() && beta >= 0.0, "beta is not a number from 0 on")?;
    if reduction == LossReduction::Mean {
        check_least("smooth L1", "values of a mean", 1, x.shape().num_elements())?;
    }
    D::smooth_l1(x, target, beta, reduction)
}
