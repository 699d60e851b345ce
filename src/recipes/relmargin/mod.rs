//! JPoSE and MMEN with the relevance-based margin.
//!
//! Falcon, Sudhakaran, Serra, Escalera & Lanz, "Relevance-based Margin for Contrastively-trained Video Retrieval Models",
//! ICMR 2022, on the models of Wray et al., "Fine-Grained Action Retrieval Through Multiple Parts-of-Speech Embeddings",
//! ICCV 2019.

mod args_txt;
mod evaluate;
mod features;
mod jpose;
mod mmen;
mod model;
mod network;
mod options;
mod recipe;
mod sampling;
mod task;
mod terms;

pub use evaluate::{LevelEvaluation, RelMarginEvaluation};
pub use features::FeatureTables;
pub use jpose::{JposeModel, jpose_config, jpose_step};
pub use mmen::{MmenModel, mmen_config, mmen_step};
pub use model::RelMarginModel;
pub use network::RelMarginNetwork;
pub use options::{
    CaptionType, Changes, CombFunc, Modalities, ModelKind, Options, PairWeights, PosWeights, RelMarginDataset,
};
pub use recipe::{RelMargin, RelMarginData, RelMarginReport};
pub use sampling::EpochSampler;
pub use task::{RelMarginBatches, RelMarginTask};
pub use terms::{Modality, Pair, Term, TermLoss, TermStep};

use std::path::PathBuf;

use crate::data::epic100::{Epic100Error, SubmissionError};
use crate::data::relational::sampling::SamplingError;
use crate::data::relational::{FolderError, SplitError};
use crate::metrics::MetricError;
use crate::ops::OpError;
use crate::relevance::Level;
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
        level: Level,
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
    /// The files of EPIC-Kitchens-100 cannot be used.
    #[error(transparent)]
    Epic100(#[from] Epic100Error),
    /// The files of YouCook2 cannot be used.
    #[error(transparent)]
    Youcook2(#[from] FolderError),
    /// The options ask for splits that the program brings, and for a folder.
    #[error("dataset: Given is not read from a folder; say Epic100 or Youcook2")]
    NotGiven,
    /// Splits to test alone cannot be trained on.
    #[error("there is no split to train on")]
    NoTraining,
    /// A checkpoint of the authors' program cannot be used.
    #[error("{}: {source}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A submission cannot be made.
    #[error(transparent)]
    Submission(SubmissionError),
}
