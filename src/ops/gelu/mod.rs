mod composed;
mod cpu;

pub use composed::{gelu as composed_gelu, quick_gelu as composed_quick_gelu};

use dfdx::prelude::{Device, Shape, Tape, Tensor};

use super::{OpError, OpsDevice};

/// Devices that can compute [`gelu`] and [`quick_gelu`].
pub trait GeluKernel: Device<f32> {
    /// See [`gelu`].
    fn gelu<S: Shape, T: Tape<f32, Self>>(x: Tensor<S, f32, Self, T>) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed_gelu(x)
    }

    /// See [`quick_gelu`].
    fn quick_gelu<S: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed_quick_gelu(x)
    }
}

/// Gaussian error linear unit (Hendrycks & Gimpel 2016), the exact form: `y = x Φ(x)`.
///
/// # Shapes
/// Any.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn gelu<S: Shape, D: OpsDevice, T: Tape<f32, D>>(x: Tensor<S, f32, D, T>) -> Result<Tensor<S, f32, D, T>, OpError> {
    D::gelu(x)
}

/// The approximation `y = x σ(1.702 x)` of [`gelu`], which CLIP was trained with.
///
/// # Shapes
/// Any.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn quick_gelu<S: Shape, D: OpsDevice, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    D::quick_gelu(x)
}
