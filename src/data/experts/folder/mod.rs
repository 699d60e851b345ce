//! The authors' unpacked archives (`data/<dataset>/structured-symlinks` and its like): folders of pickles, `.npy`, HDF5 ("hickle"), JSON and
//! MessagePack.
//!
//! What is published about the layout stands in [`Dataset`] and [`FeatAggregation`]; [`ExpertFiles`] says which files a run opens, and
//! [`ExpertFolderOptions`] can name any other.

mod dataset;
mod error;
mod locate;
mod source;
mod text;
mod values;

use std::path::{Path, PathBuf};

pub use dataset::{CustomExpert, DATASETS, Dataset, DatasetSplit, Encoders, TestCaptions, text_width};
pub use error::ExpertFolderError;
pub use locate::{ExpertFiles, FeatAggregation, FeatDims, FeatType};
use source::Source;

use super::split::{ExpertSplit, FeatureKind};
use crate::data::{FileError, Loaded};
use crate::formats::Limits;

/// One expert to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpertSource {
    /// Its name: `type.model.n` for visual features, or a custom expert such as `audio`, `antoine-rgb`.
    pub name: String,
    /// Where its features are.
    pub files: FeatureFiles,
    /// One vector or a sequence.
    pub kind: FeatureKind,
    /// Whether a video that the file does not name is without the expert. Of other experts, every video must be named.
    pub flaky: bool,
    /// Width, where it is known.
    pub width: Option<usize>,
}

/// Where the features of an expert are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeatureFiles {
    /// Where the published loader of the data set looks for them. How visual features were aggregated says it, where the data set has no
    /// file of that name.
    Published(Option<FeatAggregation>),
    /// These files, relative to the folder of features; several are joined by columns.
    Named(Vec<PathBuf>),
}

/// Which lists are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Subsets {
    /// Training and evaluation.
    #[default]
    Both,
    /// Training only.
    Train,
    /// Evaluation only.
    Eval,
}

/// The challenge on video retrieval (CVPR 2020).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Folder beside that of the features with list, text and captions of the split `public_server_test` (`challenge_test_root_feat_folder`).
    pub test_root: PathBuf,
}

/// What to read. Paths are relative to the folder of features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpertFolderOptions {
    /// Name of the split, such as `full-test`.
    pub split: String,
    /// Which of its lists.
    pub subsets: Subsets,
    /// The experts, in any order: they are put in order of their names, as published.
    pub experts: Vec<ExpertSource>,
    /// Text encoder, such as `openai` or `gpt2-xl-finetune`.
    pub text_encoder: String,
    /// Text features, in place of the published names; a video is looked for in each in turn.
    pub text_files: Vec<PathBuf>,
    /// Whether captions are needed as text, and what is wrong with them is an error; else it is a warning, for they are shown only.
    pub needs_sentences: bool,
    /// Whether the captions of a video become one.
    pub fuse_captions: bool,
    /// Captions kept of each training video; all without it. As published, the loader of MSRVTT alone obeys, and not in the challenge.
    pub restrict_train_captions: Option<usize>,
    /// The captions of every data set are restricted.
    pub restrict_every_dataset: bool,
    /// The challenge has its own names of text features.
    pub challenge: Option<Challenge>,
    /// List of training videos, in place of the published one, where the published loader takes one ([`DatasetSplit::training_file`]).
    pub training_file: Option<PathBuf>,
    /// List of the videos to evaluate on, in place of the published one.
    pub evaluation_file: Option<PathBuf>,
    /// Captions to draw from in training: a dict from videos to 0 or 1 per caption.
    pub caption_masks: Option<PathBuf>,
    /// Embeddings of teachers, for training.
    pub teachers: Vec<PathBuf>,
    /// Budgets of each file.
    pub limits: Limits,
}

impl Default for ExpertFolderOptions {
    /// The published text features of MSRVTT take more than 8 GiB with the wider encoders: the budgets are 64 GiB here.
    fn default() -> Self {
        Self {
            split: String::new(),
            subsets: Subsets::Both,
            experts: vec![],
            text_encoder: "openai".into(),
            text_files: vec![],
            needs_sentences: false,
            fuse_captions: false,
            restrict_train_captions: None,
            restrict_every_dataset: false,
            challenge: None,
            training_file: None,
            evaluation_file: None,
            caption_masks: None,
            teachers: vec![],
            limits: Limits { input_bytes: 64 << 30, bytes: 64 << 30, ..Limits::default() },
        }
    }
}

impl ExpertFolderOptions {
    /// The experts in the order of their names.
    fn sorted_experts(&self) -> Vec<&ExpertSource> {
        let mut experts: Vec<&ExpertSource> = self.experts.iter().collect();
        experts.sort_by(|a, b| a.name.cmp(&b.name));
        experts
    }
}

/// The splits that were asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpertSplits {
    /// To train on.
    pub train: Option<ExpertSplit>,
    /// To evaluate on.
    pub eval: Option<ExpertSplit>,
}

/// Reads a split of a data set. `root` is the folder of features, `data_dir/root_feat_folder` of a published configuration. Every file is
/// read once, whole; the splits have been checked.
///
/// # Errors
/// [`ExpertFolderError`], naming file, video, and what was expected and found.
pub fn load(
    root: &Path,
    dataset: &Dataset,
    options: &ExpertFolderOptions,
) -> Result<Loaded<ExpertSplits>, ExpertFolderError> {
    if !root.is_dir() {
        return Err(FileError::NoFolder { path: root.into() }.into());
    }
    let split = dataset.split(&options.split)?;
    let files = ExpertFiles::new(root, dataset, options)?;
    let mut source = Source::new(dataset, options, &files);
    source.warn_of_what_has_no_effect(split);
    let mut splits = vec![];
    if let Some(list) = &files.train_list {
        let other = options.training_file.is_some() && split.training_file;
        splits.push(source.list(list, if other { 0 } else { split.videos.0 })?);
    }
    if let Some(list) = &files.eval_list {
        splits.push(source.list(list, if options.evaluation_file.is_some() { 0 } else { split.videos.1 })?);
    }
    source.experts(&mut splits)?;
    source.captions(&mut splits)?;
    let mut splits = splits.into_iter();
    let mut train = if options.subsets == Subsets::Eval { None } else { splits.next() };
    let mut eval = splits.next();
    if let Some(train) = &mut train {
        source.finish_training(train)?;
    }
    if let Some(eval) = &mut eval {
        source.finish_evaluation(eval)?;
    }
    Ok(source.reader.loaded(ExpertSplits { train, eval }))
}
