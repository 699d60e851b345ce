//! The network of the original Mixture of Embedding Experts program (Miech, Laptev & Sivic 2018), which predates Collaborative Experts and
//! names and orders its parameters otherwise.

use dfdx::prelude::{Dim, HasShape, PutTape, SplitTape, Tensor};
use rand::Rng;

use super::expert_network::{ExpertNetwork, TextEmbedding, VideoEmbedding, experts};
use crate::blocks::{
    Availability, Config, ExpertFeatures, GateNorm, GatedEmbedding, GatedEmbeddingConfig, Linear, LinearConfig,
    NetVlad, NetVladConfig, Parameters, Phase,
};
use crate::ops::{self, LayerTape, OpError, OpsDevice, RecordingTape, check_size};

/// One expert's way into its own space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoeeExpert {
    /// Width of its features; for audio, of one descriptor.
    pub inputs: usize,
    /// Width of its embedding.
    pub embedding: usize,
}

/// Describes a [`Moee`] network. `Default` is the published one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoeeConfig {
    /// Width of word vectors.
    pub words: usize,
    /// Clusters of the words.
    pub text_clusters: usize,
    /// Clusters of the audio descriptors.
    pub audio_clusters: usize,
    /// The experts in the order of the published units ([`MoeeConfig::EXPERTS`]).
    pub experts: [MoeeExpert; 4],
}

const OP: &str = "MoEE";

/// The place of audio among [`MoeeConfig::EXPERTS`].
const AUDIO: usize = 1;

/// The units of the experts in the order of their names (audio, face, motion, visual), which is that of the rows of `moe_fc`.
const BY_NAME: [usize; 4] = [1, 0, 3, 2];

impl Default for MoeeConfig {
    fn default() -> Self {
        let expert = |inputs, embedding| MoeeExpert { inputs, embedding };
        Self {
            words: 300,
            text_clusters: 32,
            audio_clusters: 16,
            experts: [expert(128, 128), expert(128, 128), expert(2048, 2048), expert(1024, 1024)],
        }
    }
}

impl MoeeConfig {
    /// Names of the experts, in the order of the published units.
    pub const EXPERTS: [&str; 4] = ["face", "audio", "visual", "motion"];

    fn text_pooling(&self) -> NetVladConfig<usize> {
        NetVladConfig::new(self.words, self.text_clusters)
    }

    fn audio_pooling(&self) -> NetVladConfig<usize> {
        NetVladConfig::new(self.experts[AUDIO].inputs, self.audio_clusters)
    }

    fn unit(&self, inputs: usize, expert: usize) -> GatedEmbeddingConfig<usize, usize> {
        GatedEmbeddingConfig { inputs, embedding: self.experts[expert].embedding, norm: GateNorm::Applied }
    }

    fn video_unit(&self, expert: usize) -> GatedEmbeddingConfig<usize, usize> {
        let pooled = if expert == AUDIO { self.audio_pooling().pooled_width() } else { self.experts[expert].inputs };
        self.unit(pooled, expert)
    }

    fn text_unit(&self, expert: usize) -> GatedEmbeddingConfig<usize, usize> {
        self.unit(self.text_pooling().pooled_width(), expert)
    }

    fn mixture(&self) -> LinearConfig<usize, usize> {
        LinearConfig { inputs: self.text_pooling().pooled_width(), outputs: self.experts.len() }
    }
}

/// Features of a batch for a [`Moee`] network.
#[derive(Debug)]
pub struct MoeeFeatures<B: Dim, D: OpsDevice, T> {
    /// `(B, F)`.
    pub face: Tensor<(B, usize), f32, D, T>,
    /// `(B, N, A)`.
    pub audio: Tensor<(B, usize, usize), f32, D, T>,
    /// `(B, V)`.
    pub visual: Tensor<(B, usize), f32, D, T>,
    /// `(B, M)`.
    pub motion: Tensor<(B, usize), f32, D, T>,
}

/// The network: NetVLAD over words and over audio, a gated embedding unit per expert and side, weights from the text. Its loss is the
/// max-margin loss over all terms ([`MarginTerms::All`](crate::ops::MarginTerms)).
#[derive(Debug, Clone)]
pub struct Moee<D: OpsDevice> {
    audio_pooling: NetVlad<usize, D>,
    text_pooling: NetVlad<usize, D>,
    video: [GatedEmbedding<usize, usize, D>; 4],
    text: [GatedEmbedding<usize, usize, D>; 4],
    moe_fc: Linear<usize, usize, D>,
}

impl<D: OpsDevice> Config<D> for MoeeConfig {
    type Built = Moee<D>;

