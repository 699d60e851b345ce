//! Where features lie within a folder.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::dataset::{Dataset, DatasetSplit, Encoders};
use super::{ExpertFolderOptions, ExpertSource, FeatureFiles, Subsets};
use crate::data::FileError;
use crate::data::experts::ExpertsError;
use crate::formats::tree::EXTENSIONS;

/// How visual features were extracted and aggregated: an entry of `feat_aggregation` in a published configuration. The folder and the names
/// of the files follow from it. Fields that do not bear on them are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FeatAggregation {
    /// Frames per second.
    pub fps: Option<u32>,
    /// Shorter side of a frame.
    pub pixel_dim: Option<u32>,
    /// Frames from one window to the next.
    pub stride: Option<u32>,
    /// First frame.
    pub offset: Option<u32>,
    /// Frames from one of a window to the next.
    pub inner_stride: Option<u32>,
    /// Segments per video.
    pub num_segments: Option<u32>,
    /// `vlad` for a sequence, or aggregates over time joined by `-`, one file each: `avg`, `max`, `ent`, `std`.
    pub temporal: String,
    /// The axis on which files are joined: 1, the columns (the only one published), or 0, the rows of a sequence.
    #[serde(rename = "aggregate-axis", default = "columns")]
    pub aggregate_axis: u8,
    /// `logits` for the outputs of the classifier, else `embed`.
    #[serde(rename = "type", default)]
    pub kind: FeatType,
    /// Widths of one aggregate.
    pub feat_dims: Option<FeatDims>,
    /// Whether the expert is missing for some videos.
    #[serde(default)]
    pub flaky: bool,
    /// Whether the features are replaced by ones.
    #[serde(default)]
    pub binarise: bool,
}

fn columns() -> u8 {
    1
}

/// Which layer features come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeatType {
    /// The last hidden layer.
    #[default]
    Embed,
    /// The outputs of the classifier.
    Logits,
}

/// Widths of features by layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct FeatDims {
    /// Of the last hidden layer.
    pub embed: Option<usize>,
    /// Of the classifier.
    pub logits: Option<usize>,
}

impl FeatAggregation {
    /// Width of the features, all aggregates together, where the configuration states it.
    pub fn width(&self) -> Option<usize> {
        let dims = self.feat_dims?;
        let one = if self.kind == FeatType::Logits { dims.logits } else { dims.embed };
        let aggregates = if self.aggregate_axis == 1 { self.temporal.split('-').count() } else { 1 };
        one?.checked_mul(aggregates)
    }

    /// Whether the features are a sequence.
    pub fn is_sequence(&self) -> bool {
        self.temporal == "vlad"
    }

    /// Files of a visual expert, `type.model.n`, relative to the folder of features:
    /// `aggregated_<type>_<fps>fps_<px>px_stride<s>[_offset<o>][_inner_stride<i>][_num_segments<n>]/<model>-<aggregate>[-logits].pickle`, one
    /// per aggregate; `-` in the type is `_`, and for the types `ocr`, `speech` and `audio` the folder is `aggregated_<type>`. `n` is of no account.
    ///
    /// # Errors
    /// [`ExpertsError::Option`] when the name has not three parts, a field is missing, or an aggregate is not known.
    pub fn files(&self, expert: &str) -> Result<Vec<PathBuf>, ExpertsError> {
        let wrong = |option, expected: &str, value: String| {
            let expected = format!("{expected} for expert {expert:?}");
            ExpertsError::Option { option, expected, value }
        };
        // The model may have dots of its own.
        let parts = expert.split_once('.').and_then(|(kind, rest)| Some((kind, rest.rsplit_once('.')?.0)));
        let (kind, model) = parts.ok_or_else(|| wrong("modalities", "type.model.n", format!("{expert:?}")))?;
        if self.aggregate_axis > 1 {
            return Err(wrong("aggregate-axis", "0 or 1", self.aggregate_axis.to_string()));
        }
        let mut folder = format!("aggregated_{}", kind.replace('-', "_"));
        if !matches!(kind, "ocr" | "speech" | "audio") {
            let required = |option, value: Option<u32>| value.ok_or_else(|| wrong(option, "a number", "none".into()));
            let (fps, pixels) = (required("fps", self.fps)?, required("pixel_dim", self.pixel_dim)?);
            folder += &format!("_{fps}fps_{pixels}px_stride{}", required("stride", self.stride)?);
            let optional =
                [("offset", self.offset), ("inner_stride", self.inner_stride), ("num_segments", self.num_segments)];
            for (name, value) in optional {
                folder.extend(value.map(|value| format!("_{name}{value}")));
            }
        }
        let logits = if self.kind == FeatType::Logits { "-logits" } else { "" };
        let file = |aggregate: &str| match aggregate {
            "avg" | "max" | "ent" | "std" => Ok(Path::new(&folder).join(format!("{model}-{aggregate}{logits}.pickle"))),
            "vlad" if self.is_sequence() => Ok(Path::new(&folder).join(format!("{model}-vlad{logits}.pickle"))),
            _ => {
                let expected = "vlad, or any of avg, max, ent, std joined by -,";
                Err(wrong("temporal", expected, format!("{:?}", self.temporal)))
            }
        };
        self.temporal.split('-').map(file).collect()
    }
}

