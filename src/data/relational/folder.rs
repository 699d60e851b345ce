//! What the data folders of the published JPoSE and MMEN programs have in common.

use std::path::{Path, PathBuf};

use super::dictionary::{self, Layout, Relational, RelationalError, RelationalOptions};
use super::split::{Features, LEVELS, PerLevel, Relations, SplitError};
use crate::data::reader::{FileError, FileProblem, Reader, array_problem};
use crate::data::{FiniteMatrix, Loaded};
use crate::formats::Limits;
use crate::formats::ndarray::{ArrayData, NdArray};
use crate::formats::pickle::Value;
use crate::matrix::{Matrix, MatrixView};
use crate::relevance::{Level, RelevanceError, SparseRelevance};

/// What to read from a data folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderOptions {
    /// EPIC-Kitchens-100: the relational dictionaries with all nouns of an item instead of the first. YouCook2 has no others.
    pub all_noun_classes: bool,
    /// Margins of captions from the action text alone, as published for MMEN.
    pub first_noun_only: bool,
    /// Number of leading video feature columns kept; `None` for all. Narrower features are kept whole, with a warning.
    pub video_width: Option<usize>,
    /// Budgets of each file.
    pub limits: Limits,
}

/// Why a data folder was refused.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file is missing or cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Files do not belong together.
    #[error(transparent)]
    Split(#[from] SplitError),
}

impl From<RelevanceError> for FileProblem {
    fn from(error: RelevanceError) -> Self {
        Self::Content(error.into())
    }
}

impl From<RelationalError> for FileProblem {
    fn from(error: RelationalError) -> Self {
        Self::Content(error.into())
    }
}

pub(in crate::data) type Result<T> = std::result::Result<T, FolderError>;

/// The `data` folder within `folder`, or `folder` itself.
pub(in crate::data) fn data_folder(folder: &Path) -> Result<PathBuf> {
    if !folder.is_dir() {
        return Err(FileError::NoFolder { path: folder.into() }.into());
    }
    let data = folder.join("data");
    Ok(if data.is_dir() { data } else { folder.into() })
}

pub(in crate::data) fn same_size(what: &'static str, left: (&Path, usize), right: (&Path, usize)) -> Result<()> {
    if left.1 == right.1 {
        return Ok(());
    }
    let name = |path: &Path| path.display().to_string();
    let (left, left_size) = (name(left.0), left.1);
    Err(SplitError::Sizes { what, left, left_size, right: name(right.0), right_size: right.1 }.into())
}

/// Features, and the files that videos and captions come from.
pub(in crate::data) struct SourcedFeatures {
    pub features: Features,
    pub video: PathBuf,
    pub text: PathBuf,
}

impl SourcedFeatures {
    /// Checks numbers of videos and captions found in another file.
    pub fn fit(&self, path: &Path, videos: usize, captions: usize) -> Result<()> {
        self.fit_videos(path, videos)?;
        self.fit_captions(path, captions)
    }

    pub fn fit_videos(&self, path: &Path, videos: usize) -> Result<()> {
        same_size("videos", (&self.video, self.features.video.rows()), (path, videos))
    }

    pub fn fit_captions(&self, path: &Path, captions: usize) -> Result<()> {
        same_size("captions", (&self.text, self.features.text.verb.rows()), (path, captions))
    }
}

/// Reads files of a data folder under its options.
pub(in crate::data) struct FolderReader<'o> {
    pub options: &'o FolderOptions,
    pub files: Reader<'o>,
}

impl<'o> FolderReader<'o> {
    pub fn new(options: &'o FolderOptions) -> Self {
        Self { options, files: Reader::new(&options.limits) }
    }

    pub fn loaded<T>(self, split: T) -> Loaded<T> {
        self.files.loaded(split)
    }

    /// Video features: `features` in a dict, `(X, V)`.
    pub fn video(&mut self, path: &Path) -> Result<FiniteMatrix> {
        let field = "[\"features\"]";
        let matrix = self.files.pickle(path, |value| {
            let array = value.as_dict()?.get("features")?;
            array.as_array()?.to_f32_matrix().map_err(|problem| array_problem(field, problem))
        })?;
        let matrix = self.leading_columns(path, matrix);
        finite(path, field, matrix)
    }

