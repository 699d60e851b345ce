mod composed;
mod cpu;

pub use composed::inner_products as composed;

use dfdx::prelude::{Dim, HasShape, Merge, Storage, Tape, Tensor};

use super::{OpError, check_size};

/// Devices that can compute [`inner_products`].
pub trait InnerProductsKernel: Storage<f32> {
    /// See [`inner_products`].
    fn inner_products<B: Dim, C: Dim, E: Dim, T: Tape<f32, Self> + Merge<R>, R: Tape<f32, Self>>(
        a: Tensor<(B, E), f32, Self, T>,
        b: Tensor<(C, E), f32, Self, R>,
    ) -> Result<Tensor<(B, C), f32, Self, T>, OpError>;
}

/// Inner products of all pairs of rows, `A Bᵀ`: the similarity matrix of two sets of embeddings, with gradients.
///
/// # Shapes
/// `a`: `(B, E)`, `b`: `(C, E)`; result: `(B, C)`.
///
/// # Errors
/// [`OpError::Shape`] when run-time widths disagree.
pub fn inner_products<B: Dim, C: Dim, E: Dim, D: InnerProductsKernel, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    a: Tensor<(B, E), f32, D, T>,
    b: Tensor<(C, E), f32, D, R>,
) -> Result<Tensor<(B, C), f32, D, T>, OpError> {
    check_size("inner products", "width", a.shape().1.size(), b.shape().1.size())?;
    D::inner_products(a, b)
}
