//! Statically-typed building blocks.
//!
//! A block has a configuration (sizes in its type, options as fields; [`Config::num_parameters`] counts without building)
//! and a built form, generic over the device, with an inherent, fallible `forward`. Widths are `Dim` type parameters:
//! `Const<N>` where the size is known, so that a mismatch does not compile; `usize` where only a file knows it, checked
//! when it meets the data. The batch axis of every `forward` is generic likewise.

mod activation;
mod availability;
mod batch_norm;
mod collaborative_gating;
mod combination;
mod context_gating;
mod conv2d;
mod dropout;
pub mod experts;
mod frame_statistics;
mod frame_vlad;
mod frames;
mod gated_embedding;
mod layer_norm;
mod linear;
mod net_vlad;
mod parameters;
mod phase;
mod plain_embedding;
mod pos_split;
mod projection;
mod reasoning;
mod recurrent;
mod self_attention;
mod transformer;
mod video_comparator;

pub use activation::Activation;
pub use availability::{Availability, AvailabilityError};
pub use batch_norm::{BatchNorm1d, BatchNorm1dConfig};
pub use collaborative_gating::{
    CollaborativeGating, CollaborativeGatingConfig, CommonExperts, OwnExperts, ReasoningConfig, Relation,
};
pub use combination::{
    AnyCombination, AnyCombinationConfig, Combination, Concat, ConcatConfig, Learned, LearnedConfig,
};
pub use context_gating::{
    ContextGating, ContextGatingConfig, GateNorm, NormalizedGating, NormalizedGatingConfig, SpatialMlp,
    SpatialMlpConfig,
};
pub use conv2d::{ChannelBias, Conv2d, Conv2dConfig};
pub use dropout::Dropout;
pub use experts::{ExpertConfig, ExpertFeatures, ExpertInfo, ExpertKind, ExpertList, ExpertSet, Pooling, PoolingKind};
pub use frame_statistics::{FrameStatistic, pool_frames};
pub use frame_vlad::{
    FrameNetVlad, FrameNetVladConfig, FrameNextVlad, FrameNextVladConfig, GatedProjection, PointConvolution,
    centroid_assignment,
};
pub use frames::{Frames, Pooled};
pub use gated_embedding::{GatedEmbedding, GatedEmbeddingConfig};
pub use layer_norm::{LayerNorm, LayerNormConfig};
pub use linear::{Linear, LinearConfig};
pub use net_vlad::{NetVlad, NetVladConfig};
pub use parameters::{
    Named, Parameters, Path, Role, Visitor, VisitorMut, independent_copy, num_parameters, num_values,
};
pub use phase::{Phase, StepStream};
pub use plain_embedding::{PlainEmbedding, PlainEmbeddingConfig};
pub use pos_split::{Contains, PartOfSpeech, PartOrder, PosSet, PosText};
pub use projection::{Projection, ProjectionConfig};
pub use reasoning::{
    PairReasoning, PairReasoningConfig, ReasoningGate, ReasoningGateConfig, ReasoningStack, ReasoningStackConfig,
};
pub use recurrent::{Cell, Recurrent, RecurrentConfig, RecurrentLayer};
pub use self_attention::{SelfAttention, SelfAttentionConfig};
pub use transformer::{TransformerEncoder, TransformerEncoderConfig, TransformerLayer, TransformerLayerConfig};
pub use video_comparator::{VideoComparator, VideoComparatorConfig};

use rand::Rng;

use crate::ops::{OpError, OpsDevice};

/// The description of a block or model: everything but its weights.
pub trait Config<D: OpsDevice> {
    /// What it describes.
    type Built: Parameters<D>;

    /// Number of trained values, by arithmetic alone.
    fn num_parameters(&self) -> usize;

    /// Builds it with PyTorch's default initialisation, drawn from `rng` in the order of the parameters.
    ///
    /// # Errors
    /// [`OpError`] when sizes contradict each other or the device fails.
    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError>;
}
