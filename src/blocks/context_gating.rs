use dfdx::prelude::{Dim, Tensor, WithEmptyTape};
use rand::Rng;

use super::{BatchNorm1d, BatchNorm1dConfig, Config, Linear, LinearConfig, Parameters, Phase};
use crate::ops::{self, NORM_EPS, OpError, OpsDevice, RecordingTape};

/// What becomes of the batch norm beside a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateNorm {
    /// The gate is normalised: Mixture of Embedding Experts (Miech et al. 2018) and Collaborative Experts (Liu et al. 2019).
    Applied,
    /// It is built and never applied (JPoSE, and `use_bn` off in the others). It stands in the authors' checkpoints and in their
    /// parameter counts.
    Unused,
}

/// Describes a [`ContextGating`] of width `E`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextGatingConfig<E: Dim> {
    /// Width.
    pub width: E,
    /// Batch norm on the gate.
    pub norm: GateNorm,
}

/// Context gating (Miech, Laptev & Sivic 2017, "Learnable pooling with Context Gating for video classification"):
/// `y = x ⊙ σ(g)` with `g = BN(W x + b)`, or `g = W x + b` with [`GateNorm::Unused`].
#[derive(Debug, Clone)]
pub struct ContextGating<E: Dim, D: OpsDevice> {
    /// The gate.
    pub fc: Linear<E, E, D>,
    /// See [`GateNorm`].
    pub batch_norm: BatchNorm1d<E, D>,
    norm: GateNorm,
}

impl<E: Dim, D: OpsDevice> Config<D> for ContextGatingConfig<E> {
    type Built = ContextGating<E, D>;

    fn num_parameters(&self) -> usize {
        let Self { width, .. } = *self;
        Config::<D>::num_parameters(&LinearConfig { inputs: width, outputs: width })
            + Config::<D>::num_parameters(&BatchNorm1dConfig::new(width))
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let fc = LinearConfig { inputs: self.width, outputs: self.width }.build(device, rng)?;
        let batch_norm = BatchNorm1dConfig::new(self.width).build(device, rng)?;
        Ok(ContextGating { fc, batch_norm, norm: self.norm })
    }
}

impl<E: Dim, D: OpsDevice> ContextGating<E, D> {
    /// # Shapes
    /// `(B, E)` to `(B, E)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree, [`OpError::TooFew`] for a batch of one under an applied norm in training.
    pub fn forward<B: Dim, T: RecordingTape<D>>(
        &self,
        x: Tensor<(B, E), f32, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, E), f32, D, T>, OpError> {
        let gate = self.fc.forward(x.with_empty_tape())?;
        let gate = match self.norm {
            GateNorm::Applied => self.batch_norm.forward(gate, phase)?,
            GateNorm::Unused => gate,
        };
        ops::sigmoid_gate(x, gate)
    }
}

impl<E: Dim, D: OpsDevice> Parameters<D> for ContextGating<E, D> {
    crate::visit_fields! { D; fc: module, batch_norm: module }
}

/// Describes a [`NormalizedGating`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NormalizedGatingConfig<E: Dim>(pub ContextGatingConfig<E>);

/// Context gating and L2 normalisation, a gated embedding unit without its projection: what Collaborative Experts without the
/// collaboration (`mimic_ce_dims`) does to projected experts.
#[derive(Debug, Clone)]
pub struct NormalizedGating<E: Dim, D: OpsDevice> {
    /// Context gating.
    pub cg: ContextGating<E, D>,
}

impl<E: Dim, D: OpsDevice> Config<D> for NormalizedGatingConfig<E> {
    type Built = NormalizedGating<E, D>;

    fn num_parameters(&self) -> usize {
        Config::<D>::num_parameters(&self.0)
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        Ok(NormalizedGating { cg: self.0.build(device, rng)? })
    }
}

impl<E: Dim, D: OpsDevice> NormalizedGating<E, D> {
    /// # Shapes
    /// `(B, E)` to `(B, E)`, rows of unit length.
    ///
    /// # Errors
    /// As [`ContextGating::forward`].
    pub fn forward<B: Dim, T: RecordingTape<D>>(
        &self,
        x: Tensor<(B, E), f32, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, E), f32, D, T>, OpError> {
        ops::l2_normalize(self.cg.forward(x, phase)?, NORM_EPS)
    }
}

impl<E: Dim, D: OpsDevice> Parameters<D> for NormalizedGating<E, D> {
    crate::visit_fields! { D; cg: module }
}

/// Describes a [`SpatialMlp`] of width `E`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpatialMlpConfig<E: Dim> {
    /// Width.
    pub width: E,
}

/// Two context gatings, one after the other: what the option `geometric_mlp` of Collaborative Experts makes of box coordinates.
#[derive(Debug, Clone)]
pub struct SpatialMlp<E: Dim, D: OpsDevice> {
    /// The first.
    pub cg1: ContextGating<E, D>,
    /// The second.
    pub cg2: ContextGating<E, D>,
}

impl<E: Dim, D: OpsDevice> Config<D> for SpatialMlpConfig<E> {
    type Built = SpatialMlp<E, D>;

    fn num_parameters(&self) -> usize {
        2 * Config::<D>::num_parameters(&ContextGatingConfig { width: self.width, norm: GateNorm::Applied })
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let config = ContextGatingConfig { width: self.width, norm: GateNorm::Applied };
        Ok(SpatialMlp { cg1: config.build(device, rng)?, cg2: config.build(device, rng)? })
    }
}

impl<E: Dim, D: OpsDevice> SpatialMlp<E, D> {
    /// # Shapes
    /// `(B, E)` to `(B, E)`.
    ///
    /// # Errors
    /// As [`ContextGating::forward`].
    pub fn forward<B: Dim, T: RecordingTape<D>>(
        &self,
        x: Tensor<(B, E), f32, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, E), f32, D, T>, OpError> {
        self.cg2.forward(self.cg1.forward(x, phase)?, phase)
    }
}

impl<E: Dim, D: OpsDevice> Parameters<D> for SpatialMlp<E, D> {
    crate::visit_fields! { D; cg1: module, cg2: module }
}
