mod composed;
mod cpu;

pub use composed::vlad as composed;

use dfdx::prelude::{Const, Device, Dim, HasShape, Merge, Tensor};

use super::{LayerTape, OpError, OpsDevice, RecordingTape, check_least, check_size};

/// Devices that can compute [`vlad`].
pub trait VladKernel: Device<f32> {
    /// See [`vlad`]. The sizes agree, and there are at least as many assignments as centres.
    fn vlad<B: Dim, N: Dim, A: Dim, K: Dim, E: Dim, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        assignment: Tensor<(B, N, A), f32, Self, T>,
        x: Tensor<(B, N, E), f32, Self, R>,
        centres: &Tensor<(Const<1>, E, K), f32, Self>,
    ) -> Result<Tensor<(B, K, E), f32, Self, T>, OpError> {
        composed(assignment, x, centres)
    }
}

/// Residuals of descriptors to cluster centres, summed by soft assignment (Arandjelović et al. 2016, "NetVLAD", eq. 4):
/// `y_bk = Σ_n a_bnk (x_bn − c_k)`.
///
/// Assignments behind the K-th belong to ghost clusters (Zhong, Arandjelović & Zisserman 2018, "GhostVLAD"): they took their share of
/// the softmax and are left out here.
///
/// # Shapes
/// `assignment`: `(B, N, A)` with `A >= K`, `x`: `(B, N, E)`, `centres`: `(1, E, K)` (the published layout); result: `(B, K, E)`.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree, [`OpError::TooFew`] without clusters or for descriptors of width 0.
pub fn vlad<B: Dim, N: Dim, A: Dim, K: Dim, E: Dim, D: OpsDevice, T: RecordingTape<D> + Merge<R>, R: LayerTape<D>>(
    assignment: Tensor<(B, N, A), f32, D, T>,
    x: Tensor<(B, N, E), f32, D, R>,
    centres: &Tensor<(Const<1>, E, K), f32, D>,
) -> Result<Tensor<(B, K, E), f32, D, T>, OpError> {
    let ((batch, steps, assigned), (_, width, clusters)) = (*assignment.shape(), *centres.shape());
    check_size("vlad", "items of the descriptors", batch.size(), x.shape().0.size())?;
    check_size("vlad", "descriptors of an item", steps.size(), x.shape().1.size())?;
    check_size("vlad", "width of the descriptors", width.size(), x.shape().2.size())?;
    if assigned.size() < clusters.size() {
        check_size("vlad", "clusters of the assignment", clusters.size(), assigned.size())?;
    }
    check_least("vlad", "clusters", 1, clusters.size())?;
    check_least("vlad", "values of a descriptor", 1, width.size())?;
    D::vlad(assignment, x, centres)
}
