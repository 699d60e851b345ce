mod composed;
mod cpu;

pub use composed::weighted_sum as composed;

use dfdx::prelude::{Device, Dim, HasShape, Tape, Tensor};

use super::{OpError, OpsDevice, check_size};

/// Devices that can compute [`weighted_sum`].
pub trait WeightedSumKernel: Device<f32> {
    /// See [`weighted_sum`]. The sizes agree.
    fn weighted_sum<G: Dim, B: Dim, E: Dim, T: Tape<f32, Self>>(
        x: Tensor<(G, B, E), f32, Self, T>,
        weights: &Tensor<(G, B), f32, Self>,
    ) -> Result<Tensor<(B, E), f32, Self, T>, OpError> {
        composed(x, weights)
    }
}

/// Sum over the first axis with a constant weight for every row: `y_b = Σ_g weights_gb x_gb`.
///
/// With one group it scales rows.
///
/// # Shapes
/// `x`: `(G, B, E)`, `weights`: `(G, B)`; result: `(B, E)`.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree.
pub fn weighted_sum<G: Dim, B: Dim, E: Dim, D: OpsDevice, T: Tape<f32, D>>(
    x: Tensor<(G, B, E), f32, D, T>,
    weights: &Tensor<(G, B), f32, D>,
) -> Result<Tensor<(B, E), f32, D, T>, OpError> {
    let ((groups, rows, _), (its_groups, its_rows)) = (*x.shape(), *weights.shape());
    check_size("weighted sum", "groups of the weights", groups.size(), its_groups.size())?;
    check_size("weighted sum", "rows of the weights", rows.size(), its_rows.size())?;
    D::weighted_sum(x, weights)
}
