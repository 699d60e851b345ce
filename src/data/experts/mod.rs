//! Videos as sets of pre-extracted "expert" features, captions as sequences of word vectors: the data of Collaborative Experts, MoEE and
//! TeachText.
//!
//! [`ExpertSplit`] is one split in memory, [`Batcher`] makes batches of it. No tensors here: values and shapes. [`folder`] reads the published
//! folders of features, [`load_checkpoint`] published models.

mod archives;
mod batch;
mod check;
mod checkpoint;
#[cfg(feature = "download")]
mod download;
mod error;
mod fetch;
pub mod folder;
mod labels;
mod ragged;
mod split;
mod submission;
#[cfg(feature = "download")]
mod unpack;

pub use archives::{FeatureArchive, FeatureArchiveError, MemberProblem, Release, verify};
pub use batch::{
    AvailabilityRule, BatchOptions, Batcher, EvalSet, ExpertBatch, MissingRows, TeacherBatch, TextBatch, TrainBatch,
};
pub use checkpoint::{ExpertCheckpoint, Skipped, load_checkpoint};
#[cfg(feature = "download")]
pub use download::download;
pub use error::ExpertsError;
pub use fetch::{DownloadLimits, Fetch, FetchLimits, FetchProgress, Fetched, UnpackLimits, Unpacked};
pub use labels::Labels;
pub use ragged::Ragged;
pub use split::{CaptionMasks, Captions, Expert, ExpertSplit, FeatureKind, Teacher, TeacherExpert};
pub use submission::{ChallengePhase, Submission, SubmissionError, Submitted};
