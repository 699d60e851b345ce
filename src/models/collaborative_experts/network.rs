use dfdx::prelude::{Axis, Dim, HasShape, ReshapeTo, Tensor};
use rand::Rng;

use super::{CollaborativeExpertsConfig, ExpertFusion};
use crate::blocks::{Availability, Config, ExpertFeatures, ExpertSet, NetVlad, Parameters, Phase};
use crate::models::expert_network::{ExpertNetwork, TextEmbedding, VideoEmbedding};
use crate::ops::{
    self, LayerTape, OpError, OpsDevice, RecordingTape, Reduction, check_least, check_size, device_error,
};

/// The network over the experts `E`, words of width `W`, in a common space of width `S`.
///
/// ```text
/// words  -> NetVLAD -> gated embedding per expert, and a weight per expert
/// experts -> pooling -> projection -> collaborative gating            (or another Design)
/// similarity = weighted inner products, renormalised over the experts that a video has
/// ```
#[derive(Debug)]
pub struct CollaborativeExperts<E: ExpertSet, W: Dim, S: Dim, D: OpsDevice> {
    /// Of the experts that need it.
    pub pooling: E::Pooling<D>,
    /// Of the words; none for sentence embeddings.
    pub text_pooling: Option<NetVlad<W, D>>,
    /// Embeddings and their comparison.
    pub ce: ExpertFusion<S, D>,
    experts: E,
    words: W,
}

impl<E: ExpertSet, W: Dim, S: Dim, D: OpsDevice> Config<D> for CollaborativeExpertsConfig<E, W, S> {
    type Built = CollaborativeExperts<E, W, S, D>;

    fn num_parameters(&self) -> usize {
        self.num_parameters::<D>()
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let pooling = self.experts.build(device, rng)?;
        let text_pooling = self.text_pooling().map(|config| config.build(device, rng)).transpose()?;
        let ce = ExpertFusion::build(&self.parts(), self.design, self.weights, device, rng)?;
        Ok(CollaborativeExperts { pooling, text_pooling, ce, experts: self.experts.clone(), words: self.words })
    }
}

impl<E: ExpertSet, W: Dim, S: Dim, D: OpsDevice> CollaborativeExperts<E, W, S, D> {
    /// Features of a batch that were read, in the order of the experts, as this network takes them.
    ///
    /// # Errors
    /// As [`ExpertSet::features`].
    pub fn features<B: Dim, T: LayerTape<D>>(
        &self,
        read: Vec<ExpertFeatures<B, D, T>>,
    ) -> Result<E::Features<B, D, T>, OpError> {
        self.experts.features(read)
    }

    /// Embeds videos. Rows of missing experts are 0 in the features ([`clear_missing`](super::clear_missing)).
    ///
    /// # Shapes
    /// Features of `B` videos, as the experts have them.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes disagree, [`OpError::TooFew`] for a batch of one in training.
    pub fn embed_video<B: Dim, T: LayerTape<D>>(
        &self,
        features: E::Features<B, D, T>,
        available: &Availability,
        phase: Phase,
    ) -> Result<VideoEmbedding<B, D, T::Output>, OpError> {
        self.ce.embed_video(E::pool(&self.pooling, features, phase)?, available, phase)
    }

    /// Embeds texts. Words that are padding are 0, and count (see [`NetVlad`]).
    ///
    /// # Shapes
    /// Words `(Q, N, W)`; without a pooling of words `N` is 1.
    ///
    /// # Errors
    /// As [`CollaborativeExperts::embed_video`].
    pub fn embed_text<Q: Dim, N: Dim, T: LayerTape<D>>(
        &self,
        words: Tensor<(Q, N, W), f32, D, T>,
        phase: Phase,
    ) -> Result<TextEmbedding<Q, D, T::Output>, OpError> {
        match &self.text_pooling {
            Some(pooling) => self.ce.embed_text(pooling.forward(words, phase)?, phase),
            None => {
                let (queries, steps, _) = *words.shape();
                check_size("collaborative experts", "words of a text without pooling", 1, steps.size())?;
                let text = words.try_reshape_like(&(queries, self.words.size())).map_err(device_error)?;
                self.ce.embed_text(text, phase)
            }
        }
    }

    /// Similarities of every text with every video.
    ///
    /// # Shapes
    /// Words `(Q, N, W)`, features of `B` videos; result `(Q, B)`.
    ///
    /// # Errors
    /// As [`CollaborativeExperts::embed_video`].
    pub fn forward<Q: Dim, N: Dim, B: Dim, T: LayerTape<D>>(
        &self,
        words: Tensor<(Q, N, W), f32, D, T>,
        features: E::Features<B, D, T>,
        available: &Availability,
        phase: Phase,
    ) -> Result<Tensor<(Q, B), f32, D, T::Output>, OpError> {
        let text = self.embed_text(words, phase)?;
        self.ce.similarity(text, self.embed_video(features, available, phase)?, available)
    }
}

impl<E: ExpertSet, W: Dim, S: Dim, D: OpsDevice> Parameters<D> for CollaborativeExperts<E, W, S, D> {
    crate::visit_fields! { D; pooling: module, text_pooling: module, ce: module }
}

impl<E: ExpertSet, W: Dim, S: Dim, D: OpsDevice> ExpertNetwork<D> for CollaborativeExperts<E, W, S, D> {
    fn embed_video<T: LayerTape<D>>(
        &self,
        features: Vec<ExpertFeatures<usize, D, T>>,
        available: &Availability,
        phase: Phase,
    ) -> Result<VideoEmbedding<usize, D, T::Output>, OpError> {
        Self::embed_video(self, self.features(features)?, available, phase)
    }

    fn embed_text<T: LayerTape<D>>(
        &self,
        words: Tensor<(usize, usize, usize), f32, D, T>,
        phase: Phase,
    ) -> Result<TextEmbedding<usize, D, T::Output>, OpError> {
        let (texts, steps, width) = *words.shape();
        check_size("collaborative experts", "width of the word vectors", self.words.size(), width)?;
        Self::embed_text(self, ops::reshape(words, (texts, steps, self.words))?, phase)
    }

    fn similarity<T: RecordingTape<D>>(
        &self,
        text: TextEmbedding<usize, D, T>,
        video: VideoEmbedding<usize, D, T>,
        available: &Availability,
    ) -> Result<Tensor<(usize, usize), f32, D, T>, OpError> {
        self.ce.similarity(text, video, available)
    }
}

/// What becomes of the similarities of several captions of one video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum CaptionMerge {
    /// Each caption stays a query of its own (`indep`).
    #[default]
    Independent,
    /// Their mean is the video's query (`avg`): what training always does.
    Average,
}

/// Means of the similarities of every video's captions.
///
/// # Shapes
/// `(B · captions, V)`, captions of a video one after the other, to `(B, V)`.
///
/// # Errors
/// [`OpError::TooFew`] for no captions, [`OpError::Shape`] when the rows are no multiple of them.
pub fn average_captions<V: Dim, D: OpsDevice, T: RecordingTape<D>>(
    similarity: Tensor<(usize, V), f32, D, T>,
    captions: usize,
) -> Result<Tensor<(usize, V), f32, D, T>, OpError> {
    let (rows, videos) = *similarity.shape();
    check_least("average over captions", "captions of a video", 1, captions)?;
    check_size("average over captions", "remainder of the texts by the captions of a video", 0, rows % captions)?;
    let by_video = similarity.try_reshape_like(&(rows / captions, captions, videos)).map_err(device_error)?;
    ops::reduce(by_video, Axis::<1>, Reduction::Mean)
}
