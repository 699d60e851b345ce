use dfdx::prelude::{Dim, Tensor};
use rand::Rng;

use super::{Config, Parameters};
use crate::ops::{self, LayerTape, OpError, OpsDevice, Rows};

/// Describes a [`LayerNorm`] over rows of width `E`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerNormConfig<E: Dim> {
    /// Width.
    pub width: E,
    /// Added to the variance.
    pub eps: f32,
}

impl<E: Dim> LayerNormConfig<E> {
    /// PyTorch's default, `eps` 1e-5.
    pub fn new(width: E) -> Self {
        Self { width, eps: 1e-5 }
    }
}

/// Layer normalisation of every row (Ba, Kiros & Hinton 2016); see [`ops::layer_norm`].
#[derive(Debug, Clone)]
pub struct LayerNorm<E: Dim, D: OpsDevice> {
    /// Scale, `(E,)`.
    pub weight: Tensor<(E,), f32, D>,
    /// Shift, `(E,)`.
    pub bias: Tensor<(E,), f32, D>,
    eps: f32,
}

impl<E: Dim, D: OpsDevice> Config<D> for LayerNormConfig<E> {
    type Built = LayerNorm<E, D>;

    fn num_parameters(&self) -> usize {
        self.width.size().saturating_mul(2)
    }

    /// Scale 1, shift 0.
    fn build(&self, device: &D, _: &mut impl Rng) -> Result<Self::Built, OpError> {
        let filled = |value| ops::drawn(device, "layer norm", (self.width,), || value);
        Ok(LayerNorm { weight: filled(1.0)?, bias: filled(0.0)?, eps: self.eps })
    }
}

impl<E: Dim, D: OpsDevice> LayerNorm<E, D> {
    /// # Shapes
    /// `(.., E)` to the same.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn forward<S: Rows<Last = E>, T: LayerTape<D>>(
        &self,
        x: Tensor<S, f32, D, T>,
    ) -> Result<Tensor<S, f32, D, T::Output>, OpError> {
        ops::layer_norm(x, &self.weight, &self.bias, self.eps)
    }
}

impl<E: Dim, D: OpsDevice> Parameters<D> for LayerNorm<E, D> {
    crate::visit_fields! { D; weight: trained, bias: trained }
}
