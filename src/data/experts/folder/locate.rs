//! Where features lie within a folder.

use std::path::{Path, PathBuf};

use serde::Deserialize;

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
    /// per aggregate.
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
        let required = |option, value: Option<u32>| value.ok_or_else(|| wrong(option, "a number", "none".into()));
        let (fps, pixels) = (required("fps", self.fps)?, required("pixel_dim", self.pixel_dim)?);
        let stride = required("stride", self.stride)?;
        if self.aggregate_axis > 1 {
            return Err(wrong("aggregate-axis", "0 or 1", self.aggregate_axis.to_string()));
        }
        let mut folder = format!("aggregated_{kind}_{fps}fps_{pixels}px_stride{stride}");
        let optional =
            [("offset", self.offset), ("inner_stride", self.inner_stride), ("num_segments", self.num_segments)];
        for (name, value) in optional {
            folder.extend(value.map(|value| format!("_{name}{value}")));
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

/// Patterns of the files of experts that are not `type.model.n`. The publications name their folders, not always the files.
fn custom_patterns(expert: &str) -> Vec<String> {
    match expert.strip_prefix("antoine-") {
        Some("rgb") => vec!["antoine/*resnet*".into()],
        Some(name) => vec![format!("antoine/*{name}*")],
        None => vec![format!("aggregated_{expert}*/*")],
    }
}

/// The one file of a custom expert, such as `audio`.
pub(super) fn custom(root: &Path, expert: &str) -> Result<PathBuf, FileError> {
    let patterns = custom_patterns(expert);
    let mut found = matches(root, &patterns);
    let what = || format!("features of expert {expert:?}");
    match found.len() {
        0 => {
            let looked_for = patterns.iter().map(|pattern| root.join(pattern)).collect();
            Err(FileError::Missing { what: what(), looked_for })
        }
        1 => Ok(found.remove(0)),
        _ => Err(FileError::Ambiguous { what: what(), found }),
    }
}

/// Files that match one of the patterns and have a known extension, by name.
pub(super) fn matches(root: &Path, patterns: &[String]) -> Vec<PathBuf> {
    let root = glob::Pattern::escape(&root.to_string_lossy());
    let paths = patterns.iter().filter_map(|pattern| glob::glob(&format!("{root}/{pattern}")).ok());
    let known = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_lowercase();
        EXTENSIONS.contains(&extension.as_str()) && path.is_file()
    };
    let mut found: Vec<PathBuf> = paths.flatten().filter_map(Result::ok).filter(known).collect();
    found.sort();
    found.dedup();
    found
}

/// A file under its published name, or with another known extension.
pub(super) fn existing(root: &Path, what: &str, file: &Path) -> Result<PathBuf, FileError> {
    let path = root.join(file);
    let others = EXTENSIONS.map(|extension| path.with_extension(extension));
    let found = std::iter::once(&path).chain(&others).find(|path| path.is_file()).cloned();
    found.ok_or_else(|| FileError::Missing { what: what.into(), looked_for: vec![path.clone()] })
}