    fn num_parameters(&self) -> usize {
        let units = |unit: &dyn Fn(usize) -> GatedEmbeddingConfig<usize, usize>| -> usize {
            (0..self.experts.len()).map(|expert| Config::<D>::num_parameters(&unit(expert))).sum()
        };
        Config::<D>::num_parameters(&self.text_pooling())
            + Config::<D>::num_parameters(&self.audio_pooling())
            + Config::<D>::num_parameters(&self.mixture())
            + units(&|expert| self.video_unit(expert))
            + units(&|expert| self.text_unit(expert))
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Moee<D>, OpError> {
        let audio_pooling = self.audio_pooling().build(device, rng)?;
        let text_pooling = self.text_pooling().build(device, rng)?;
        let [face, audio, visual, motion] = [0, 1, 2, 3].map(|expert| self.video_unit(expert).build(device, rng));
        let video = [face?, audio?, visual?, motion?];
        let [face, audio, visual, motion] = [0, 1, 2, 3].map(|expert| self.text_unit(expert).build(device, rng));
        let text = [face?, audio?, visual?, motion?];
        Ok(Moee { audio_pooling, text_pooling, video, text, moe_fc: self.mixture().build(device, rng)? })
    }
}

impl<D: OpsDevice> Moee<D> {
    /// Embeds videos.
    ///
    /// # Shapes
    /// Features of `B` videos; for each expert `(B, E_m)`, in the order audio, face, motion, visual.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes disagree, [`OpError::TooFew`] for a batch of one in training.
    pub fn embed_video<B: Dim, T: LayerTape<D>>(
        &self,
        features: MoeeFeatures<B, D, T>,
        phase: Phase,
    ) -> Result<VideoEmbedding<B, D, T::Output>, OpError> {
        let MoeeFeatures { face, audio, visual, motion } = features;
        let [face_unit, audio_unit, visual_unit, motion_unit] = &self.video;
        let audio = self.audio_pooling.forward(audio, phase)?;
        Ok(VideoEmbedding(vec![
            audio_unit.forward(audio, phase)?,
            face_unit.forward(face, phase)?,
            motion_unit.forward(motion, phase)?,
            visual_unit.forward(visual, phase)?,
        ]))
    }

    /// Embeds texts, and weighs the experts for them (`get_moe_scores`).
    ///
    /// # Shapes
    /// Words `(Q, N, W)`; for each expert `(Q, E_m)`, and weights `(Q, 4)`, in the order audio, face, motion, visual.
    ///
    /// # Errors
    /// As [`Moee::embed_video`].
    pub fn embed_text<Q: Dim, N: Dim, T: LayerTape<D>>(
        &self,
        words: Tensor<(Q, N, usize), f32, D, T>,
        phase: Phase,
    ) -> Result<TextEmbedding<Q, D, T::Output>, OpError> {
        let (pooled, tape) = self.text_pooling.forward(words, phase)?.split_tape();
        let weights = ops::softmax(self.moe_fc.forward(pooled.clone().put_tape(tape))?)?;
        let unit = |unit: usize| self.text[unit].forward(pooled.retaped::<T::Output>(), phase);
        Ok(TextEmbedding { experts: BY_NAME.into_iter().map(unit).collect::<Result<_, _>>()?, weights })
    }

    /// Similarities of every text with every video; the published `conf=False` gives those of pairs alone, the diagonal.
    ///
    /// # Shapes
    /// `available` of the experts in the order audio, face, motion, visual; result `(Q, B)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes disagree.
    pub fn similarity<Q: Dim, B: Dim, T: RecordingTape<D>>(
        &self,
        text: TextEmbedding<Q, D, T>,
        video: VideoEmbedding<B, D, T>,
        available: &Availability,
    ) -> Result<Tensor<(Q, B), f32, D, T>, OpError> {
        check_size(OP, "experts of the videos", BY_NAME.len(), video.0.len())?;
        check_size(OP, "experts of the availability", BY_NAME.len(), available.experts())?;
        let available = available.tensor(text.weights.device(), video.0[0].shape().0)?;
        ops::mixture_similarity(text.experts, video.0, text.weights, &available)
    }
}

impl<D: OpsDevice> ExpertNetwork<D> for Moee<D> {
    fn embed_video<T: LayerTape<D>>(
        &self,
        features: Vec<ExpertFeatures<usize, D, T>>,
        _: &Availability,
        phase: Phase,
    ) -> Result<VideoEmbedding<usize, D, T::Output>, OpError> {
        let [audio, face, motion, visual] = experts(OP, features)?;
        let audio = audio.into_sequence()?.into_unmasked();
        let (face, motion, visual) = (face.into_vector()?, motion.into_vector()?, visual.into_vector()?);
        Self::embed_video(self, MoeeFeatures { face, audio, visual, motion }, phase)
    }

    fn embed_text<T: LayerTape<D>>(
        &self,
        words: Tensor<(usize, usize, usize), f32, D, T>,
        phase: Phase,
    ) -> Result<TextEmbedding<usize, D, T::Output>, OpError> {
        Self::embed_text(self, words, phase)
    }

    fn similarity<T: RecordingTape<D>>(
        &self,
        text: TextEmbedding<usize, D, T>,
        video: VideoEmbedding<usize, D, T>,
        available: &Availability,
    ) -> Result<Tensor<(usize, usize), f32, D, T>, OpError> {
        Self::similarity(self, text, video, available)
    }
}

impl<D: OpsDevice> Parameters<D> for Moee<D> {
    crate::visit_fields! {
        D;
        audio_pooling: module,
        text_pooling: module,
        video: module = "mee.video_GU",
        text: module = "mee.text_GU",
        moe_fc: module = "mee.moe_fc",
    }
}
