mod composed;
mod cpu;

pub use composed::relu as composed;

use dfdx::prelude::{Device, Shape, Tape, Tensor};

use super::{OpError, OpsDevice};

/// Devices that can compute [`relu`].
pub trait ReluKernel: Device<f32> {
    /// See [`relu`].
    fn relu<S: Shape, T: Tape<f32, Self>>(x: Tensor<S, f32, Self, T>) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed(x)
    }
}

/// Rectifier `y = max(x, 0)`; the gradient at exactly 0 is 0, as in PyTorch.
///
/// # Shapes
/// Any.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn relu<S: Shape, D: OpsDevice, T: Tape<f32, D>>(x: Tensor<S, f32, D, T>) -> Result<Tensor<S, f32, D, T>, OpError> {
    D::relu(x)
}
