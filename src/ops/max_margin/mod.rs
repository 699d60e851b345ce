mod composed;
mod cpu;

pub use composed::max_margin as composed;

use dfdx::prelude::{Device, Dim, HasShape, Tape, Tensor};

use super::{OpError, OpsDevice, check_least, check_option, check_size};

/// Which terms the mean of [`max_margin`] is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarginTerms {
    /// The `2n(n − 1)` comparisons with a non-matching pair (`fix_norm` of Collaborative Experts, Liu et al. 2019).
    NonMatching,
    /// All `2n²`, where a matching pair compared with itself adds the margin (Mixture of Embedding Experts, Miech et al. 2018): the
    /// same gradient up to a factor, and the constant `margin / n` more.
    All,
}

impl MarginTerms {
    /// Number of terms of an `n x n` matrix.
    fn count(self, n: usize) -> usize {
        match self {
            Self::NonMatching => 2 * n * n.saturating_sub(1),
            Self::All => 2 * n * n,
        }
    }
}

/// Devices that can compute [`max_margin`].
pub trait MaxMarginKernel: Device<f32> {
    /// See [`max_margin`]. The matrix is square and has terms.
    fn max_margin<B: Dim, T: Tape<f32, Self>>(
        scores: Tensor<(B, B), f32, Self, T>,
        margin: f32,
        terms: MarginTerms,
    ) -> Result<Tensor<(), f32, Self, T>, OpError> {
        composed(scores, margin, terms)
    }
}

/// Bidirectional max-margin ranking loss over a matrix of scores whose diagonal holds the matching pairs: the mean of
/// `max(0, margin − (sᵢᵢ − sᵢⱼ))` and `max(0, margin − (sᵢᵢ − sⱼᵢ))`.
///
/// The gradient of a term at exactly 0 is 0. Forward and backward pass read the matrix once each and keep nothing of its size.
///
/// # Shapes
/// `scores`: `(B, B)`; result: a scalar.
///
/// # Errors
/// [`OpError::Shape`] when a run-time matrix is not square, [`OpError::TooFew`] when there are no terms (no pairs, or one pair
/// under [`MarginTerms::NonMatching`]), [`OpError::Option`] for a margin that is not finite.
pub fn max_margin<B: Dim, D: OpsDevice, T: Tape<f32, D>>(
    scores: Tensor<(B, B), f32, D, T>,
    margin: f32,
    terms: MarginTerms,
) -> Result<Tensor<(), f32, D, T>, OpError> {
    let (rows, columns) = *scores.shape();
    check_size("max margin", "columns", rows.size(), columns.size())?;
    check_option("max margin", margin.is_finite(), "the margin is not a finite number")?;
    let least = if terms == MarginTerms::All { 1 } else { 2 };
    check_least("max margin", "pairs", least, rows.size())?;
    D::max_margin(scores, margin, terms)
}
