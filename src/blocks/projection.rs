use dfdx::prelude::{Dim, Tensor};
use rand::Rng;

use super::{Config, Linear, LinearConfig, Parameters};
use crate::ops::{self, LayerTape, NORM_EPS, OpError, OpsDevice};

/// Describes a [`Projection`] from width `I` to width `S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProjectionConfig<I: Dim, S: Dim> {
    /// Input width.
    pub inputs: I,
    /// Width of the common space.
    pub outputs: S,
}

/// An expert's way into the space that all experts share: linear projection, L2 normalisation (`ReduceDim` of Collaborative Experts,
/// Liu et al. 2019, section 3.2).
#[derive(Debug, Clone)]
pub struct Projection<I: Dim, S: Dim, D: OpsDevice> {
    /// The projection.
    pub fc: Linear<I, S, D>,
}

impl<I: Dim, S: Dim, D: OpsDevice> Config<D> for ProjectionConfig<I, S> {
    type Built = Projection<I, S, D>;

    fn num_parameters(&self) -> usize {
        Config::<D>::num_parameters(&LinearConfig { inputs: self.inputs, outputs: self.outputs })
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        Ok(Projection { fc: LinearConfig { inputs: self.inputs, outputs: self.outputs }.build(device, rng)? })
    }
}

impl<I: Dim, S: Dim, D: OpsDevice> Projection<I, S, D> {
    /// # Shapes
    /// `(B, I)` to `(B, S)`, rows of unit length.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn forward<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, I), f32, D, T>,
    ) -> Result<Tensor<(B, S), f32, D, T::Output>, OpError> {
        ops::l2_normalize(self.fc.forward(x)?, NORM_EPS)
    }
}

impl<I: Dim, S: Dim, D: OpsDevice> Parameters<D> for Projection<I, S, D> {
    crate::visit_fields! { D; fc: module }
}
