mod composed;
mod cpu;

pub use composed::sum_terms as composed;

use dfdx::prelude::{Device, Dim, HasShape, Tensor};

use super::{OpError, OpsDevice, RecordingTape, check_size};

/// Devices that can compute [`sum_terms`].
pub trait SumTermsKernel: Device<f32> {
    /// See [`sum_terms`]. There is a term, all have the shape of the first, and every number in `groups` is that of a term.
    fn sum_terms<B: Dim, E: Dim, T: RecordingTape<Self>>(
        terms: Vec<Tensor<(B, E), f32, Self, T>>,
        groups: Vec<Vec<usize>>,
    ) -> Result<Tensor<(usize, B, E), f32, Self, T>, OpError> {
        composed(terms, groups)
    }
}

/// Sums of some of the terms, for each group one: `y_g = Σ_{t in groups_g} terms_t`. Terms may occur in any number of groups; an empty
/// group is 0.
///
/// With groups of one this stacks the terms.
///
/// # Shapes
/// `terms`: each `(B, E)`; result: `(groups.len(), B, E)`.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree, [`OpError::Index`] for a term that is not there, [`OpError::TooFew`] without
/// terms.
pub fn sum_terms<B: Dim, E: Dim, D: OpsDevice, T: RecordingTape<D>>(
    terms: Vec<Tensor<(B, E), f32, D, T>>,
    groups: Vec<Vec<usize>>,
) -> Result<Tensor<(usize, B, E), f32, D, T>, OpError> {
    let first = terms.first().ok_or(OpError::TooFew { op: "sum of terms", what: "terms", least: 1, got: 0 })?;
    let (rows, width) = *first.shape();
    for term in &terms {
        check_size("sum of terms", "rows of a term", rows.size(), term.shape().0.size())?;
        check_size("sum of terms", "width of a term", width.size(), term.shape().1.size())?;
    }
    if let Some(&index) = groups.iter().flatten().find(|index| **index >= terms.len()) {
        return Err(OpError::Index { op: "sum of terms", index, rows: terms.len() });
    }
    D::sum_terms(terms, groups)
}
