//! YouCook2 with parsed parts of speech: the data folder of the published JPoSE and MMEN programs.
//!
//! Clip names in `public_split_yc2`, one archive of frame features per clip, the rest pickles as for EPIC-Kitchens-100. A video
//! vector is the mean of its frames. See `docs/formats.md`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rand::Rng;

use super::FiniteMatrix;
use super::finite::NotFinite;
use super::reader::{FileError, FileProblem, Loaded, array_problem};
use super::relational::dictionary::Layout;
use super::relational::folder::{FolderReader, Result, SourcedFeatures, data_folder, finite, same_size};
use super::relational::{EvalSplit, Features, FolderError, FolderOptions, PerLevel, TrainSplit, file_name};
use crate::digest;
use crate::formats::ndarray::NdArray;
use crate::formats::npy;
use crate::formats::pickle::AccessError;
use crate::matrix::Matrix;
use crate::relevance::Level;

/// Why a text is not the name of a clip.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClipNameError {
    /// It cannot be the name of a file.
    #[error("item {index}: {name:?} is not the name of a clip")]
    Name {
        /// Position.
        index: usize,
        /// The name.
        name: String,
    },
    /// It occurs twice.
    #[error("item {index}: {name:?} occurs before")]
    Duplicate {
        /// Position of the second.
        index: usize,
        /// The name.
        name: String,
    },
}

impl From<ClipNameError> for FileProblem {
    fn from(error: ClipNameError) -> Self {
        Self::Content(error.into())
    }
}

/// Reads the split to train on. `folder` is the one that contains `data` and `public_split_yc2`. `rng` replaces empty lists of
/// verbs and nouns; see [`super::relational::dictionary::read`].
///
/// # Errors
/// [`FolderError`], naming file, field, and what was expected and found.
pub fn load_train(folder: &Path, options: &FolderOptions, rng: &mut impl Rng) -> Result<Loaded<TrainSplit>> {
    let mut source = Source::new(folder, options)?;
    let (features, names_path, names) = source.features("trn", "train")?;
    let relations = PerLevel::try_from_fn(|level| {
        let name = format!("relational/{}_allnouns_relational_parsed_youcookii_synsets_train.pkl", file_name(level));
        let path = source.data.join(name);
        let relational = source.reader.relational(&path, level, Layout::VerbsAndNouns, &features, rng)?;
        source.reader.compare_videos((&names_path, &names), (&path, &relational.video_ids));
        Ok::<_, FolderError>(relational.relations)
    })?;
    let split = TrainSplit { features: features.features, relations };
    split.check()?;
    Ok(source.reader.loaded(split))
}

/// Reads the validation split, the only one to evaluate on. It has no ground truth.
///
/// # Errors
/// [`FolderError`], naming file, field, and what was expected and found.
pub fn load_eval(folder: &Path, options: &FolderOptions) -> Result<Loaded<EvalSplit>> {
    let mut source = Source::new(folder, options)?;
    let (features, ..) = source.features("val", "val")?;
    let relevance = PerLevel::try_from_fn(|level| {
        let name = format!("relevancy/{}_prova_relevancy_parsed_youcookii_synsets_val.pkl", file_name(level));
        source.reader.relevance(&source.data.join(name), &features)
    })?;
    let split = EvalSplit { features: features.features, relevance, ground_truth: None };
    split.check()?;
    Ok(source.reader.loaded(split))
}

struct Source<'o> {
    folder: PathBuf,
    data: PathBuf,
    reader: FolderReader<'o>,
}

impl<'o> Source<'o> {
    fn new(folder: &Path, options: &'o FolderOptions) -> Result<Self> {
        Ok(Self { folder: folder.into(), data: data_folder(folder)?, reader: FolderReader::new(options) })
    }

    /// Features, and the clip names with the file they come from.
    fn features(&mut self, names: &str, split: &str) -> Result<(SourcedFeatures, PathBuf, Vec<String>)> {
        let (names_path, names) = self.names(names)?;
        let folder = self.data.join("video_features/YC2_Resnet_feats");
        let video = self.video(&folder, &names)?;
        let texts = self.data.join("text_features");
        let text = |level| texts.join(format!("{}_features_parsed_youcookii_synsets_{split}.pkl", file_name(level)));
        let features = Features { video, text: self.reader.text(text)? };
        Ok((SourcedFeatures { features, video: names_path.clone(), text: text(Level::Verb) }, names_path, names))
    }

