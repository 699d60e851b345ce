mod composed;
mod cpu;

pub use composed::{cosine as composed_cosine, squared_distance as composed_squared_distance};

use dfdx::prelude::{Device, Dim, HasShape, Merge, Storage, Tensor};

use super::{LayerTape, OpError, OpsDevice, RecordingTape, check_eps, check_size};

/// Devices that can compute [`row_squared_distance`] and [`row_cosine`].
pub trait RowDistanceKernel: Device<f32> {
    /// See [`row_squared_distance`].
    fn row_squared_distance<B: Dim, E: Dim, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        a: Tensor<(B, E), f32, Self, T>,
        b: Tensor<(B, E), f32, Self, R>,
    ) -> Result<Tensor<(B,), f32, Self, T>, OpError> {
        composed_squared_distance(a, b)
    }

    /// See [`row_cosine`].
    fn row_cosine<B: Dim, E: Dim, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        a: Tensor<(B, E), f32, Self, T>,
        b: Tensor<(B, E), f32, Self, R>,
        eps: f32,
    ) -> Result<Tensor<(B,), f32, Self, T>, OpError> {
        composed_cosine(a, b, eps)
    }
}

fn check_pair<B: Dim, E: Dim, D: Storage<f32>, T, R>(
    op: &'static str,
    a: &Tensor<(B, E), f32, D, T>,
    b: &Tensor<(B, E), f32, D, R>,
) -> Result<(), OpError> {
    check_size(op, "rows", a.shape().0.size(), b.shape().0.size())?;
    check_size(op, "width", a.shape().1.size(), b.shape().1.size())
}

/// Squared euclidean distance of corresponding rows: `yᵢ = ‖aᵢ − bᵢ‖²`, infinite where that is no number of f32.
///
/// # Shapes
/// `a`, `b`: `(B, E)`; result: `(B,)`.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree.
pub fn row_squared_distance<B: Dim, E: Dim, D: OpsDevice, T: RecordingTape<D> + Merge<R>, R: LayerTape<D>>(
    a: Tensor<(B, E), f32, D, T>,
    b: Tensor<(B, E), f32, D, R>,
) -> Result<Tensor<(B,), f32, D, T>, OpError> {
    check_pair("squared distance", &a, &b)?;
    D::row_squared_distance(a, b)
}

/// Cosine of corresponding rows, `yᵢ = aᵢ·bᵢ / (n(aᵢ) n(bᵢ))` with `n(x) = √(Σx² + eps)`; right for every finite row, as
/// [`l2_normalize`](fn@super::l2_normalize) is.
///
/// # Shapes
/// `a`, `b`: `(B, E)`; result: `(B,)`.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree, [`OpError::Option`] for an `eps` that is negative or not finite.
pub fn row_cosine<B: Dim, E: Dim, D: OpsDevice, T: RecordingTape<D> + Merge<R>, R: LayerTape<D>>(
    a: Tensor<(B, E), f32, D, T>,
    b: Tensor<(B, E), f32, D, R>,
    eps: f32,
) -> Result<Tensor<(B,), f32, D, T>, OpError> {
    check_pair("cosine", &a, &b)?;
    check_eps("cosine", eps)?;
    D::row_cosine(a, b, eps)
}
