use dfdx::prelude::{Dim, Tensor};

use crate::blocks::{Availability, ExpertFeatures, Parameters, Phase};
use crate::ops::{LayerTape, OpError, OpsDevice, RecordingTape};

/// Rows of a width that only run time knows.
pub(super) type Rows<B, D, T> = Tensor<(B, usize), f32, D, T>;

/// Embeddings of videos: for each expert one, or all experts side by side.
///
/// # Shapes
/// Each `(B, E_m)`. The tapes belong together: a loss should use all of them.
#[derive(Debug, Clone)]
pub struct VideoEmbedding<B: Dim, D: OpsDevice, T>(pub Vec<Rows<B, D, T>>);

/// Embeddings of texts, as many as those of videos, and the weights that the texts give to experts.
///
/// # Shapes
/// `experts`: each `(Q, E_m)`; `weights`: `(Q, M)`, rows that sum to 1.
#[derive(Debug, Clone)]
pub struct TextEmbedding<Q: Dim, D: OpsDevice, T> {
    /// One for each expert, or one for all.
    pub experts: Vec<Rows<Q, D, T>>,
    /// Weights of the experts.
    pub weights: Rows<Q, D, T>,
}

/// A network that embeds videos by their experts and texts by their words, and compares the two: what a task of retrieval needs of one,
/// whatever its experts and sizes. A network of one's own trains and evaluates as the published ones do.
pub trait ExpertNetwork<D: OpsDevice>: Parameters<D> {
    /// Embeds videos. Rows of missing experts are 0 in the features ([`clear_missing`](super::collaborative_experts::clear_missing)).
    ///
    /// # Shapes
    /// Features of `B` videos, expert by expert in the order of the network (published: that of their names).
    ///
    /// # Errors
    /// [`OpError::Form`] for features of another form than the network's experts have, [`OpError::Shape`] when sizes disagree,
    /// [`OpError::TooFew`] for a batch of one in training.
    fn embed_video<T: LayerTape<D>>(
        &self,
        features: Vec<ExpertFeatures<usize, D, T>>,
        available: &Availability,
        phase: Phase,
    ) -> Result<VideoEmbedding<usize, D, T::Output>, OpError>;

    /// Embeds texts. Words that are padding are 0, and count (see [`NetVlad`](crate::blocks::NetVlad)).
    ///
    /// # Shapes
    /// Words `(Q, N, W)`.
    ///
    /// # Errors
    /// As [`ExpertNetwork::embed_video`].
    fn embed_text<T: LayerTape<D>>(
        &self,
        words: Tensor<(usize, usize, usize), f32, D, T>,
        phase: Phase,
    ) -> Result<TextEmbedding<usize, D, T::Output>, OpError>;

    /// Similarities of every text with every video.
    ///
    /// # Shapes
    /// `(Q, B)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when sizes disagree.
    fn similarity<T: RecordingTape<D>>(
        &self,
        text: TextEmbedding<usize, D, T>,
        video: VideoEmbedding<usize, D, T>,
        available: &Availability,
    ) -> Result<Tensor<(usize, usize), f32, D, T>, OpError>;
}

/// What there is of each expert of a network that has `N`.
///
/// # Errors
/// [`OpError::Shape`] where there are more or fewer.
pub(super) fn experts<E, const N: usize>(op: &'static str, given: Vec<E>) -> Result<[E; N], OpError> {
    let other = |given: Vec<E>| OpError::Shape { op, what: "experts", expected: N, got: given.len() };
    given.try_into().map_err(other)
}
