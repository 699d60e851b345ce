mod composed;
mod cpu;

pub use composed::scale as composed;

use dfdx::prelude::{Device, Shape, Tape, Tensor};

use super::{OpError, OpsDevice};

/// Devices that can compute [`scale`].
pub trait ScaleKernel: Device<f32> {
    /// See [`scale`].
    fn scale<S: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        factor: f32,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed(x, factor)
    }
}

/// Product with a constant: `y = factor · x`.
///
/// # Shapes
/// Any.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn scale<S: Shape, D: OpsDevice, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    factor: f32,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    D::scale(x, factor)
}
