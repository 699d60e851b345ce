use dfdx::prelude::{Dim, Merge, Tensor, WithEmptyTape};
use rand::Rng;

use super::{BatchNorm1d, BatchNorm1dConfig, Config, Linear, LinearConfig, Parameters};
use crate::ops::{self, OpError, OpsDevice, RecordingTape};

/// Describes a [`ContextGating`] of width `E`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextGatingConfig<E: Dim> {
    /// Width.
    pub width: E,
}

/// Context gating, `y = x ⊙ σ(W x + b)` (Miech, Laptev & Sivic 2017, "Learnable pooling with Context Gating for video classification").
///
/// The published code builds a batch norm beside the gate and never applies it; it is kept, unused, because it stands in
/// the authors' checkpoints and in their parameter counts.
#[derive(Debug, Clone)]
pub struct ContextGating<E: Dim, D: OpsDevice> {
    /// The gate.
    pub fc: Linear<E, E, D>,
    /// Never applied.
    pub batch_norm: BatchNorm1d<E, D>,
}

impl<E: Dim, D: OpsDevice> Config<D> for ContextGatingConfig<E> {
    type Built = ContextGating<E, D>;

    fn num_parameters(&self) -> usize {
        let Self { width } = *self;
        Config::<D>::num_parameters(&LinearConfig { inputs: width, outputs: width })
            + Config::<D>::num_parameters(&BatchNorm1dConfig::new(width))
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let fc = LinearConfig { inputs: self.width, outputs: self.width }.build(device, rng)?;
        Ok(ContextGating { fc, batch_norm: BatchNorm1dConfig::new(self.width).build(device, rng)? })
    }
}

impl<E: Dim, D: OpsDevice> ContextGating<E, D> {
    /// # Shapes
    /// `(B, E)` to `(B, E)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn forward<B: Dim, T: RecordingTape<D> + Merge<T>>(
        &self,
        x: Tensor<(B, E), f32, D, T>,
    ) -> Result<Tensor<(B, E), f32, D, T>, OpError> {
        let gate = self.fc.forward(x.with_empty_tape())?;
        ops::sigmoid_gate(x, gate)
    }
}

impl<E: Dim, D: OpsDevice> Parameters<D> for ContextGating<E, D> {
    crate::visit_fields! { D; fc: module, batch_norm: module }
}
