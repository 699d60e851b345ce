//! The network of the original Mixture of Embedding Experts program (Miech, Laptev & Sivic 2018), which predates Collaborative Experts and
//! names and orders its parameters otherwise.

use dfdx::prelude::{Dim, HasShape, PutTape, SplitTape, Tensor, WithEmptyTape};
use rand::Rng;

use crate::blocks::{
    Availability, Config, GateNorm, GatedEmbedding, GatedEmbeddingConfig, Linear, LinearConfig, NetVlad, NetVladConfig,
    Parameters, Phase,
};
use crate::ops::{self, LayerTape, OpError, OpsDevice, check_size};

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
    /// The experts in the order of the published units: face, audio, visual, motion.
    pub experts: [MoeeExpert; 4],
}

/// The place of audio among the experts.
const AUDIO: usize = 1;

/// The rows of `moe_fc` are in alphabetical order (audio, face, motion, visual): the weight of every expert of the units' order.
const WEIGHT_OF: [usize; 4] = [1, 0, 3, 2];

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
    video: Vec<GatedEmbedding<usize, usize, D>>,
    text: Vec<GatedEmbedding<usize, usize, D>>,
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
        let experts = || 0..self.experts.len();
        Ok(Moee {
            audio_pooling: self.audio_pooling().build(device, rng)?,
            text_pooling: self.text_pooling().build(device, rng)?,
            video: experts().map(|expert| self.video_unit(expert).build(device, rng)).collect::<Result<_, _>>()?,
            text: experts().map(|expert| self.text_unit(expert).build(device, rng)).collect::<Result<_, _>>()?,
            moe_fc: self.mixture().build(device, rng)?,
        })
    }
}

impl<D: OpsDevice> Moee<D> {
    /// Similarities of every text with every video, and the weights of the experts for every text (`get_moe_scores`: audio, face,
    /// motion, visual).
    ///
    /// The published `conf=False` gives the diagonal alone.
    ///
    /// # Shapes
    /// Words `(Q, N, W)`, features of `B` videos, `available` in the order face, audio, visual, motion; results `(Q, B)` and `(Q, 4)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes disagree, [`OpError::TooFew`] for a batch of one in training.
    pub fn forward<Q: Dim, N: Dim, B: Dim, T: LayerTape<D>>(
        &self,
        words: Tensor<(Q, N, usize), f32, D, T>,
        features: MoeeFeatures<B, D, T>,
        available: &Availability,
        phase: Phase,
    ) -> Result<(Tensor<(Q, B), f32, D, T::Output>, Tensor<(Q, usize), f32, D>), OpError> {
        check_size("MoEE", "experts of the availability", self.video.len(), available.experts())?;
        let MoeeFeatures { face, audio, visual, motion } = features;
        let [face_unit, audio_unit, visual_unit, motion_unit] = self.video.as_slice() else {
            return Err(OpError::Shape {
                op: "MoEE",
                what: "experts of the network",
                expected: 4,
                got: self.video.len(),
            });
        };
        let audio = self.audio_pooling.forward(audio, phase)?;
        let video = vec![
            face_unit.forward(face, phase)?,
            audio_unit.forward(audio, phase)?,
            visual_unit.forward(visual, phase)?,
            motion_unit.forward(motion, phase)?,
        ];
        let (pooled, tape) = self.text_pooling.forward(words, phase)?.split_tape();
        let weights = ops::softmax(self.moe_fc.forward(pooled.clone().put_tape(tape))?)?;
        let scores = weights.with_empty_tape().split_tape().0;
        let text = self.text.iter().map(|unit| unit.forward(pooled.retaped::<T::Output>(), phase));
        let text = text.collect::<Result<_, _>>()?;
        let batch = video[0].shape().0;
        let available = available.tensor(pooled.device(), batch)?;
        Ok((ops::mixture_similarity(text, video, in_unit_order(weights)?, &available)?, scores))
    }
}

/// Columns in the order of the units.
fn in_unit_order<Q: Dim, D: OpsDevice, T: ops::RecordingTape<D>>(
    weights: Tensor<(Q, usize), f32, D, T>,
) -> Result<Tensor<(Q, usize), f32, D, T>, OpError> {
    let unit = |i: usize| f32::from(WEIGHT_OF[i % 4] == i / 4);
    let order = ops::to_tensor(weights.device(), (0..16).map(unit).collect(), (4usize, 4usize))?;
    ops::matmul(weights, order)
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
