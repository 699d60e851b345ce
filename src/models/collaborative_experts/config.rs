use dfdx::prelude::Dim;
use serde::{Deserialize, Serialize};

use crate::blocks::{
    CollaborativeGatingConfig, Config, ContextGatingConfig, ExpertInfo, ExpertSet, GateNorm, GatedEmbeddingConfig,
    LinearConfig, NetVladConfig, NormalizedGatingConfig, ProjectionConfig, ReasoningConfig,
};
use crate::ops::OpsDevice;

/// How video experts and text meet: the rows of the ablation table of Liu et al. 2019.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Design {
    /// CE: experts projected to a common space, gated by each other (`use_ce`).
    Collaborative(ReasoningConfig),
    /// CE - CG: projected to a common space, each gated by itself (`mimic_ce_dims`).
    Projected,
    /// CE - P,CG: every expert in a space of its own. This is MoEE (Miech et al. 2018).
    Own,
    /// All experts side by side against the pooled text itself (`concat_experts`), by inner product. As published, a text that is wider
    /// than the video has the similarity 0 with everything.
    Concatenated,
    /// All experts side by side through one gated embedding unit (`concat_mix_experts`).
    ConcatenatedGated,
}

/// Where the weights of the experts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MixtureWeights {
    /// From the text, renormalised over the experts that a video has.
    #[default]
    Text,
    /// All equal, renormalised likewise (`freeze_weights`, the rows "- MW"). The layer from the text exists and is counted, unused.
    Uniform,
    /// Every expert counts 1, missing or not, without renormalisation (`keep_missing_modalities`).
    Sum,
}

/// How the words of a text become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextPooling {
    /// NetVLAD with batch norm.
    NetVlad {
        /// Clusters that are kept.
        clusters: usize,
        /// Clusters that are not.
        ghosts: usize,
    },
    /// The only word as it is (`vlad_clusters.text` 0): for sentence embeddings.
    Identity,
}

/// Describes a [`CollaborativeExperts`](super::CollaborativeExperts) network over the experts `E`, words of width `W`, in a common space
/// of width `S` (unused where there is none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollaborativeExpertsConfig<E, W: Dim, S: Dim> {
    /// The experts.
    pub experts: E,
    /// Width of the word vectors.
    pub words: W,
    /// How words become a text.
    pub text: TextPooling,
    /// Width of the common space (`ce_shared_dim`).
    pub common: S,
    /// How video and text meet.
    pub design: Design,
    /// Weights of the experts.
    pub weights: MixtureWeights,
}

impl<E: ExpertSet, W: Dim, S: Dim> CollaborativeExpertsConfig<E, W, S> {
    pub(super) fn text_pooling(&self) -> Option<NetVladConfig<W>> {
        match self.text {
            TextPooling::NetVlad { clusters, ghosts } => {
                Some(NetVladConfig { width: self.words, clusters, ghosts, batch_norm: true })
            }
            TextPooling::Identity => None,
        }
    }

    /// Width of the pooled text.
    pub fn text_width(&self) -> usize {
        self.text_pooling().map_or(self.words.size(), |config| config.pooled_width())
    }

    pub(super) fn parts(&self) -> Parts<S> {
        Parts { experts: self.experts.experts(), text: self.text_width(), common: self.common }
    }

    /// Number of trained values, by arithmetic alone: the count of the published program, which includes what a design does not use
    /// and leaves running statistics out.
    pub fn num_parameters<D: OpsDevice>(&self) -> usize {
        let parts = self.parts();
        let text = self.text_pooling().map_or(0, |config| Config::<D>::num_parameters(&config));
        let design = match self.design {
            Design::Collaborative(reasoning) => {
                let gating = parts.gating(reasoning);
                parts.sum(|i| count::<D, _>(&parts.projection(i)) + count::<D, _>(&parts.common_text()))
                    + count::<D, _>(&gating)
            }
            Design::Projected => parts.sum(|i| {
                count::<D, _>(&parts.projection(i)) + count::<D, _>(&parts.common_text()) + count::<D, _>(&parts.gate())
            }),
            Design::Own => parts.sum(|i| count::<D, _>(&parts.own_video(i)) + count::<D, _>(&parts.own_text(i))),
            Design::Concatenated => 0,
            Design::ConcatenatedGated => count::<D, _>(&parts.joint_video()) + count::<D, _>(&parts.joint_text()),
        };
        self.experts.num_parameters::<D>() + text + count::<D, _>(&parts.mixture()) + design
    }
}

fn count<D: OpsDevice, C: Config<D>>(config: &C) -> usize {
    config.num_parameters()
}

/// The blocks of every design, described once for counting and for building.
pub(super) struct Parts<S: Dim> {
    pub experts: Vec<ExpertInfo>,
    pub text: usize,
    pub common: S,
}

impl<S: Dim> Parts<S> {
    fn sum(&self, f: impl Fn(usize) -> usize) -> usize {
        (0..self.experts.len()).map(f).sum()
    }

    /// The layer that weights experts by the text.
    pub fn mixture(&self) -> LinearConfig<usize, usize> {
        LinearConfig { inputs: self.text, outputs: self.experts.len() }
    }

    pub fn projection(&self, i: usize) -> ProjectionConfig<usize, S> {
        ProjectionConfig { inputs: self.experts[i].pooled_width, outputs: self.common }
    }

    pub fn gating(&self, reasoning: ReasoningConfig) -> CollaborativeGatingConfig<S> {
        CollaborativeGatingConfig { width: self.common, experts: self.experts.len(), reasoning }
    }

    pub fn gate(&self) -> NormalizedGatingConfig<S> {
        NormalizedGatingConfig(ContextGatingConfig { width: self.common, norm: GateNorm::Applied })
    }

    pub fn common_text(&self) -> GatedEmbeddingConfig<usize, S> {
        GatedEmbeddingConfig { inputs: self.text, embedding: self.common, norm: GateNorm::Applied }
    }

    pub fn own_text(&self, i: usize) -> GatedEmbeddingConfig<usize, usize> {
        gated(self.text, self.experts[i].own_width)
    }

    pub fn own_video(&self, i: usize) -> GatedEmbeddingConfig<usize, usize> {
        gated(self.experts[i].pooled_width, self.experts[i].own_width)
    }

    pub fn joint_text(&self) -> GatedEmbeddingConfig<usize, usize> {
        gated(self.text, self.sum(|i| self.experts[i].own_width))
    }

    pub fn joint_video(&self) -> GatedEmbeddingConfig<usize, usize> {
        gated(self.sum(|i| self.experts[i].pooled_width), self.sum(|i| self.experts[i].own_width))
    }
}

fn gated(inputs: usize, embedding: usize) -> GatedEmbeddingConfig<usize, usize> {
    GatedEmbeddingConfig { inputs, embedding, norm: GateNorm::Applied }
}
