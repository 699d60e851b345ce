//! The other video encoders of the code of Temporal Context Aggregation: what its paper compares with.

use dfdx::prelude::{Dim, Tensor};
use rand::Rng;

use super::video_encoder::video_encoder;
use super::{FrameSets, VideoEncoder};
use crate::blocks::{
    BatchNorm1d, BatchNorm1dConfig, Cell, Config, FrameNetVlad, FrameNextVlad, Frames, Parameters, Phase, Recurrent,
    RecurrentConfig,
};
use crate::ops::{self, EmptyRows, LayerTape, NORM_EPS, OpError, OpsDevice, Reduction};

/// The mean of the frames, of unit length, and the frames themselves: no parameters, what encoders are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MeanFrames;

impl<D: OpsDevice> Config<D> for MeanFrames {
    type Built = Self;

    fn num_parameters(&self) -> usize {
        0
    }

    fn build(&self, _: &D, _: &mut impl Rng) -> Result<Self, OpError> {
        Ok(*self)
    }
}

impl<D: OpsDevice> Parameters<D> for MeanFrames {
    crate::visit_fields! { D; }
}

impl<D: OpsDevice> VideoEncoder<D> for MeanFrames {
    fn embed<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, usize, D, T>,
        _: Phase,
    ) -> Result<Tensor<(B, usize), f32, D, T::Output>, OpError> {
        let (x, valid) = frames.into_masked()?;
        let mean = ops::masked_reduce(ops::begin(x), &valid, Reduction::Mean, EmptyRows::Refuse)?;
        ops::l2_normalize(mean, NORM_EPS)
    }

    fn embed_frames<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, usize, D, T>,
        _: Phase,
    ) -> Result<FrameSets<B, D, T::Output>, OpError> {
        Ok(FrameSets::OfFrames(ops::l2_normalize(ops::begin(frames.into_unmasked()), NORM_EPS)?))
    }
}

/// Describes a [`RecurrentEncoder`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecurrentEncoderConfig {
    /// The recurrent network; its inputs are the frames.
    pub network: RecurrentConfig,
}

impl RecurrentEncoderConfig {
    /// The published sizes: two layers of 1024, dropout 0.2 between them.
    pub fn new(cell: Cell, width: usize) -> Self {
        Self { network: RecurrentConfig { cell, inputs: width, hidden: 1024, layers: 2, dropout: 0.2 } }
    }
}

/// A batch norm (its statistics over all frames, padding among them) and a recurrent network over all frames; the mean of the states at valid frames,
/// of unit length.
#[derive(Debug, Clone)]
pub struct RecurrentEncoder<D: OpsDevice> {
    network: Network<D>,
    bn1: BatchNorm1d<usize, D>,
}

/// Under the name that the published modules have for it.
#[derive(Debug, Clone)]
enum Network<D: OpsDevice> {
    Lstm(Recurrent<D>),
    Gru(Recurrent<D>),
}

impl<D: OpsDevice> Parameters<D> for Network<D> {
    crate::visit_variants! { D; Lstm(network: module = "LSTM"), Gru(network: module = "GRU") }
}

impl<D: OpsDevice> Config<D> for RecurrentEncoderConfig {
    type Built = RecurrentEncoder<D>;

    fn num_parameters(&self) -> usize {
        let norm = self.network.inputs.saturating_mul(2);
        Config::<D>::num_parameters(&self.network).saturating_add(norm)
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let network = self.network.build(device, rng)?;
        let network = match self.network.cell {
            Cell::Lstm => Network::Lstm(network),
            Cell::Gru => Network::Gru(network),
        };
        Ok(RecurrentEncoder { network, bn1: BatchNorm1dConfig::new(self.network.inputs).build(device, rng)? })
    }
}

impl<D: OpsDevice> RecurrentEncoder<D> {
    /// The states, and which frames are no padding.
    #[allow(clippy::type_complexity)]
    fn states<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, usize, D, T>,
        phase: Phase,
    ) -> Result<(Tensor<(B, usize, usize), f32, D, T::Output>, Tensor<(B, usize), f32, D>), OpError> {
        let (x, valid) = frames.into_masked()?;
        let (Network::Lstm(network) | Network::Gru(network)) = &self.network;
        Ok((network.forward(self.bn1.forward(x, phase)?, phase)?, valid))
    }
}

impl<D: OpsDevice> Parameters<D> for RecurrentEncoder<D> {
    crate::visit_fields! { D; network: flat, bn1: module }
}

impl<D: OpsDevice> VideoEncoder<D> for RecurrentEncoder<D> {
    fn embed<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, usize, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize), f32, D, T::Output>, OpError> {
        let (states, valid) = self.states(frames, phase)?;
        ops::l2_normalize(ops::masked_reduce(states, &valid, Reduction::Mean, EmptyRows::Refuse)?, NORM_EPS)
    }

    fn embed_frames<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, usize, D, T>,
        phase: Phase,
    ) -> Result<FrameSets<B, D, T::Output>, OpError> {
        Ok(FrameSets::OfFrames(ops::l2_normalize(self.states(frames, phase)?.0, NORM_EPS)?))
    }
}

video_encoder! { D; FrameNetVlad<D>: OfVideo }

video_encoder! { D; FrameNextVlad<D>: OfVideo }
