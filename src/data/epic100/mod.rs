//! EPIC-Kitchens-100 multi-instance retrieval: the data folder of the published JPoSE and MMEN programs, annotation files,
//! challenge submissions.
//!
//! Below `data`: `video_features`, `text_features`, `relational`, `relevancy`, `dataframes`, all pickles. Where a relational
//! dictionary or a relevance matrix is absent, it is computed from the annotation files if those are there. See
//! `docs/formats.md`.

pub mod annotations;
mod submission;

use std::path::{Path, PathBuf};

use rand::Rng;

pub use self::submission::{SubmissionError, submission};
use annotations::{AnnotationError, Annotations};

use super::reader::{FileError, Loaded};
use super::relational::dictionary::Layout;
use super::relational::folder::{FolderReader, SourcedFeatures, data_folder};
use super::relational::{EvalSplit, Features, FolderError, FolderOptions, PerLevel, SplitError, TrainSplit, file_name};
use crate::formats::pickle::{AccessError, At, Value};
use crate::relevance::{EmptyUnion, Level, sparse_relevance};

/// Why a data folder of EPIC-Kitchens-100 was refused.
#[derive(Debug, thiserror::Error)]
pub enum Epic100Error {
    /// A file is missing or cannot be used, or files do not belong together.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// An annotation file cannot be used.
    #[error(transparent)]
    Annotation(Box<AnnotationError>),
}

impl From<AnnotationError> for Epic100Error {
    fn from(error: AnnotationError) -> Self {
        Self::Annotation(Box::new(error))
    }
}

impl From<FileError> for Epic100Error {
    fn from(error: FileError) -> Self {
        Self::Folder(error.into())
    }
}

impl From<SplitError> for Epic100Error {
    fn from(error: SplitError) -> Self {
        Self::Folder(error.into())
    }
}

type Result<T> = std::result::Result<T, Epic100Error>;

/// A split to evaluate on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvalSplitName {
    /// Evaluated after every epoch. Without annotation files of its own it is described by those of the test split, which it
    /// was in the published experiments.
    Validation,
    /// Evaluated once, with ground truth for recalls where `i2t_gts.pkl` is there.
    Test,
}

impl EvalSplitName {
    /// Names of the split in annotation files; the first is that in feature files.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Validation => &["validation", "test"],
            Self::Test => &["test"],
        }
    }
}

/// Names of the videos and captions of a split, in order of rows and columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NarrationIds {
    /// One per video.
    pub videos: Vec<String>,
    /// One per caption.
    pub captions: Vec<String>,
}

/// Reads the split to train on. `folder` is the one that contains `data`, or `data` itself. The relevance of training pairs
/// is not read: nothing uses it.
///
/// # Errors
/// [`Epic100Error`], naming file, field, and what was expected and found.
pub fn load_train(folder: &Path, options: &FolderOptions, rng: &mut impl Rng) -> Result<Loaded<TrainSplit>> {
    let mut source = Source::new(folder, options, &["train"])?;
    let features = source.features()?;
    let mut first: Option<(PathBuf, Vec<String>)> = None;
    let relations = PerLevel::try_from_fn(|level| {
        let paths = source.relational_paths(level);
        let Some(path) = existing(&paths) else {
            let what = format!("the {} relational dictionary", file_name(level));
            let FolderOptions { all_noun_classes, first_noun_only, .. } = *options;
            let Annotated { annotations, captions, .. } = source.annotated(&what, &paths, &features)?;
            return Ok(annotations.relations(captions, level, all_noun_classes, first_noun_only));
        };
        let relational = source.reader.relational(path, level, Layout::Nouns, &features, rng)?;
        match &first {
            Some((first, ids)) => source.reader.compare_videos((first, ids), (path, &relational.video_ids)),
            None => first = Some((path.clone(), relational.video_ids)),
        }
        Ok::<_, Epic100Error>(relational.relations)
    })?;
    let split = TrainSplit { features: features.features, relations };
    split.check()?;
    Ok(source.reader.loaded(split))
}

