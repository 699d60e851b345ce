use dfdx::prelude::{Dim, Tensor};
use rand::Rng;

use super::{Config, Parameters, Phase, PlainEmbedding, PlainEmbeddingConfig};
use crate::ops::{self, OpError, OpsDevice, RecordingTape};

/// How the embeddings of the parts of speech become one: `P` tensors of width `E` to one of width [`Combination::Out`].
pub trait Combination<E: Dim, D: OpsDevice>: Parameters<D> {
    /// Width of the result.
    type Out: Dim;

    /// # Shapes
    /// Each part `(B, E)`; result `(B, Out)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes disagree, [`OpError::TooFew`] for a learned combination of fewer than two rows in
    /// training.
    fn forward<B: Dim, T: RecordingTape<D>>(
        &self,
        parts: Vec<Tensor<(B, E), f32, D, T>>,
        phase: Phase,
    ) -> Result<Tensor<(B, Self::Out), f32, D, T>, OpError>;

    /// Switches between what is learned and plain concatenation, where a combination has both.
    fn set_active(&mut self, _on: bool) {}
}

/// Describes [`Concat`] to the total width `W`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConcatConfig<W: Dim> {
    /// Sum of the widths of the parts; checked when the parts come.
    pub width: W,
}

/// Concatenation (`cat`): nothing to learn.
#[derive(Debug, Clone, Copy)]
pub struct Concat<W: Dim> {
    width: W,
}

impl<W: Dim, D: OpsDevice> Config<D> for ConcatConfig<W> {
    type Built = Concat<W>;

    fn num_parameters(&self) -> usize {
        0
    }

    fn build(&self, _: &D, _: &mut impl Rng) -> Result<Self::Built, OpError> {
        Ok(Concat { width: self.width })
    }
}

impl<W: Dim, D: OpsDevice> Parameters<D> for Concat<W> {
    crate::visit_fields! { D; }
}

impl<E: Dim, W: Dim, D: OpsDevice> Combination<E, D> for Concat<W> {
    type Out = W;

    fn forward<B: Dim, T: RecordingTape<D>>(
        &self,
        parts: Vec<Tensor<(B, E), f32, D, T>>,
        _: Phase,
    ) -> Result<Tensor<(B, W), f32, D, T>, OpError> {
        ops::concat(parts, self.width)
    }
}

/// Describes [`Learned`] from the concatenated width `W` to `O`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnedConfig<W: Dim, O: Dim> {
    /// Sum of the widths of the parts.
    pub inputs: W,
    /// Width of the result.
    pub outputs: O,
}

/// Learned combination (`fc`): concatenation, one linear layer, batch norm. One layer serves both modalities and every
/// role, so in training each call has its own batch statistics and moves the running ones, in the order of the calls.
#[derive(Debug, Clone)]
pub struct Learned<W: Dim, O: Dim, D: OpsDevice> {
    /// The layer.
    pub fc: PlainEmbedding<W, O, D>,
    inputs: W,
}

impl<W: Dim, O: Dim, D: OpsDevice> Config<D> for LearnedConfig<W, O> {
    type Built = Learned<W, O, D>;

    fn num_parameters(&self) -> usize {
        Config::<D>::num_parameters(&PlainEmbeddingConfig::single_layer(self.inputs, self.outputs))
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let fc = PlainEmbeddingConfig::single_layer(self.inputs, self.outputs).build(device, rng)?;
        Ok(Learned { fc, inputs: self.inputs })
    }
}

impl<W: Dim, O: Dim, D: OpsDevice> Parameters<D> for Learned<W, O, D> {
    crate::visit_fields! { D; fc: module }
}

impl<E: Dim, W: Dim, O: Dim, D: OpsDevice> Combination<E, D> for Learned<W, O, D> {
    type Out = O;

    fn forward<B: Dim, T: RecordingTape<D>>(
        &self,
        parts: Vec<Tensor<(B, E), f32, D, T>>,
        phase: Phase,
    ) -> Result<Tensor<(B, O), f32, D, T>, OpError> {
        self.fc.forward(ops::concat(parts, self.inputs)?, phase)
    }
}

/// Describes [`AnyCombination`]: the choice that a configuration file makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnyCombinationConfig {
    /// See [`Concat`].
    Concat(ConcatConfig<usize>),
    /// See [`Learned`].
    Learned(LearnedConfig<usize, usize>),
}

/// A combination chosen at run time.
#[derive(Debug, Clone)]
pub enum AnyCombination<D: OpsDevice> {
    /// See [`Concat`].
    Concat(Concat<usize>),
    /// See [`Learned`].
    Learned {
        /// The learned layer.
        layer: Learned<usize, usize, D>,
        /// While false the parts are only concatenated: the published `--comb-func-start`.
        active: bool,
    },
}

impl<D: OpsDevice> Config<D> for AnyCombinationConfig {
    type Built = AnyCombination<D>;

    fn num_parameters(&self) -> usize {
        match self {
            Self::Concat(config) => Config::<D>::num_parameters(config),
            Self::Learned(config) => Config::<D>::num_parameters(config),
        }
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        Ok(match self {
            Self::Concat(config) => AnyCombination::Concat(Config::<D>::build(config, device, rng)?),
            Self::Learned(config) => AnyCombination::Learned { layer: config.build(device, rng)?, active: true },
        })
    }
}

impl<D: OpsDevice> Parameters<D> for AnyCombination<D> {
    crate::visit_variants! { D; Concat(concat: flat), Learned { layer: flat } }
}

impl<E: Dim, D: OpsDevice> Combination<E, D> for AnyCombination<D> {
    type Out = usize;

    fn forward<B: Dim, T: RecordingTape<D>>(
        &self,
        parts: Vec<Tensor<(B, E), f32, D, T>>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize), f32, D, T>, OpError> {
        match self {
            Self::Concat(concat) => concat.forward(parts, phase),
            Self::Learned { layer, active: true } => layer.forward(parts, phase),
            Self::Learned { layer, active: false } => ops::concat(parts, layer.inputs),
        }
    }

    fn set_active(&mut self, on: bool) {
        if let Self::Learned { active, .. } = self {
            *active = on;
        }
    }
}