    /// Keeps the leading columns that the options ask for.
    pub fn leading_columns(&mut self, path: &Path, matrix: Matrix<f32>) -> Matrix<f32> {
        match self.options.video_width {
            Some(width) if width > matrix.cols() => {
                let (path, columns) = (path.display(), matrix.cols());
                self.files.warnings.push(format!("{path}: {width} columns wanted, all {columns} there are used"));
                matrix
            }
            Some(width) if width < matrix.cols() => {
                let leading = (0..matrix.rows()).flat_map(|row| &matrix.row(row)[..width]).copied().collect();
                Matrix::new(leading, matrix.rows(), width).unwrap_or(matrix)
            }
            _ => matrix,
        }
    }

    /// Text features of every level, `(Y, T)` each.
    pub fn text(&mut self, path: impl Fn(Level) -> PathBuf) -> Result<PerLevel<FiniteMatrix>> {
        let text = PerLevel::try_from_fn(|level| {
            let path = path(level);
            let convert = |value: &Value| {
                value.as_array()?.to_f32_matrix().map_err(|problem| array_problem("text features", problem))
            };
            finite(&path, "text features", self.files.pickle(&path, convert)?)
        })?;
        let verb = path(Level::Verb);
        for level in LEVELS {
            let (other, path) = (text.get(level), path(level));
            same_size("captions", (&verb, text.verb.rows()), (&path, other.rows()))?;
            same_size("width", (&verb, text.verb.cols()), (&path, other.cols()))?;
        }
        Ok(text)
    }

    /// A relevance matrix, `(X, Y)`.
    pub fn relevance(&mut self, path: &Path, features: &SourcedFeatures) -> Result<SparseRelevance> {
        let relevance = self.files.pickle(path, |value| sparse(value.as_array()?))?;
        features.fit(path, relevance.rows(), relevance.cols())?;
        Ok(relevance)
    }

    /// A relational dictionary.
    pub fn relational(
        &mut self,
        path: &Path,
        level: Level,
        layout: Layout,
        features: &SourcedFeatures,
        rng: &mut impl rand::Rng,
    ) -> Result<Relational> {
        let FolderOptions { all_noun_classes, first_noun_only, .. } = *self.options;
        let options = RelationalOptions { level, layout, all_noun_classes, first_noun_only };
        let relational = self.files.pickle(path, |value| Ok(dictionary::read(value, &options, rng)?))?;
        let Relations { video, text, .. } = &relational.relations;
        features.fit(path, video.len(), text.len())?;
        Ok(relational)
    }

    /// Warns where two files list videos in different orders: rows of one are then not rows of the other.
    pub fn compare_videos(&mut self, left: (&Path, &[String]), right: (&Path, &[String])) {
        if let Some(row) = left.1.iter().zip(right.1).position(|(left, right)| left != right) {
            let (a, b) = (&left.1[row], &right.1[row]);
            let (left, right) = (left.0.display(), right.0.display());
            self.files.warnings.push(format!("row {row} is the video {a:?} in {left} and {b:?} in {right}"));
        }
    }
}

/// Refuses features that are empty or not finite.
pub(in crate::data) fn finite(path: &Path, field: &str, matrix: Matrix<f32>) -> Result<FiniteMatrix> {
    if matrix.as_slice().is_empty() {
        let (field, shape) = (field.to_owned(), vec![matrix.rows(), matrix.cols()]);
        return Err(FileError::file(path, FileProblem::Empty { field, shape }).into());
    }
    let failed = |problem| FileError::file(path, FileProblem::NotFinite { field: field.to_owned(), problem });
    Ok(FiniteMatrix::new(matrix).map_err(failed)?)
}

fn sparse(array: &NdArray) -> std::result::Result<SparseRelevance, FileProblem> {
    // Without a copy: the published matrices take 300 MB each.
    if let (&[rows, cols], ArrayData::F64(values)) = (array.shape(), array.data())
        && let Ok(dense) = MatrixView::new(values, rows, cols)
    {
        return Ok(SparseRelevance::from_dense(dense)?);
    }
    let dense = array.to_f64_matrix().map_err(|problem| array_problem("relevance", problem))?;
    Ok(SparseRelevance::from_dense(dense.view())?)
}
