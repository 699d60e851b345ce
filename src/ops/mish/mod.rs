mod composed;
mod cpu;

pub use composed::mish as composed;

use dfdx::prelude::{Device, Shape, Tape, Tensor};

use super::{OpError, OpsDevice};

/// From here on `tanh(softplus(x))` is 1 in f32.
const LINEAR_ABOVE: f32 = 20.0;

/// Devices that can compute [`mish`].
pub trait MishKernel: Device<f32> {
    /// See [`mish`].
    fn mish<S: Shape, T: Tape<f32, Self>>(x: Tensor<S, f32, Self, T>) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed(x)
    }
}

/// Mish (Misra 2019): `y = x tanh(ln(1 + eˣ))`.
///
/// With `n = eˣ(eˣ + 2)` the hyperbolic tangent is `n / (n + 2)`: one exponential, and no cancellation for small `eˣ`.
///
/// # Shapes
/// Any.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn mish<S: Shape, D: OpsDevice, T: Tape<f32, D>>(x: Tensor<S, f32, D, T>) -> Result<Tensor<S, f32, D, T>, OpError> {
    D::mish(x)
}
