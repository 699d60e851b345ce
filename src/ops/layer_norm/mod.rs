mod composed;
mod cpu;

pub use composed::layer_norm as composed;

use dfdx::prelude::{Device, Dim, HasShape, Tensor};

use super::{LayerTape, OpError, OpsDevice, Rows, check_eps, check_size};

/// Devices that can compute [`layer_norm`].
pub trait LayerNormKernel: Device<f32> {
    /// See [`layer_norm`].
    fn layer_norm<S: Rows, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        scale: &Tensor<(S::Last,), f32, Self>,
        shift: &Tensor<(S::Last,), f32, Self>,
        eps: f32,
    ) -> Result<Tensor<S, f32, Self, T::Output>, OpError> {
        composed(x, scale, shift, eps)
    }
}

/// Layer normalisation of every row (Ba, Kiros & Hinton 2016, equation 4, over the last axis):
/// `y = scale (x − mean) / √(variance + eps) + shift`, the variance biased.
///
/// Memory: the result and two values per row for the backward pass, which for features on [`data`](super::data) also has a scratch buffer of
/// the size of `x`.
///
/// # Shapes
/// `x` and result: `(.., E)`; `scale`, `shift`: `(E,)`.
///
/// # Errors
/// [`OpError::Shape`] when run-time widths disagree, [`OpError::Option`] for an `eps` that is negative or not finite.
pub fn layer_norm<S: Rows, D: OpsDevice, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
    scale: &Tensor<(S::Last,), f32, D>,
    shift: &Tensor<(S::Last,), f32, D>,
    eps: f32,
) -> Result<Tensor<S, f32, D, T::Output>, OpError> {
    for (what, width) in [("width of the scale", scale.shape().0), ("width of the shift", shift.shape().0)] {
        check_size("layer norm", what, x.shape().last().size(), width.size())?;
    }
    check_eps("layer norm", eps)?;
    D::layer_norm(x, scale, shift, eps)
}
