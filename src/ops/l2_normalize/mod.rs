mod composed;
mod cpu;

pub use composed::l2_normalize as composed;

use dfdx::prelude::{Device, Tape, Tensor};

use super::{OpError, OpsDevice, Rows, check_eps};

/// Smallest norm divided by: PyTorch's `normalize` default, used by every family here.
pub const NORM_EPS: f32 = 1e-12;

/// Devices that can compute [`l2_normalize`].
pub trait L2NormalizeKernel: Device<f32> {
    /// See [`l2_normalize`].
    fn l2_normalize<S: Rows, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        eps: f32,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed(x, eps)
    }
}

/// Scales every row to unit length: `y = x / max(‖x‖₂, eps)`.
///
/// Right for every finite row: where the squares leave the range of f32, up to the largest numbers, the row is brought into it by a power of two
/// first. The norm is clamped, not shifted: a zero row stays zero, and its gradient is `grad / eps`. (dfdx's own `normalize`
/// is another operation: it standardises to zero mean and unit variance.)
///
/// # Shapes
/// `(.., D)` to `(.., D)`.
///
/// # Errors
/// [`OpError::Option`] for an `eps` that is negative or not finite.
pub fn l2_normalize<S: Rows, D: OpsDevice, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    eps: f32,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    check_eps("l2 normalize", eps)?;
    D::l2_normalize(x, eps)
}
