mod composed;
mod cpu;

pub use composed::{log_softmax as composed_log_softmax, softmax as composed_softmax};

use dfdx::prelude::{Device, Dim, HasShape, Tape, Tensor};

use super::{OpError, OpsDevice, Rows, check_size};

/// Devices that can compute [`softmax`], [`masked_softmax`] and [`log_softmax`].
pub trait SoftmaxKernel: Device<f32> {
    /// See [`masked_softmax`]; without a mask [`softmax`].
    fn softmax<S: Rows, B: Dim, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        mask: Option<&Tensor<(B, S::Last), f32, Self>>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed_softmax(x, mask)
    }

    /// See [`log_softmax`].
    fn log_softmax<S: Rows, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed_log_softmax(x)
    }
}

/// `y_i = exp(x_i) / Σ_j exp(x_j)` over the last axis, computed after subtracting the largest value.
///
/// # Shapes
/// `x` and result: `(.., E)`.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn softmax<S: Rows, D: OpsDevice, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    D::softmax::<S, usize, T>(x, None)
}

/// [`softmax`] over the entries whose mask is not 0; the others get 0, and so does a whole row without entries.
///
/// # Shapes
/// `x` and result: `(B, .., E)`; `mask`: `(B, E)`, shared by all rows of an item of the batch.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree.
pub fn masked_softmax<S: Rows, B: Dim, D: OpsDevice, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    mask: &Tensor<(B, S::Last), f32, D>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    let (items, width) = *mask.shape();
    check_size("masked softmax", "width of the mask", x.shape().last().size(), width.size())?;
    let batch = x.shape().concrete().into_iter().next().unwrap_or(0);
    check_size("masked softmax", "items of the mask", batch, items.size())?;
    D::softmax(x, Some(mask))
}

/// `y_i = x_i − log Σ_j exp(x_j)` over the last axis, computed as `(x_i − m) − log Σ_j exp(x_j − m)` with the largest value `m`: a number
/// added to all entries of a row changes nothing.
///
/// # Shapes
/// `x` and result: `(.., E)`.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn log_softmax<S: Rows, D: OpsDevice, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    D::log_softmax(x)
}