/// Every file of a run, under the name and in the folder where the published loader looks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpertFiles {
    /// List of the videos to train on, where training is asked for.
    pub train_list: Option<PathBuf>,
    /// List of the videos to evaluate on, where evaluation is asked for.
    pub eval_list: Option<PathBuf>,
    /// Caption masks, for training.
    pub caption_masks: Option<PathBuf>,
    /// Embeddings of teachers, for training.
    pub teachers: Vec<PathBuf>,
    /// The files of every expert, in the order of their names.
    pub experts: Vec<Vec<PathBuf>>,
    /// Text features; a later file counts where several have a video.
    pub text: Vec<PathBuf>,
    /// Other names of videos in the text features.
    pub names: Option<PathBuf>,
    /// The captions as text.
    pub sentences: PathBuf,
    /// Which caption of each video is evaluated.
    pub caption_index: Option<PathBuf>,
}

impl ExpertFiles {
    /// The files that options ask for; whether they are there is another question. `root` is the folder of features.
    ///
    /// # Errors
    /// [`ExpertsError::Option`] for a split that the data set does not have, and for an expert or encoder without a published place.
    pub fn new(root: &Path, dataset: &Dataset, options: &ExpertFolderOptions) -> Result<Self, ExpertsError> {
        let split = dataset.split(&options.split)?;
        let (training, evaluation) = (options.subsets != Subsets::Eval, options.subsets != Subsets::Train);
        // The features of the test videos of the challenge are in its first release, all else is in the second.
        let test_root = match &options.challenge {
            Some(challenge) if split.name == "public_server_test" => beside(root, &challenge.test_root),
            _ => root.to_path_buf(),
        };
        let training_file = options.training_file.as_deref().filter(|_| split.training_file);
        let train_list = root.join(training_file.unwrap_or(Path::new(split.train)));
        let eval_list = match &options.evaluation_file {
            Some(list) => root.join(list),
            None => test_root.join(split.eval),
        };
        let experts = options.sorted_experts().into_iter().map(|source| features(root, dataset, split, source));
        let with_names = options.text_encoder == "openai" && options.challenge.is_none();
        let of_training = |path: &PathBuf| root.join(path);
        let teacher = |path: &PathBuf| if dataset.teachers_in_folder { root.join(path) } else { path.clone() };
        Ok(Self {
            train_list: training.then_some(train_list),
            eval_list: evaluation.then_some(eval_list),
            caption_masks: options.caption_masks.as_ref().filter(|_| training).map(of_training),
            teachers: options.teachers.iter().filter(|_| training).map(teacher).collect(),
            experts: experts.collect::<Result<_, _>>()?,
            text: text(&test_root, dataset, split, options),
            names: dataset.names.filter(|_| with_names).map(|file| root.join(file)),
            sentences: test_root.join(dataset.raw_captions),
            caption_index: split.caption_index.filter(|_| evaluation).map(|file| root.join(file)),
        })
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        let Self { train_list, eval_list, caption_masks, names, caption_index, .. } = self;
        let single = [train_list, eval_list, caption_masks, names, caption_index].into_iter().flatten();
        let several = self.teachers.iter().chain(self.experts.iter().flatten()).chain(&self.text);
        single.chain(several).chain([&self.sentences]).map(PathBuf::as_path)
    }
}

/// A folder with the same parent.
fn beside(root: &Path, name: &Path) -> PathBuf {
    let whole = std::path::absolute(root).unwrap_or_else(|_| root.into());
    whole.parent().map_or_else(|| root.join(name), |parent| parent.join(name))
}

/// The files of an expert: those that are named, else the one of the split, else that of the data set, else by the rule of visual features.
fn features(
    root: &Path,
    dataset: &Dataset,
    split: &DatasetSplit,
    source: &ExpertSource,
) -> Result<Vec<PathBuf>, ExpertsError> {
    let custom = split.custom.iter().chain(dataset.custom).find(|(name, _)| *name == source.name);
    let files = match (&source.files, custom) {
        (FeatureFiles::Named(files), _) if !files.is_empty() => files.clone(),
        (FeatureFiles::Published(_), Some((_, file))) => vec![PathBuf::from(file)],
        (FeatureFiles::Published(Some(aggregation)), None) => aggregation.files(&source.name)?,
        _ => {
            let (name, dataset) = (&source.name, dataset.name);
            let expected = if name.contains('.') {
                format!("how the frames of expert {name:?} were sampled, or its files,")
            } else {
                format!("files for expert {name:?}, which has no published place in {dataset},")
            };
            return Err(ExpertsError::Option { option: "files", expected, value: "none".into() });
        }
    };
    Ok(files.iter().map(|file| root.join(file)).collect())
}

fn text(root: &Path, dataset: &Dataset, split: &DatasetSplit, options: &ExpertFolderOptions) -> Vec<PathBuf> {
    let encoder = options.text_encoder.as_str();
    let files = match &options.challenge {
        _ if !options.text_files.is_empty() => return options.text_files.iter().map(|file| root.join(file)).collect(),
        Some(_) => {
            let pickle = match dataset.challenge_pickles {
                Encoders::None => false,
                Encoders::Openai => encoder == "openai",
                Encoders::All => true,
            };
            vec![format!("{encoder}.{}", if pickle { "pickle" } else { "pkl" })]
        }
        None if encoder == "openai" => dataset.openai.iter().copied().chain(split.openai).map(String::from).collect(),
        None => vec![format!("{encoder}.pkl")],
    };
    files.iter().map(|file| root.join(dataset.text_folder).join(file)).collect()
}

/// A file under its published name, or with another known extension.
pub(super) fn existing(what: &str, path: &Path) -> Result<PathBuf, FileError> {
    let others = EXTENSIONS.map(|extension| path.with_extension(extension));
    let found = std::iter::once(path).chain(others.iter().map(PathBuf::as_path)).find(|path| path.is_file());
    let missing = || FileError::Missing { what: what.into(), looked_for: vec![path.into()] };
    found.map(Path::to_path_buf).ok_or_else(missing)
}
