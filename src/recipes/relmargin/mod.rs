//! JPoSE and MMEN with the relevance-based margin.
//!
//! Falcon, Sudhakaran, Serra, Escalera & Lanz, "Relevance-based Margin for Contrastively-trained Video Retrieval Models",
//! ICMR 2022, on the models of Wray et al., "Fine-Grained Action Retrieval Through Multiple Parts-of-Speech Embeddings",
//! ICCV 2019.

mod args_txt;
mod evaluate;
mod jpose;
mod mmen;
mod model;
mod options;
mod published;
mod sampling;
mod terms;

pub use evaluate::{Evaluation, LevelEvaluation};
pub use jpose::{JposeModel, jpose_config, jpose_step};
pub use mmen::{MmenModel, mmen_config, mmen_step};
pub use model::{RelMarginModel, RelMarginTask};
pub use options::{
    CaptionType, CombFunc, Dataset, Modalities, ModelKind, Options, OptionsError, PairWeights, PosWeights,
};
pub use published::{PUBLISHED, PublishedRow, published};
pub use sampling::EpochSampler;
pub use terms::{Modality, Pair, Term, TermLoss};

use crate::data::relational::SplitError;
use crate::data::relational::sampling::SamplingError;
use crate::metrics::MetricError;
use crate::ops::OpError;
use crate::similarity::SimilarityError;

/// What can go wrong while training or evaluating.
#[derive(Debug, thiserror::Error)]
pub enum RelMarginError {
    /// An operation failed.
    #[error(transparent)]
    Op(#[from] OpError),
    /// Triplets cannot be drawn.
    #[error("{level} triplets, {pair}: {source}")]
    Sampling {
        /// Which relational dictionary.
        level: &'static str,
        /// Which pair of modalities.
        pair: Pair,
        /// Why.
        source: SamplingError,
    },
    /// The split is inconsistent.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The similarities cannot be computed.
    #[error(transparent)]
    Similarity(#[from] SimilarityError),
    /// The scores cannot be evaluated.
    #[error(transparent)]
    Metric(#[from] MetricError),
}
