mod composed;
mod cpu;

pub use composed::hinge as composed;

use dfdx::prelude::{Device, Dim, HasShape, Merge, Tensor};

use super::{LayerTape, OpError, OpsDevice, RecordingTape, check_size};

/// Devices that can compute [`hinge`].
pub trait HingeKernel: Device<f32> {
    /// See [`hinge`].
    fn hinge<B: Dim, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        margin: &Tensor<(B,), f32, Self>,
        small: Tensor<(B,), f32, Self, T>,
        large: Tensor<(B,), f32, Self, R>,
    ) -> Result<Tensor<(B,), f32, Self, T>, OpError> {
        composed(margin, small, large)
    }
}

/// Hinge terms `yᵢ = max(0, (marginᵢ + smallᵢ) − largeᵢ)`: zero once `large` exceeds `small` by the margin.
///
/// The gradient at exactly 0 is 0, and the margin is a constant.
///
/// # Shapes
/// All `(B,)`.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree.
pub fn hinge<B: Dim, D: OpsDevice, T: RecordingTape<D> + Merge<R>, R: LayerTape<D>>(
    margin: &Tensor<(B,), f32, D>,
    small: Tensor<(B,), f32, D, T>,
    large: Tensor<(B,), f32, D, R>,
) -> Result<Tensor<(B,), f32, D, T>, OpError> {
    check_size("hinge", "margins", small.shape().0.size(), margin.shape().0.size())?;
    check_size("hinge", "values", small.shape().0.size(), large.shape().0.size())?;
    D::hinge(margin, small, large)
}
