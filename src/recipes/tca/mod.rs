//! Temporal Context Aggregation: near-duplicate video retrieval.
//!
//! Shao, Wen, Zhao & Xue, "Temporal Context Aggregation for Video Retrieval with Contrastive Learning", WACV 2021.

mod annotations;
mod batches;
mod encoder;
mod evaluate;
mod options;
mod recipe;
mod task;

pub use annotations::Annotations;
pub use batches::{PairBatch, PairBatches, TrainingPairs};
pub use encoder::{TcaEncoder, TcaEncoderConfig};
pub use evaluate::{TcaReport, VideoSimilarities, evaluate, similarities};
pub use options::{Changes, ContrastLoss, EncoderKind, Metric, Options};
pub use recipe::{TcaData, TcaRecipe};
pub use task::TcaTask;

use std::path::PathBuf;

use crate::data::FileError;
use crate::data::near_duplicate::{ItemError, UnknownDataset};
use crate::matrix::ShapeError;
use crate::metrics::near_duplicate::NearDuplicateError;
use crate::ops::OpError;
use crate::similarity::SimilarityError;
use crate::train::distributed::DistributedError;

/// What can go wrong while training or evaluating.
#[derive(Debug, thiserror::Error)]
pub enum TcaError {
    /// An operation failed.
    #[error(transparent)]
    Op(#[from] OpError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A data set that is not known.
    #[error("dataset: {0}")]
    Dataset(#[from] UnknownDataset),
    /// A video cannot be cut to a number of frames.
    #[error(transparent)]
    Item(#[from] ItemError),
    /// Embeddings are no matrix.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Videos that training needs have no features.
    #[error("{missing} of {expected} videos to train on have no features, the first is {first:?}")]
    NoFeatures {
        /// How many have none.
        missing: usize,
        /// Of how many.
        expected: usize,
        /// One of them.
        first: String,
    },
    /// The similarities cannot be computed.
    #[error(transparent)]
    Similarity(#[from] SimilarityError),
    /// The results cannot be evaluated.
    #[error(transparent)]
    Metric(#[from] NearDuplicateError),
    /// The order of an epoch cannot be drawn.
    #[error(transparent)]
    Order(#[from] DistributedError),
    /// Options that do not fit the data.
    #[error("{option}: {reason}")]
    Option {
        /// The option.
        option: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// No data to train on.
    #[error("there are no pairs to train on")]
    NoTraining,
    /// A checkpoint of the authors' program cannot be used.
    #[error("{}: {source}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