/// Reads a split to evaluate on. `folder` is the one that contains `data`, or `data` itself.
///
/// # Errors
/// [`Epic100Error`], naming file, field, and what was expected and found.
pub fn load_eval(folder: &Path, split: EvalSplitName, options: &FolderOptions) -> Result<Loaded<EvalSplit>> {
    let mut source = Source::new(folder, options, split.names())?;
    let features = source.features()?;
    let relevance = PerLevel::try_from_fn(|level| {
        let paths = source.relevance_paths(level);
        if let Some(path) = existing(&paths) {
            return Ok(source.reader.relevance(path, &features)?);
        }
        let what = format!("the {} relevance matrix", file_name(level));
        let Annotated { path, annotations, captions } = source.annotated(&what, &paths, &features)?;
        let videos = annotations.classes();
        let captions: Vec<_> = captions.iter().map(|row| videos[*row].clone()).collect();
        let relevance = sparse_relevance(&videos, &captions, level, EmptyUnion::Zero);
        Ok::<_, Epic100Error>(relevance.map_err(|problem| FileError::file(path, problem))?)
    })?;
    let path = source.data.join("relevancy/i2t_gts.pkl");
    let ground_truth = if split == EvalSplitName::Test && path.is_file() {
        let captions = features.features.text.verb.rows();
        let truth = source.reader.files.pickle(&path, |value| Ok(ground_truth(value, captions)?))?;
        features.fit(&path, truth.len(), captions)?;
        Some(truth)
    } else {
        None
    };
    let split = EvalSplit { features: features.features, relevance, ground_truth };
    split.check()?;
    Ok(source.reader.loaded(split))
}

/// Reads the names that a submission needs from the annotation files, or from data frames of which only the index is used.
///
/// # Errors
/// [`Epic100Error`], naming file, line and column.
pub fn load_ids(folder: &Path, split: EvalSplitName, options: &FolderOptions) -> Result<Loaded<NarrationIds>> {
    let mut source = Source::new(folder, options, split.names())?;
    let Some([videos, captions]) = source.annotation_files() else {
        return Err(
            FileError::Missing { what: "annotation files".into(), looked_for: source.annotation_paths() }.into()
        );
    };
    let mut ids = |path: &Path| {
        let bytes = source.reader.files.bytes(path)?;
        Ok::<_, Epic100Error>(annotations::ids_from_bytes(path, &bytes, &options.limits)?)
    };
    let ids = NarrationIds { videos: ids(&videos)?, captions: ids(&captions)? };
    Ok(source.reader.loaded(ids))
}

/// For every video the rows of its captions.
fn ground_truth(value: &Value, captions: usize) -> std::result::Result<Vec<Vec<usize>>, AccessError> {
    let videos = value.as_list()?;
    let row = |item: At| {
        let row = item.as_i64()?;
        let wrong = || {
            let expected = format!("a row below {captions}, the number of captions,");
            AccessError { path: item.path(), expected, found: row.to_string() }
        };
        usize::try_from(row).ok().filter(|row| *row < captions).ok_or_else(wrong)
    };
    videos.iter().map(|rows| rows.as_list()?.iter().map(row).collect()).collect()
}

/// The first of some files that is there.
fn existing(paths: &[PathBuf]) -> Option<&PathBuf> {
    paths.iter().find(|path| path.is_file())
}

/// The annotations of a split, and the segments of its captions.
struct Annotated {
    path: PathBuf,
    annotations: Annotations,
    captions: Vec<usize>,
}

/// A folder and one of its splits.
struct Source<'o> {
    folder: PathBuf,
    data: PathBuf,
    names: &'static [&'static str],
    reader: FolderReader<'o>,
    annotated: Option<Annotated>,
}

