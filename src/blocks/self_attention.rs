use dfdx::prelude::{Dim, Tensor};
use rand::Rng;

use super::{Config, Linear, LinearConfig, Parameters, Phase};
use crate::ops::{self, AttentionOptions, LayerTape, OpError, OpsDevice, check_least};

/// Describes a [`SelfAttention`] of width `E`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelfAttentionConfig<E: Dim> {
    /// Width of the rows.
    pub width: E,
    /// Number of heads; divides the width.
    pub heads: usize,
    /// Share of the attention weights that is dropped in training.
    pub dropout: f32,
}

/// Multi-head self-attention (Vaswani et al. 2017, section 3.2.2), with the parameters of PyTorch's `MultiheadAttention`: one projection makes
/// queries, keys and values side by side.
///
/// Padded positions are no keys; as queries they attend to the others, and their rows of the result mean nothing. In a sequence of padding alone
/// every row is the bias of the last projection (PyTorch: NaN).
#[derive(Debug, Clone)]
pub struct SelfAttention<E: Dim, D: OpsDevice> {
    /// Queries, keys and values, `(3E, E)`.
    pub in_proj_weight: Tensor<(usize, E), f32, D>,
    /// `(3E,)`. The bias of the keys, its second third, has no effect: it adds the same to all scores of a query.
    pub in_proj_bias: Tensor<(usize,), f32, D>,
    /// Of the heads side by side.
    pub out_proj: Linear<E, E, D>,
    config: SelfAttentionConfig<E>,
}

impl<E: Dim, D: OpsDevice> Config<D> for SelfAttentionConfig<E> {
    type Built = SelfAttention<E, D>;

    fn num_parameters(&self) -> usize {
        let width = self.width.size();
        4usize.saturating_mul(width).saturating_mul(width.saturating_add(1))
    }

    /// The projection of queries, keys and values uniform in `±√(6 / 4E)` (Glorot & Bengio 2010, over the whole matrix), the last one as a
    /// [`Linear`]; no bias.
    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let width = self.width.size();
        check_least("self-attention", "width", 1, width)?;
        let (packed, bound) = (width.saturating_mul(3), (6.0 / (4.0 * width as f32)).sqrt());
        let in_proj_weight =
            ops::drawn(device, "self-attention", (packed, self.width), || rng.random_range(-bound..bound))?;
        let in_proj_bias = ops::drawn(device, "self-attention", (packed,), || 0.0)?;
        let mut out_proj = LinearConfig { inputs: self.width, outputs: self.width }.build(device, rng)?;
        out_proj.bias = ops::drawn(device, "self-attention", (self.width,), || 0.0)?;
        Ok(SelfAttention { in_proj_weight, in_proj_bias, out_proj, config: *self })
    }
}

impl<E: Dim, D: OpsDevice> SelfAttention<E, D> {
    /// # Shapes
    /// `x` and result: `(B, N, E)`; `valid`: `(B, N)`, 0 at padding.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes disagree, [`OpError::Option`] when the heads do not divide the width or for a dropout outside
    /// `[0, 1)`.
    pub fn forward<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, usize, E), f32, D, T>,
        valid: Option<&Tensor<(B, usize), f32, D>>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize, E), f32, D, T::Output>, OpError> {
        let SelfAttentionConfig { width, heads, dropout } = self.config;
        let packed = ops::linear(x, &self.in_proj_weight, Some(&self.in_proj_bias))?;
        let dropout = phase.draw().map(|stream| (dropout, stream));
        let options = AttentionOptions { keys: valid, dropout, ..AttentionOptions::new(heads) };
        self.out_proj.forward_rows(ops::self_attention(packed, width, &options)?)
    }
}

impl<E: Dim, D: OpsDevice> Parameters<D> for SelfAttention<E, D> {
    crate::visit_fields! { D; in_proj_weight: trained, in_proj_bias: trained, out_proj: module }
}
