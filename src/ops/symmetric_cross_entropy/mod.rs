mod composed;
mod cpu;

pub use composed::symmetric_cross_entropy as composed;

use dfdx::prelude::{Device, Dim, HasShape, Tape, Tensor};

use super::{OpError, OpsDevice, check_least, check_size};

/// Devices that can compute [`symmetric_cross_entropy`].
pub trait SymmetricCrossEntropyKernel: Device<f32> {
    /// See [`symmetric_cross_entropy`].
    fn symmetric_cross_entropy<B: Dim, C: Dim, T: Tape<f32, Self>>(
        logits: Tensor<(B, C), f32, Self, T>,
    ) -> Result<Tensor<(), f32, Self, T>, OpError> {
        composed(logits)
    }
}

/// Contrastive loss of a batch of pairs, whose logits are the diagonal (CLIP, Radford et al. 2021, figure 3; InfoNCE in both
/// directions): `½ (CE(A) + CE(Aᵀ))` with `CE(A) = −mean_i log softmax(A_i)_i`.
///
/// Fused: no transpose and no matrix of probabilities is kept, only two values for each row and column.
///
/// # Shapes
/// `logits`, scaled similarities: `(B, B)` (two axes, so that run-time sizes and constants mix); result: a scalar.
///
/// # Errors
/// [`OpError::Shape`] when the matrix is not square, [`OpError::TooFew`] for an empty batch.
pub fn symmetric_cross_entropy<B: Dim, C: Dim, D: OpsDevice, T: Tape<f32, D>>(
    logits: Tensor<(B, C), f32, D, T>,
) -> Result<Tensor<(), f32, D, T>, OpError> {
    let (rows, columns) = *logits.shape();
    check_size("symmetric cross-entropy", "number of columns", rows.size(), columns.size())?;
    check_least("symmetric cross-entropy", "rows", 1, rows.size())?;
    D::symmetric_cross_entropy(logits)
}
