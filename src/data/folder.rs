//! What the readers of data folders share: options, errors, and a list of every file that was read.

use std::error::Error;
use std::path::{Path, PathBuf};

use super::epic100::annotations::AnnotationError;
use super::experts::ExpertsError;
use super::limits::{self, LimitError, Limits};
use super::ndarray::{ArrayData, ArrayError, NdArray};
use super::npy::NpyError;
use super::pickle::{self, AccessError, PickleError, Value};
use super::relational::{self, Layout, Relational, RelationalError, RelationalOptions};
use super::retrieval::{Features, LEVELS, PerLevel, Relations, SplitError};
use super::{digest, npy};
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

/// Something read from a folder, and what it was read from.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// What was read.
    pub split: T,
    /// The files, in order of reading, with their SHA-256 digests in hexadecimal.
    pub files: Vec<(PathBuf, String)>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Why a data folder was refused.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder does not exist, or is a file.
    #[error("{}: not a folder", path.display())]
    NoFolder {
        /// The path given.
        path: PathBuf,
    },
    /// A file is not there under any of its names.
    #[error("{what} not found; looked for {}", list(looked_for))]
    Missing {
        /// What the file holds.
        what: String,
        /// Its possible paths.
        looked_for: Vec<PathBuf>,
    },
    /// A file cannot be used.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Box<FileProblem>,
    },
    /// An annotation file cannot be used.
    #[error(transparent)]
    Annotation(Box<AnnotationError>),
    /// Files do not belong together.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// Experts, captions and teachers do not belong together, or an option does not fit them.
    #[error(transparent)]
    Experts(#[from] ExpertsError),
    /// Several files may be meant.
    #[error("{what}: several files may be meant, name one: {}", list(found))]
    Ambiguous {
        /// What the file holds.
        what: String,
        /// The candidates.
        found: Vec<PathBuf>,
    },
}

impl FolderError {
    pub(super) fn file(path: &Path, problem: impl Into<FileProblem>) -> Self {
        Self::File { path: path.into(), problem: Box::new(problem.into()) }
    }
}

