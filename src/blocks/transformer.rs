use dfdx::prelude::{Dim, Tensor, WithEmptyTape};
use rand::Rng;

use super::parameters::independent_copy;
use super::{
    Config, Dropout, LayerNorm, LayerNormConfig, Linear, LinearConfig, Parameters, Phase, SelfAttention,
    SelfAttentionConfig,
};
use crate::ops::{self, LayerTape, OpError, OpsDevice, RecordingTape};

/// Describes a [`TransformerLayer`] of width `E`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransformerLayerConfig<E: Dim> {
    /// Width of the rows.
    pub width: E,
    /// Heads of the attention; divides the width.
    pub heads: usize,
    /// Width of the hidden layer of the feed-forward network.
    pub hidden: usize,
    /// Rate of all four dropouts: of the attention weights, of what the attention adds, of the hidden layer, and of what the feed-forward network
    /// adds.
    pub dropout: f32,
}

/// A layer of a transformer encoder whose norms stand behind the additions (post-norm; Vaswani et al. 2017, section 3.1), with the names of
/// PyTorch's `TransformerEncoderLayer`:
///
/// ```text
/// x = LN₁(x + drop(attention(x)))
/// x = LN₂(x + drop(W₂ drop(relu(W₁ x + b₁)) + b₂))
/// ```
#[derive(Debug, Clone)]
pub struct TransformerLayer<E: Dim, D: OpsDevice> {
    /// Between the rows of a sequence.
    pub self_attn: SelfAttention<E, D>,
    /// To the hidden layer.
    pub linear1: Linear<E, usize, D>,
    /// And back.
    pub linear2: Linear<usize, E, D>,
    /// Behind the attention.
    pub norm1: LayerNorm<E, D>,
    /// Behind the feed-forward network.
    pub norm2: LayerNorm<E, D>,
    dropout: Dropout,
}

impl<E: Dim> TransformerLayerConfig<E> {
    fn attention(&self) -> SelfAttentionConfig<E> {
        SelfAttentionConfig { width: self.width, heads: self.heads, dropout: self.dropout }
    }

    fn linear1(&self) -> LinearConfig<E, usize> {
        LinearConfig { inputs: self.width, outputs: self.hidden }
    }

    fn linear2(&self) -> LinearConfig<usize, E> {
        LinearConfig { inputs: self.hidden, outputs: self.width }
    }
}

impl<E: Dim, D: OpsDevice> Config<D> for TransformerLayerConfig<E> {
    type Built = TransformerLayer<E, D>;

    fn num_parameters(&self) -> usize {
        let parts = [
            Config::<D>::num_parameters(&self.attention()),
            Config::<D>::num_parameters(&self.linear1()),
            Config::<D>::num_parameters(&self.linear2()),
            Config::<D>::num_parameters(&LayerNormConfig::new(self.width)).saturating_mul(2),
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        Ok(TransformerLayer {
            self_attn: self.attention().build(device, rng)?,
            linear1: self.linear1().build(device, rng)?,
            linear2: self.linear2().build(device, rng)?,
            norm1: LayerNormConfig::new(self.width).build(device, rng)?,
            norm2: LayerNormConfig::new(self.width).build(device, rng)?,
            dropout: Dropout { rate: self.dropout },
        })
    }
}

impl<E: Dim, D: OpsDevice> TransformerLayer<E, D> {
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
        let rest = x.with_empty_tape();
        let attended = self.dropout.forward(self.self_attn.forward(x, valid, phase)?, phase)?;
        let x = self.norm1.forward(ops::add(attended, rest)?)?;
        self.feed_forward(x, phase)
    }

    fn feed_forward<B: Dim, T: RecordingTape<D>>(
        &self,
        x: Tensor<(B, usize, E), f32, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize, E), f32, D, T>, OpError> {
        let rest = x.with_empty_tape();
        let hidden = self.dropout.forward(ops::relu(self.linear1.forward_rows(x)?)?, phase)?;
        let fed = self.dropout.forward(self.linear2.forward_rows(hidden)?, phase)?;
        self.norm2.forward(ops::add(fed, rest)?)
    }
}

impl<E: Dim, D: OpsDevice> Parameters<D> for TransformerLayer<E, D> {
    crate::visit_fields! { D; self_attn: module, linear1: module, linear2: module, norm1: module, norm2: module }
}

/// Describes a [`TransformerEncoder`] of width `E`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransformerEncoderConfig<E: Dim> {
    /// Every layer.
    pub layer: TransformerLayerConfig<E>,
    /// Number of layers.
    pub layers: usize,
}

/// Layers one after the other, without a norm behind the last, and without positions: permuted rows give permuted results.
#[derive(Debug, Clone)]
pub struct TransformerEncoder<E: Dim, D: OpsDevice> {
    /// In order.
    pub layers: Vec<TransformerLayer<E, D>>,
}

impl<E: Dim, D: OpsDevice> Config<D> for TransformerEncoderConfig<E> {
    type Built = TransformerEncoder<E, D>;

    fn num_parameters(&self) -> usize {
        Config::<D>::num_parameters(&self.layer).saturating_mul(self.layers)
    }

    /// All layers begin as copies of one, as in PyTorch.
    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        ops::check_least("transformer", "layers", 1, self.layers)?;
        let layer = self.layer.build(device, rng)?;
        let copies = (0..self.layers).map(|_| independent_copy(&layer));
        Ok(TransformerEncoder { layers: copies.collect::<Result<_, _>>()? })
    }
}

impl<E: Dim, D: OpsDevice> TransformerEncoder<E, D> {
    /// # Shapes
    /// `x` and result: `(B, N, E)`; `valid`: `(B, N)`, 0 at padding.
    ///
    /// # Errors
    /// As [`TransformerLayer::forward`]; [`OpError::TooFew`] without layers.
    pub fn forward<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, usize, E), f32, D, T>,
        valid: Option<&Tensor<(B, usize), f32, D>>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize, E), f32, D, T::Output>, OpError> {
        let Some((first, others)) = self.layers.split_first() else {
            return Err(OpError::TooFew { op: "transformer", what: "layers", least: 1, got: 0 });
        };
        let x = first.forward(x, valid, phase)?;
        others.iter().try_fold(x, |x, layer| layer.forward(x, valid, phase))
    }
}

impl<E: Dim, D: OpsDevice> Parameters<D> for TransformerEncoder<E, D> {
    crate::visit_fields! { D; layers: module }
}
