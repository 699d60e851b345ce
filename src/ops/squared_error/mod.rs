mod composed;
mod cpu;

pub use composed::mean_squared_error as composed;

use dfdx::prelude::{Device, HasShape, Shape, Tape, Tensor};

use super::{OpError, OpsDevice, check_least, check_sizes};

/// Devices that can compute [`mean_squared_error`].
pub trait SquaredErrorKernel: Device<f32> {
    /// See [`mean_squared_error`].
    fn mean_squared_error<S: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        target: &Tensor<S, f32, Self>,
    ) -> Result<Tensor<(), f32, Self, T>, OpError> {
        composed(x, target)
    }
}

/// Mean over all N values of `(x − target)²`; the target is a constant.
///
/// # Shapes
/// `x`, `target`: the same; result: a scalar.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree, [`OpError::TooFew`] when there are no values.
pub fn mean_squared_error<S: Shape, D: OpsDevice, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    target: &Tensor<S, f32, D>,
) -> Result<Tensor<(), f32, D, T>, OpError> {
    check_sizes("mean squared error", "size of the target", x.shape(), target.shape())?;
    check_least("mean squared error", "values of a mean", 1, x.shape().num_elements())?;
    D::mean_squared_error(x, target)
}