    fn names(&mut self, split: &str) -> Result<(PathBuf, Vec<String>)> {
        let name = format!("public_split_yc2/{split}_names.npy");
        // The folder lies beside `data`, which may be what was given.
        let paths = [self.folder.join(&name), self.data.join(&name), self.data.join("..").join(&name)];
        let Some(path) = paths.iter().find(|path| path.is_file()) else {
            return Err(FileError::Missing { what: "the list of clip names".into(), looked_for: paths.into() }.into());
        };
        let array = self.reader.files.npy(path)?;
        let failed = |problem: FileProblem| FolderError::from(FileError::file(path, problem));
        let names = array.to_strings().map_err(|problem| failed(array_problem("clip names", problem)))?;
        let mut seen = HashSet::new();
        for (index, name) in names.iter().enumerate() {
            // A name is a file name: no way out of the folder.
            if name.is_empty() || name.contains(['/', '\\', '\0']) || name == ".." {
                return Err(failed(ClipNameError::Name { index, name: name.clone() }.into()));
            }
            if !seen.insert(name) {
                return Err(failed(ClipNameError::Duplicate { index, name: name.clone() }.into()));
            }
        }
        if names.is_empty() {
            return Err(failed(FileProblem::Empty { field: "clip names".into(), shape: array.shape().to_vec() }));
        }
        Ok((path.clone(), names))
    }

    /// One row per clip. The list of files gets one entry for all clips, the digest of their digests.
    fn video(&mut self, folder: &Path, names: &[String]) -> Result<FiniteMatrix> {
        let (mut values, mut width, mut digests) = (vec![], 0, String::new());
        let mut first = PathBuf::new();
        for (index, name) in names.iter().enumerate() {
            let path = folder.join(format!("{name}.npz"));
            let bytes = self.reader.files.contents(&path)?;
            digests.push_str(&format!("{}  {name}.npz\n", digest::sha256(&bytes)));
            let row = self.clip(&bytes).map_err(|problem| FileError::file(&path, problem))?;
            if index == 0 {
                (width, first) = (row.len(), path.clone());
            }
            same_size("width", (&first, width), (&path, row.len()))?;
            values.extend(row);
        }
        self.reader.files.files.push((folder.into(), digest::sha256(digests.as_bytes())));
        let matrix = Matrix::new(values, names.len(), width);
        let empty = |_| FileProblem::Empty { field: "clips".into(), shape: vec![names.len(), width] };
        let matrix = matrix.map_err(empty).map_err(|problem| FileError::file(folder, problem))?;
        let matrix = self.reader.leading_columns(folder, matrix);
        finite(folder, "clip features", matrix)
    }

    /// The mean of the rows of `features`, `(n, V)`.
    fn clip(&self, bytes: &[u8]) -> std::result::Result<Vec<f32>, FileProblem> {
        let arrays = npy::npz_from_slice(bytes, &self.reader.options.limits)?;
        let names = || arrays.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        let array = arrays.iter().find(|(name, _)| name == "features").map(|(_, array)| array);
        let missing = || AccessError {
            path: String::new(),
            expected: "array \"features\"".into(),
            found: format!("{} arrays: {}", arrays.len(), names()),
        };
        let array: &NdArray = array.ok_or_else(missing)?;
        let frames = array.to_f64_matrix().map_err(|problem| array_problem("features", problem))?;
        if frames.as_slice().is_empty() {
            return Err(FileProblem::Empty { field: "features".into(), shape: array.shape().to_vec() });
        }
        if let Some(at) = frames.as_slice().iter().position(|value| !value.is_finite()) {
            let (row, column, value) = (at / frames.cols(), at % frames.cols(), frames.as_slice()[at] as f32);
            return Err(FileProblem::NotFinite { field: "features".into(), problem: NotFinite { row, column, value } });
        }
        let mut mean = vec![0.0; frames.cols()];
        for row in 0..frames.rows() {
            mean.iter_mut().zip(frames.row(row)).for_each(|(sum, value)| *sum += value);
        }
        Ok(mean.into_iter().map(|sum: f64| (sum / frames.rows() as f64) as f32).collect())
    }
}
