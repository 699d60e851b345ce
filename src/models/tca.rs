//! Temporal Context Aggregation: one vector per video, or one per frame, of frames that attend to each other.
//!
//! Shao, Wen, Zhao & Xue, "Temporal Context Aggregation for Video Retrieval with Contrastive Learning", WACV 2021.

use dfdx::prelude::{Const, Dim, Tensor};
use rand::Rng;

use super::video_encoder::video_encoder;
use crate::blocks::{
    Config, Frames, Parameters, Phase, TransformerEncoder, TransformerEncoderConfig, TransformerLayerConfig,
};
use crate::ops::{self, EmptyRows, LayerTape, NORM_EPS, OpError, OpsDevice, Reduction};

/// Describes a [`Tca`] over frames of width `E`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TcaConfig<E: Dim> {
    /// Width of the frames, and of the embeddings: there is no projection.
    pub width: E,
    /// Layers of the encoder.
    pub layers: usize,
    /// Heads of the attention; divides the width.
    pub heads: usize,
    /// Hidden width of the feed-forward networks.
    pub hidden: usize,
    /// Rate of every dropout.
    pub dropout: f32,
}

impl<E: Dim> TcaConfig<E> {
    /// The published sizes: one layer, 8 heads, 2048 hidden values; the dropout of the training program, 0.2.
    pub fn new(width: E) -> Self {
        Self { width, layers: 1, heads: 8, hidden: 2048, dropout: 0.2 }
    }

    fn encoder(&self) -> TransformerEncoderConfig<E> {
        let Self { width, heads, hidden, dropout, .. } = *self;
        TransformerEncoderConfig {
            layer: TransformerLayerConfig { width, heads, hidden, dropout },
            layers: self.layers,
        }
    }
}

/// A transformer encoder without positions over the frames of a video. Video level: the mean of the valid frames' results, of unit length,
/// compared by inner product. Frame level: each frame's result, of unit length, compared by [`chamfer`](crate::similarity::chamfer).
///
/// Frames are not normalised here; those that were whitened are of unit length already.
#[derive(Debug, Clone)]
pub struct Tca<E: Dim, D: OpsDevice> {
    /// The layers.
    pub transformer_encoder: TransformerEncoder<E, D>,
}

/// The published sizes: frames of ResNet-50, whitened to 1024 values. 8,399,872 parameters.
pub type TcaPublishedConfig = TcaConfig<Const<1024>>;
/// See [`TcaPublishedConfig`].
pub type TcaPublished<D> = Tca<Const<1024>, D>;

impl<E: Dim, D: OpsDevice> Config<D> for TcaConfig<E> {
    type Built = Tca<E, D>;

    fn num_parameters(&self) -> usize {
        Config::<D>::num_parameters(&self.encoder())
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        Ok(Tca { transformer_encoder: self.encoder().build(device, rng)? })
    }
}

impl<E: Dim, D: OpsDevice> Tca<E, D> {
    /// Video level.
    ///
    /// # Shapes
    /// Frames `(B, N, E)` to `(B, E)`, rows of unit length.
    ///
    /// # Errors
    /// [`OpError::TooFew`] for a video without frames (published: NaN), [`OpError::Shape`] when run-time widths disagree.
    pub fn forward<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, E, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, E), f32, D, T::Output>, OpError> {
        let (x, valid) = frames.into_masked()?;
        let encoded = self.transformer_encoder.forward(x, Some(&valid), phase)?;
        ops::l2_normalize(ops::masked_reduce(encoded, &valid, Reduction::Mean, EmptyRows::Refuse)?, NORM_EPS)
    }

    /// Frame level.
    ///
    /// # Shapes
    /// Frames `(B, N, E)` to the same, rows of unit length; those of padding mean nothing.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn encode<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, E, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize, E), f32, D, T::Output>, OpError> {
        let (x, valid) = frames.into_masked()?;
        ops::l2_normalize(self.transformer_encoder.forward(x, Some(&valid), phase)?, NORM_EPS)
    }
}

impl<E: Dim, D: OpsDevice> Parameters<D> for Tca<E, D> {
    crate::visit_fields! { D; transformer_encoder: module }
}

video_encoder! { D; Tca<usize, D>: OfFrames }
