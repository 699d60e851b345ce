mod composed;
mod cpu;

pub use composed::linear as composed;

use dfdx::prelude::{Dim, Storage, Tensor};

use super::{LayerTape, OpError, Rows, check_size};

/// Devices that can compute [`linear`].
pub trait LinearKernel: Storage<f32> {
    /// See [`linear`].
    fn linear<S: Rows, O: Dim, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        weight: &Tensor<(O, S::Last), f32, Self>,
        bias: Option<&Tensor<(O,), f32, Self>>,
    ) -> Result<Tensor<S::With<O>, f32, Self, T::Output>, OpError>;
}

/// Affine map of every row: `y = x Wᵀ + b`.
///
/// # Shapes
/// `x`: `(.., I)`, `weight`: `(O, I)` (PyTorch's layout), `bias`: `(O,)`; result: `(.., O)`.
///
/// # Errors
/// [`OpError::Shape`] when run-time widths disagree.
pub fn linear<S: Rows, O: Dim, D: LinearKernel, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
    weight: &Tensor<(O, S::Last), f32, D>,
    bias: Option<&Tensor<(O,), f32, D>>,
) -> Result<Tensor<S::With<O>, f32, D, T::Output>, OpError> {
    use dfdx::prelude::HasShape;
    let (out, width) = *weight.shape();
    check_size("linear", "input width", width.size(), x.shape().last().size())?;
    if let Some(bias) = bias {
        check_size("linear", "bias width", out.size(), bias.shape().0.size())?;
    }
    D::linear(x, weight, bias)
}