impl<'o> Source<'o> {
    fn new(folder: &Path, options: &'o FolderOptions, names: &'static [&'static str]) -> Result<Self> {
        let data = data_folder(folder)?;
        Ok(Self { folder: folder.into(), data, names, reader: FolderReader::new(options), annotated: None })
    }

    fn features(&mut self) -> Result<SourcedFeatures> {
        let split = self.names[0];
        let video = self.data.join(format!("video_features/EPIC_100_retrieval_{split}_features_mean.pkl"));
        let folder = self.data.join("text_features");
        let text = |level| folder.join(format!("EPIC_100_retrieval_{}_text_features_{split}.pkl", file_name(level)));
        let features = Features { video: self.reader.video(&video)?, text: self.reader.text(text)? };
        Ok(SourcedFeatures { features, video, text: text(Level::Verb) })
    }

    /// The name that the training programs read, and that which the script writes.
    fn relational_paths(&self, level: Level) -> Vec<PathBuf> {
        let folder = self.data.join("relational");
        let (name, split) = (file_name(level), self.names[0]);
        // Verbs have no file of their own for all nouns.
        if self.reader.options.all_noun_classes && level != Level::Verb {
            return vec![folder.join(format!("{name}_allnouns_relational_EPIC_100_retrieval_{split}.pkl"))];
        }
        vec![
            folder.join(format!("EPIC_100_retrieval_{name}_relational_dict_{split}.pkl")),
            folder.join(format!("{name}_relational_EPIC_100_retrieval_{split}.pkl")),
        ]
    }

    /// The name that the programs read, and that which the script writes.
    fn relevance_paths(&self, level: Level) -> Vec<PathBuf> {
        let (name, split) = (file_name(level), self.names[0]);
        let file = |infix: &str| format!("relevancy/{name}{infix}_relevancy_EPIC_100_retrieval_{split}.pkl");
        vec![self.data.join(file("")), self.data.join(file("_prova"))]
    }

    /// Files of segments and of captions under one name of the split.
    fn annotation_files(&self) -> Option<[PathBuf; 2]> {
        self.names.iter().find_map(|split| {
            let find = |suffix: &str| {
                let names = ["csv", "pkl"].map(|kind| format!("EPIC_100_retrieval_{split}{suffix}.{kind}"));
                let paths = self.annotation_folders().into_iter();
                paths.flat_map(|folder| names.clone().map(|name| folder.join(name))).find(|path| path.is_file())
            };
            Some([find("")?, find("_sentence")?])
        })
    }

    fn annotation_folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.folder.clone(), self.data.clone()];
        folders.push(self.data.join("dataframes"));
        folders.extend([&self.folder, &self.data].map(|folder| folder.join("retrieval_annotations")));
        folders
    }

    /// For errors: the usual names alone.
    fn annotation_paths(&self) -> Vec<PathBuf> {
        let (folder, split) = (self.data.join("dataframes"), self.names[self.names.len() - 1]);
        ["", "_sentence"].map(|suffix| folder.join(format!("EPIC_100_retrieval_{split}{suffix}.csv"))).into()
    }

    /// The annotations, read once. `what` is to be computed from them because none of `paths` is there.
    fn annotated(&mut self, what: &str, paths: &[PathBuf], features: &SourcedFeatures) -> Result<&Annotated> {
        let annotated = match self.annotated.take() {
            Some(annotated) => annotated,
            None => {
                let Some([path, captions_path]) = self.annotation_files() else {
                    let what = format!("{what}, or annotation files to compute it from,");
                    let looked_for = [paths, &self.annotation_paths()].concat();
                    return Err(FileError::Missing { what, looked_for }.into());
                };
                let limits = &self.reader.options.limits;
                let annotations = Annotations::from_bytes(&path, &self.reader.files.bytes(&path)?, limits)?;
                let captions = self.reader.files.bytes(&captions_path)?;
                let captions = annotations.captions_from_bytes(&captions_path, &captions, limits)?;
                features.fit_videos(&path, annotations.rows.len())?;
                features.fit_captions(&captions_path, captions.len())?;
                Annotated { path, annotations, captions }
            }
        };
        Ok(self.annotated.insert(annotated))
    }
}