impl From<AnnotationError> for FolderError {
    fn from(error: AnnotationError) -> Self {
        Self::Annotation(Box::new(error))
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It asks for more than the budgets allow.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// It is no acceptable pickle.
    #[error("{}", chain(.0))]
    Pickle(#[from] PickleError),
    /// It is no acceptable `.npy` or `.npz` file.
    #[error("{}", chain(.0))]
    Npy(#[from] NpyError),
    /// It is no acceptable HDF5 file.
    #[error(transparent)]
    Hdf5(#[from] hdf5_reader::error::Error),
    /// It is no JSON text.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It is no acceptable MessagePack.
    #[error("not MessagePack: {0}")]
    MessagePack(#[from] rmpv::decode::Error),
    /// Its format, or something in it, is not read.
    #[error("{0}")]
    Format(String),
    /// A part is missing or of a wrong type.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// An array has a wrong element type or a wrong number of dimensions.
    #[error("{field}: {problem}")]
    Array {
        /// Which array.
        field: String,
        /// What is wrong with it.
        problem: ArrayError,
    },
    /// A feature is NaN or infinite.
    #[error("{field}: row {row}, column {column} is {value}")]
    NotFinite {
        /// Which array.
        field: String,
        /// Row.
        row: usize,
        /// Column.
        column: usize,
        /// The value.
        value: f32,
    },
    /// There is nothing in it.
    #[error("{field}: empty, of shape {shape:?}")]
    Empty {
        /// Which array.
        field: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// It is no relevance matrix.
    #[error(transparent)]
    Relevance(#[from] RelevanceError),
    /// It is no relational dictionary.
    #[error(transparent)]
    Relational(#[from] RelationalError),
    /// A name in it cannot be the name of a file.
    #[error("item {index}: {name:?} is not the name of a clip")]
    Name {
        /// Position.
        index: usize,
        /// The name.
        name: String,
    },
    /// A name occurs twice.
    #[error("item {index}: {name:?} occurs before")]
    DuplicateName {
        /// Position of the second.
        index: usize,
        /// The name.
        name: String,
    },
}

/// An error and its causes in one line: some readers name the place in one error and the reason in its source.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

pub(super) type Result<T> = std::result::Result<T, FolderError>;

/// The `data` folder within `folder`, or `folder` itself.
pub(super) fn data_folder(folder: &Path) -> Result<PathBuf> {
    if !folder.is_dir() {
        return Err(FolderError::NoFolder { path: folder.into() });
    }
    let data = folder.join("data");
    Ok(if data.is_dir() { data } else { folder.into() })
}

pub(super) fn same_size(what: &'static str, left: (&Path, usize), right: (&Path, usize)) -> Result<()> {
    if left.1 == right.1 {
        return Ok(());
    }
    let name = |path: &Path| path.display().to_string();
    let (left, left_size) = (name(left.0), left.1);
    Err(SplitError::Sizes { what, left, left_size, right: name(right.0), right_size: right.1 }.into())
}

/// Features, and the files that videos and captions come from.
pub(super) struct SourcedFeatures {
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

/// Reads files and keeps account of them.
pub(super) struct Reader<'o> {
    pub options: &'o FolderOptions,
    pub files: Vec<(PathBuf, String)>,
    pub warnings: Vec<String>,
}

impl<'o> Reader<'o> {
    pub fn new(options: &'o FolderOptions) -> Self {
        Self { options, files: vec![], warnings: vec![] }
    }

    pub fn loaded<T>(self, split: T) -> Loaded<T> {
        Loaded { split, files: self.files, warnings: self.warnings }
    }

    /// The contents of a file, not yet on the list.
    pub fn contents(&self, path: &Path) -> Result<Vec<u8>> {
        let read = || Ok(limits::read_file(path, &self.options.limits)??);
        read().map_err(|problem: FileProblem| FolderError::file(path, problem))
    }

    pub fn bytes(&mut self, path: &Path) -> Result<Vec<u8>> {
        let bytes = self.contents(path)?;
        self.files.push((path.into(), digest::sha256(&bytes)));
        Ok(bytes)
    }

    /// Reads a pickle and makes something of it.
    pub fn pickle<T>(
        &mut self,
        path: &Path,
        interpret: impl FnOnce(&Value) -> std::result::Result<T, FileProblem>,
    ) -> Result<T> {
        let bytes = self.bytes(path)?;
        let read = || interpret(&pickle::from_slice(&bytes, &self.options.limits)?);
        read().map_err(|problem| FolderError::file(path, problem))
    }

    /// Video features: `features` in a dict, `(X, V)`.
    pub fn video(&mut self, path: &Path) -> Result<Matrix<f32>> {
        let field = "[\"features\"]";
        let matrix = self.pickle(path, |value| {
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
                self.warnings.push(format!("{path}: {width} columns wanted, all {columns} there are used"));
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
    pub fn text(&mut self, path: impl Fn(Level) -> PathBuf) -> Result<PerLevel<Matrix<f32>>> {
        let text = PerLevel::try_from_fn(|level| {
            let path = path(level);
            let convert = |value: &Value| {
                value.as_array()?.to_f32_matrix().map_err(|problem| array_problem("text features", problem))
            };
            finite(&path, "text features", self.pickle(&path, convert)?)
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
        let relevance = self.pickle(path, |value| sparse(value.as_array()?))?;
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
        let relational = self.pickle(path, |value| Ok(relational::read(value, &options, rng)?))?;
        let Relations { video, text, .. } = &relational.relations;
        features.fit(path, video.len(), text.len())?;
        Ok(relational)
    }

    /// Warns where two files list videos in different orders: rows of one are then not rows of the other.
    pub fn compare_videos(&mut self, left: (&Path, &[String]), right: (&Path, &[String])) {
        if let Some(row) = left.1.iter().zip(right.1).position(|(left, right)| left != right) {
            let (a, b) = (&left.1[row], &right.1[row]);
            let (left, right) = (left.0.display(), right.0.display());
            self.warnings.push(format!("row {row} is the video {a:?} in {left} and {b:?} in {right}"));
        }
    }

    /// An `.npy` file.
    pub fn npy(&mut self, path: &Path) -> Result<NdArray> {
        let bytes = self.bytes(path)?;
        let read = npy::from_slice(&bytes, &self.options.limits);
        read.map_err(|problem| FolderError::file(path, problem))
    }
}

pub(super) fn array_problem(field: &str, problem: ArrayError) -> FileProblem {
    FileProblem::Array { field: field.into(), problem }
}

/// Refuses features that are empty or not finite.
pub(super) fn finite(path: &Path, field: &str, matrix: Matrix<f32>) -> Result<Matrix<f32>> {
    let (field, shape) = (field.to_owned(), vec![matrix.rows(), matrix.cols()]);
    let problem = if matrix.as_slice().is_empty() {
        FileProblem::Empty { field, shape }
    } else if let Some(at) = matrix.as_slice().iter().position(|value| !value.is_finite()) {
        let (row, column) = (at / matrix.cols(), at % matrix.cols());
        FileProblem::NotFinite { field, row, column, value: matrix.as_slice()[at] }
    } else {
        return Ok(matrix);
    };
    Err(FolderError::file(path, problem))
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
