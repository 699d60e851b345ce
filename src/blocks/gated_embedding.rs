use dfdx::prelude::{Dim, Tensor};
use rand::Rng;

use super::{Config, ContextGating, ContextGatingConfig, GateNorm, Linear, LinearConfig, Parameters, Phase};
use crate::ops::{self, LayerTape, NORM_EPS, OpError, OpsDevice};

/// Describes a [`GatedEmbedding`] from width `I` to width `E`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatedEmbeddingConfig<I: Dim, E: Dim> {
    /// Input width.
    pub inputs: I,
    /// Embedding width.
    pub embedding: E,
    /// Batch norm on the gate.
    pub norm: GateNorm,
}

impl<I: Dim, E: Dim> GatedEmbeddingConfig<I, E> {
    fn gating(&self) -> ContextGatingConfig<E> {
        ContextGatingConfig { width: self.embedding, norm: self.norm }
    }
}

/// Gated embedding unit (Miech, Laptev & Sivic 2018, "Learning a Text-Video Embedding from Incomplete and Heterogeneous
/// Data", section 3): linear projection, context gating, L2 normalisation.
#[derive(Debug, Clone)]
pub struct GatedEmbedding<I: Dim, E: Dim, D: OpsDevice> {
    /// Projection.
    pub fc: Linear<I, E, D>,
    /// Context gating.
    pub cg: ContextGating<E, D>,
}

impl<I: Dim, E: Dim, D: OpsDevice> Config<D> for GatedEmbeddingConfig<I, E> {
    type Built = GatedEmbedding<I, E, D>;

    fn num_parameters(&self) -> usize {
        Config::<D>::num_parameters(&LinearConfig { inputs: self.inputs, outputs: self.embedding })
            + Config::<D>::num_parameters(&self.gating())
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let fc = LinearConfig { inputs: self.inputs, outputs: self.embedding }.build(device, rng)?;
        Ok(GatedEmbedding { fc, cg: self.gating().build(device, rng)? })
    }
}

impl<I: Dim, E: Dim, D: OpsDevice> GatedEmbedding<I, E, D> {
    /// # Shapes
    /// `(B, I)` to `(B, E)`, rows of unit length.
    ///
    /// # Errors
    /// As [`ContextGating::forward`].
    pub fn forward<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, I), f32, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, E), f32, D, T::Output>, OpError> {
        ops::l2_normalize(self.cg.forward(self.fc.forward(x)?, phase)?, NORM_EPS)
    }
}

impl<I: Dim, E: Dim, D: OpsDevice> Parameters<D> for GatedEmbedding<I, E, D> {
    crate::visit_fields! { D; fc: module, cg: module }
}
