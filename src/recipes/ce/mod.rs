//! Collaborative Experts, MoEE, CE+ and TeachText.
//!
//! Liu, Albanie, Nagrani & Zisserman, "Use What You Have: Video Retrieval Using Representations From Collaborative Experts", BMVC 2019;
//! Miech, Laptev & Sivic, "Learning a Text-Video Embedding from Incomplete and Heterogeneous Data", 2018; Oncescu, Henriques, Liu,
//! Zisserman & Albanie, "QuerYD: A Video Dataset with High-Quality Text and Audio Narrations", ICASSP 2021; Croitoru et al., "TeachText:
//! CrossModal Generalized Distillation for Text-Video Retrieval", ICCV 2021.
//!
//! [`Options`] describes one run, [`Table`](crate::options::Table) the rows of a paper as differences between them.

mod batches;
mod check;
mod evaluate;
mod import;
mod model;
mod network;
mod options;
mod recipe;
mod task;

pub use evaluate::{CeEvaluation, CeTest, LabelEvaluation, as_teacher, evaluate, evaluate_labels, monitored};
pub use import::{ImportError, import_config};
pub use model::display_parameters;
pub use network::{CeNetwork, CeNetworkConfig};
pub use options::{Arch, Changes, EvalMode, ExpertOptions, FrameSampling, Options, Reading, TaskKind};
pub use recipe::{CeData, CollaborativeExpertsRecipe};
pub use task::{CeBatches, CeTask, CeTraining};

use std::path::PathBuf;

use crate::blocks::AvailabilityError;
use crate::data::experts::ExpertsError;
use crate::data::experts::folder::ExpertFolderError;
use crate::formats::torch::TorchError;
use crate::matrix::ShapeError;
use crate::metrics::MetricError;
use crate::models::collaborative_experts::MissingExpertError;
use crate::ops::OpError;
use crate::options::OptionsError;

/// What can go wrong while training or evaluating.
#[derive(Debug, thiserror::Error)]
pub enum CeError {
    /// An operation failed.
    #[error(transparent)]
    Op(#[from] OpError),
    /// A split is inconsistent.
    #[error(transparent)]
    Experts(#[from] ExpertsError),
    /// Features that say they are there are not.
    #[error(transparent)]
    Missing(#[from] MissingExpertError),
    /// A video has no expert.
    #[error(transparent)]
    Availability(#[from] AvailabilityError),
    /// The scores cannot be evaluated.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A matrix has not the size that it should have.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The folder of features cannot be used.
    #[error(transparent)]
    Folder(#[from] ExpertFolderError),
    /// The options cannot be run.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// One of the authors' configurations cannot be used.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A checkpoint of the authors' program cannot be read.
    #[error(transparent)]
    Torch(#[from] TorchError),
    /// Its tensors cannot be used.
    #[error("{}: {source}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A split that is needed was not read.
    #[error("there is no split {what}")]
    NoSplit {
        /// What for.
        what: &'static str,
    },
    /// Distillation from nobody.
    #[error("{split}: distillation needs teachers, and the split has none")]
    NoTeachers {
        /// Where the split comes from.
        split: String,
    },
    /// There is nothing to train on.
    #[error("{split}: {videos} videos to train on: at least 2 are needed")]
    TooFew {
        /// Where the split comes from.
        split: String,
        /// Number of videos.
        videos: usize,
    },
    /// Batches are too small to compare anything.
    #[error("a batch of {got}: at least 2 videos are needed")]
    BatchSize {
        /// The size given.
        got: usize,
    },
}
