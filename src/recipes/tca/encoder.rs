use dfdx::prelude::{Dim, Tensor};
use rand::Rng;

use super::options::{EncoderKind, Options};
use crate::blocks::{
    Cell, Config, FrameNetVlad, FrameNetVladConfig, FrameNextVlad, FrameNextVladConfig, Frames, Parameters, Phase,
    RecurrentConfig,
};
use crate::models::{FrameSets, MeanFrames, RecurrentEncoder, RecurrentEncoderConfig, Tca, TcaConfig, VideoEncoder};
use crate::ops::{LayerTape, OpError, OpsDevice};

/// Describes the encoder of any options.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TcaEncoderConfig {
    /// The mean of the frames.
    Mean(MeanFrames),
    /// Temporal Context Aggregation.
    Tca(TcaConfig<usize>),
    /// NetVLAD.
    NetVlad(FrameNetVladConfig),
    /// NeXtVLAD.
    NextVlad(FrameNextVladConfig),
    /// LSTM or GRU.
    Recurrent(RecurrentEncoderConfig),
}

/// The encoder of any options, with every size chosen at run time.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)]
pub enum TcaEncoder<D: OpsDevice> {
    /// The mean of the frames.
    Mean(MeanFrames),
    /// Temporal Context Aggregation.
    Tca(Tca<usize, D>),
    /// NetVLAD.
    NetVlad(FrameNetVlad<D>),
    /// NeXtVLAD.
    NextVlad(FrameNextVlad<D>),
    /// LSTM or GRU.
    Recurrent(RecurrentEncoder<D>),
}

/// The same call on whichever it is.
macro_rules! each {
    ($kind:ident, $encoder:expr, $one:ident => $call:expr) => {
        match $encoder {
            $kind::Mean($one) => $call,
            $kind::Tca($one) => $call,
            $kind::NetVlad($one) => $call,
            $kind::NextVlad($one) => $call,
            $kind::Recurrent($one) => $call,
        }
    };
}

impl Options {
    /// The encoder.
    pub fn network(&self) -> TcaEncoderConfig {
        let &Self { pca_components: width, output_dim: outputs, num_clusters: clusters, normalize_input, .. } = self;
        let recurrent = |cell| {
            let network = RecurrentConfig { hidden: outputs, ..RecurrentEncoderConfig::new(cell, width).network };
            TcaEncoderConfig::Recurrent(RecurrentEncoderConfig { network })
        };
        match self.encoder {
            EncoderKind::Mean => TcaEncoderConfig::Mean(MeanFrames),
            EncoderKind::Tca => TcaEncoderConfig::Tca(TcaConfig {
                layers: self.num_layers,
                dropout: self.dropout,
                ..TcaConfig::new(width)
            }),
            EncoderKind::NetVlad => {
                let published = FrameNetVladConfig::new(width);
                TcaEncoderConfig::NetVlad(FrameNetVladConfig { clusters, outputs, normalize_input, ..published })
            }
            EncoderKind::NextVlad => {
                let published = FrameNextVladConfig::new(width);
                TcaEncoderConfig::NextVlad(FrameNextVladConfig { clusters, outputs, normalize_input, ..published })
            }
            EncoderKind::Lstm => recurrent(Cell::Lstm),
            EncoderKind::Gru => recurrent(Cell::Gru),
        }
    }
}

impl<D: OpsDevice> Config<D> for TcaEncoderConfig {
    type Built = TcaEncoder<D>;

    fn num_parameters(&self) -> usize {
        each!(Self, self, config => Config::<D>::num_parameters(config))
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        Ok(match self {
            Self::Mean(config) => TcaEncoder::Mean(config.build(device, rng)?),
            Self::Tca(config) => TcaEncoder::Tca(config.build(device, rng)?),
            Self::NetVlad(config) => TcaEncoder::NetVlad(config.build(device, rng)?),
            Self::NextVlad(config) => TcaEncoder::NextVlad(config.build(device, rng)?),
            Self::Recurrent(config) => TcaEncoder::Recurrent(config.build(device, rng)?),
        })
    }
}

impl<D: OpsDevice> Parameters<D> for TcaEncoder<D> {
    crate::visit_variants! { D; Mean(model: flat), Tca(model: flat), NetVlad(model: flat), NextVlad(model: flat), Recurrent(model: flat) }
}

impl<D: OpsDevice> VideoEncoder<D> for TcaEncoder<D> {
    fn embed<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, usize, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize), f32, D, T::Output>, OpError> {
        each!(Self, self, encoder => encoder.embed(frames, phase))
    }

    fn embed_frames<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, usize, D, T>,
        phase: Phase,
    ) -> Result<FrameSets<B, D, T::Output>, OpError> {
        each!(Self, self, encoder => encoder.embed_frames(frames, phase))
    }
}
