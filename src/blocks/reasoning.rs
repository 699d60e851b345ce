//! The parts of collaborative gating: layers over pairs of experts, and the gate that takes what they conclude.

use dfdx::prelude::{Dim, HasShape, Tensor, WithEmptyTape};
use rand::Rng;

use super::{Activation, BatchNorm1d, BatchNorm1dConfig, Config, Linear, LinearConfig, Parameters, Phase};
use crate::ops::{self, LayerTape, NORM_EPS, OpError, OpsDevice, RecordingTape, Rows};

/// Describes a [`ReasoningGate`] of width `S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasoningGateConfig<S: Dim> {
    /// Width.
    pub width: S,
}

/// The gated embedding unit of collaborative gating (Liu et al. 2019, eq. 5): `y = L2(x ⊙ σ(BN(m) + BN(W x + b)))`, where the mask `m`
/// is what the other experts say.
#[derive(Debug, Clone)]
pub struct ReasoningGate<S: Dim, D: OpsDevice> {
    /// The expert's own gate.
    pub fc: Linear<S, S, D>,
    /// On the mask.
    pub batch_norm: BatchNorm1d<S, D>,
    /// On the expert's own gate.
    pub batch_norm2: BatchNorm1d<S, D>,
}

impl<S: Dim, D: OpsDevice> Config<D> for ReasoningGateConfig<S> {
    type Built = ReasoningGate<S, D>;

    fn num_parameters(&self) -> usize {
        Config::<D>::num_parameters(&LinearConfig { inputs: self.width, outputs: self.width })
            + 2 * Config::<D>::num_parameters(&BatchNorm1dConfig::new(self.width))
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let fc = LinearConfig { inputs: self.width, outputs: self.width }.build(device, rng)?;
        let mut norm = || BatchNorm1dConfig::new(self.width).build(device, rng);
        Ok(ReasoningGate { fc, batch_norm: norm()?, batch_norm2: norm()? })
    }
}

impl<S: Dim, D: OpsDevice> ReasoningGate<S, D> {
    /// # Shapes
    /// `x`, `mask` and result: `(B, S)`; rows of the result are of unit length.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes disagree, [`OpError::TooFew`] for a batch of one in training.
    pub fn forward<B: Dim, T: RecordingTape<D>>(
        &self,
        x: Tensor<(B, S), f32, D, T>,
        mask: Tensor<(B, S), f32, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, S), f32, D, T>, OpError> {
        let own = self.batch_norm2.forward(self.fc.forward(x.with_empty_tape())?, phase)?;
        let gate = ops::add(own, self.batch_norm.forward(mask, phase)?)?;
        ops::l2_normalize(ops::sigmoid_gate(x, gate)?, NORM_EPS)
    }
}

impl<S: Dim, D: OpsDevice> Parameters<D> for ReasoningGate<S, D> {
    crate::visit_fields! { D; fc: module = "cg.fc", batch_norm: module = "cg.batch_norm", batch_norm2: module = "cg.batch_norm2" }
}

/// Describes a [`ReasoningStack`] of width `S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasoningStackConfig<S: Dim> {
    /// Width.
    pub width: S,
    /// Number of layers; none is the identity.
    pub layers: usize,
    /// Whether every layer begins with a batch norm.
    pub batch_norm: bool,
    /// The nonlinearity.
    pub activation: Activation,
}

/// A part of a layer.
#[derive(Debug, Clone)]
enum Step<S: Dim, D: OpsDevice> {
    Norm(BatchNorm1d<S, D>),
    Activation,
    Linear(Linear<S, S, D>),
}

impl<S: Dim, D: OpsDevice> Parameters<D> for Step<S, D> {
    crate::visit_variants! { D; Norm(norm: flat), Activation, Linear(linear: flat) }
}

/// Layers that end in a linear map, each batch norm (optional), nonlinearity, linear map: the shared part of `g`, and `h`, of
/// collaborative gating.
///
/// In a state dict the layers stand as in a sequential module: the batch norm of layer `j` at `3j` and its map at `3j + 2`; without batch norm
/// the map at `2j + 1`.
#[derive(Debug, Clone)]
pub struct ReasoningStack<S: Dim, D: OpsDevice> {
    steps: Vec<Step<S, D>>,
    activation: Activation,
}

impl<S: Dim, D: OpsDevice> Config<D> for ReasoningStackConfig<S> {
    type Built = ReasoningStack<S, D>;

    fn num_parameters(&self) -> usize {
        let linear = Config::<D>::num_parameters(&LinearConfig { inputs: self.width, outputs: self.width });
        let norm = Config::<D>::num_parameters(&BatchNorm1dConfig::new(self.width));
        self.layers * (linear + if self.batch_norm { norm } else { 0 })
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let mut steps = vec![];
        for _ in 0..self.layers {
            if self.batch_norm {
                steps.push(Step::Norm(BatchNorm1dConfig::new(self.width).build(device, rng)?));
            }
            steps.push(Step::Activation);
            steps.push(Step::Linear(LinearConfig { inputs: self.width, outputs: self.width }.build(device, rng)?));
        }
        Ok(ReasoningStack { steps, activation: self.activation })
    }
}

