//! MMEN: Mixture of Modality Embedding Networks, the two-tower gated-embedding model.
//!
//! Wray et al., "Fine-Grained Action Retrieval Through Multiple Parts-of-Speech Embeddings", ICCV 2019.

use std::marker::PhantomData;

use dfdx::prelude::{Const, Dim, Tensor};
use rand::Rng;

use crate::blocks::{Config, GateNorm, GatedEmbedding, GatedEmbeddingConfig, Parameters, Phase};
use crate::embedding::Embedding;
use crate::ops::{self, LayerTape, NORM_EPS, OpError, OpsDevice};

/// No batch norm is applied in the towers, so the phase makes no difference.
const PHASE: Phase = Phase::Evaluation;

/// The space of whole captions.
#[derive(Debug, Clone, Copy)]
pub struct Caption;

/// Describes an [`Mmen`] of video features `V`, text features `T` and embeddings of width `E` in the space `S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MmenConfig<S, V: Dim, X: Dim, E: Dim> {
    /// Width of the video features.
    pub video: V,
    /// Width of the text features.
    pub text: X,
    /// Width of the embeddings.
    pub embedding: E,
    /// The embedding space, a marker.
    pub space: PhantomData<S>,
}

impl<S, V: Dim, X: Dim, E: Dim> MmenConfig<S, V, X, E> {
    /// Names the three widths.
    pub fn new(video: V, text: X, embedding: E) -> Self {
        Self { video, text, embedding, space: PhantomData }
    }
}

/// Two towers, one per modality: L2-normalise the features, a gated embedding unit, L2-normalise again.
///
/// The norm of the input means that the scale of the features is irrelevant; a zero row stays zero and yields the
/// embedding of the biases. The second norm is numerically almost a no-op, but it is in the published graph.
/// The published option `num_layers` has no effect and no counterpart here.
#[derive(Debug, Clone)]
pub struct Mmen<S, V: Dim, X: Dim, E: Dim, D: OpsDevice> {
    /// `SMEs.t`.
    pub text: GatedEmbedding<X, E, D>,
    /// `SMEs.v`.
    pub video: GatedEmbedding<V, E, D>,
    space: PhantomData<S>,
}

/// The published configuration on EPIC-Kitchens-100: RGB, flow and audio (3 x 1024), word vectors of the files' width,
/// embeddings of 256.
pub type MmenEpicConfig = MmenConfig<Caption, Const<3072>, usize, Const<256>>;
/// See [`MmenEpicConfig`].
pub type MmenEpic<D> = Mmen<Caption, Const<3072>, usize, Const<256>, D>;

impl<S, V: Dim, X: Dim, E: Dim, D: OpsDevice> Config<D> for MmenConfig<S, V, X, E> {
    type Built = Mmen<S, V, X, E, D>;

    fn num_parameters(&self) -> usize {
        Config::<D>::num_parameters(&GatedEmbeddingConfig {
            inputs: self.text,
            embedding: self.embedding,
            norm: GateNorm::Unused,
        }) + Config::<D>::num_parameters(&GatedEmbeddingConfig {
            inputs: self.video,
            embedding: self.embedding,
            norm: GateNorm::Unused,
        })
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let text = GatedEmbeddingConfig { inputs: self.text, embedding: self.embedding, norm: GateNorm::Unused }
            .build(device, rng)?;
        let video = GatedEmbeddingConfig { inputs: self.video, embedding: self.embedding, norm: GateNorm::Unused }
            .build(device, rng)?;
        Ok(Mmen { text, video, space: PhantomData })
    }
}

impl<S, V: Dim, X: Dim, E: Dim, D: OpsDevice> Mmen<S, V, X, E, D> {
    /// The video tower without the final norm.
    ///
    /// # Shapes
    /// `(B, V)` to `(B, E)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn video_tower<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, V), f32, D, T>,
    ) -> Result<Tensor<(B, E), f32, D, T::Output>, OpError> {
        self.video.forward(ops::l2_normalize(x, NORM_EPS)?, PHASE)
    }

    /// The text tower without the final norm.
    ///
    /// # Shapes
    /// `(B, X)` to `(B, E)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn text_tower<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, X), f32, D, T>,
    ) -> Result<Tensor<(B, E), f32, D, T::Output>, OpError> {
        self.text.forward(ops::l2_normalize(x, NORM_EPS)?, PHASE)
    }

    /// Embeds videos.
    ///
    /// # Shapes
    /// `(B, V)` to `(B, E)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn embed_video<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, V), f32, D, T>,
    ) -> Result<Embedding<S, B, E, D, T::Output>, OpError> {
        Ok(Embedding::new(ops::l2_normalize(self.video_tower(x)?, NORM_EPS)?))
    }

    /// Embeds captions.
    ///
    /// # Shapes
    /// `(B, X)` to `(B, E)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn embed_text<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, X), f32, D, T>,
    ) -> Result<Embedding<S, B, E, D, T::Output>, OpError> {
        Ok(Embedding::new(ops::l2_normalize(self.text_tower(x)?, NORM_EPS)?))
    }
}

impl<S, V: Dim, X: Dim, E: Dim, D: OpsDevice> Parameters<D> for Mmen<S, V, X, E, D> {
    crate::visit_fields! { D; text: module = "SMEs.t", video: module = "SMEs.v" }
}