impl<S: Dim, D: OpsDevice> ReasoningStack<S, D> {
    /// # Shapes
    /// `(B, S)` to `(B, S)`.
    ///
    /// # Errors
    /// [`OpError::TooFew`] for a batch of one with batch norms in training, [`OpError::Shape`] when run-time widths disagree.
    pub fn forward<B: Dim, T: RecordingTape<D>>(
        &self,
        mut x: Tensor<(B, S), f32, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, S), f32, D, T>, OpError> {
        for step in &self.steps {
            x = self.step(step, x, 1, phase)?;
        }
        Ok(x)
    }

    /// The weighted mean of what the layers make of every group: `y_b = Σ_g weights_gb f(x_gb)`, the batch norms called once per group.
    ///
    /// The last map is linear, so it is applied once to the mean of its inputs, not to every group.
    ///
    /// # Shapes
    /// `x`: `(G, B, S)`, `weights`: `(G, B)` with columns that sum to `mass`: `(1, B)`; result: `(B, S)`.
    ///
    /// # Errors
    /// As [`ReasoningStack::forward`].
    pub fn forward_mean<B: Dim, T: RecordingTape<D>>(
        &self,
        mut x: Tensor<(usize, B, S), f32, D, T>,
        weights: &Tensor<(usize, B), f32, D>,
        mass: &Tensor<(usize, B), f32, D>,
        phase: Phase,
    ) -> Result<Tensor<(B, S), f32, D, T>, OpError> {
        let Some((Step::Linear(last), before)) = self.steps.split_last() else { return ops::weighted_sum(x, weights) };
        let groups = x.shape().0;
        for step in before {
            x = self.step(step, x, groups, phase)?;
        }
        let mean = ops::weighted_sum(x, weights)?;
        // The bias counts once where there is something to average, and not at all where there is nothing.
        let y = ops::sum_terms(vec![last.forward(mean)?], vec![vec![0]])?;
        ops::weighted_sum(y, mass)
    }

    /// One step over `groups` batches that stand one after the other.
    fn step<R: Rows<Last = S, With<S> = R>, T: RecordingTape<D>>(
        &self,
        step: &Step<S, D>,
        x: Tensor<R, f32, D, T>,
        groups: usize,
        phase: Phase,
    ) -> Result<Tensor<R, f32, D, T>, OpError> {
        match step {
            Step::Norm(norm) => norm.forward_groups(x, groups, phase),
            Step::Activation => self.activation.forward(x),
            Step::Linear(linear) => ops::linear(x, &linear.weight, Some(&linear.bias)),
        }
    }
}

impl<S: Dim, D: OpsDevice> Parameters<D> for ReasoningStack<S, D> {
    crate::visit_fields! { D; steps: flat }
}

/// Describes a [`PairReasoning`] of width `S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairReasoningConfig<S: Dim> {
    /// Width of one of the two.
    pub width: S,
    /// The nonlinearity.
    pub activation: Activation,
}

/// Two layers over a pair `[x₁; x₂]` (`G_reason`): what an expert of its own has in the variant `pairwise-star-specific`.
#[derive(Debug, Clone)]
pub struct PairReasoning<S: Dim, D: OpsDevice> {
    /// From twice the width.
    pub first: Linear<usize, S, D>,
    /// To the width.
    pub second: Linear<S, S, D>,
    activation: Activation,
    width: S,
}

impl<S: Dim, D: OpsDevice> Config<D> for PairReasoningConfig<S> {
    type Built = PairReasoning<S, D>;

    fn num_parameters(&self) -> usize {
        Config::<D>::num_parameters(&LinearConfig { inputs: 2 * self.width.size(), outputs: self.width })
            + Config::<D>::num_parameters(&LinearConfig { inputs: self.width, outputs: self.width })
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let first = LinearConfig { inputs: 2 * self.width.size(), outputs: self.width }.build(device, rng)?;
        let second = LinearConfig { inputs: self.width, outputs: self.width }.build(device, rng)?;
        Ok(PairReasoning { first, second, activation: self.activation, width: self.width })
    }
}

impl<S: Dim, D: OpsDevice> PairReasoning<S, D> {
    /// # Shapes
    /// `x` and `partner`: `(B, S)`; result: `(B, S)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes disagree.
    pub fn forward<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, S), f32, D, T>,
        partner: Tensor<(B, S), f32, D, T>,
    ) -> Result<Tensor<(B, S), f32, D, T::Output>, OpError> {
        let own = ops::linear_columns(x, &self.first.weight, 0, Some(&self.first.bias))?;
        let other = ops::linear_columns(partner, &self.first.weight, self.width.size(), None)?;
        self.second.forward(self.activation.forward(ops::add(own, other)?)?)
    }
}

impl<S: Dim, D: OpsDevice> Parameters<D> for PairReasoning<S, D> {
    crate::visit_fields! { D; first: module = "g_reason_1_specific", second: module = "g_reason_2_specific" }
}
