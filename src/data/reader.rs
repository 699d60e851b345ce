//! What the readers of data folders share, whatever the data set: errors that name a file, and a list of every file that was read.

use std::error::Error;
use std::path::{Path, PathBuf};

use super::finite::NotFinite;
use crate::digest;
use crate::formats::limits::{self, LimitError, Limits};
use crate::formats::ndarray::{ArrayError, NdArray};
use crate::formats::npy::NpyError;
use crate::formats::pickle::{self, AccessError, PickleError, Value};
use crate::formats::{FormatError, npy, tree};

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

impl<T> Loaded<T> {
    /// Something else made of it, from the same files.
    pub fn map<O>(self, make: impl FnOnce(T) -> O) -> Loaded<O> {
        Loaded { split: make(self.split), files: self.files, warnings: self.warnings }
    }
}

impl Loaded<()> {
    /// Nothing yet.
    pub fn nothing() -> Self {
        Self { split: (), files: vec![], warnings: vec![] }
    }

    /// Hands over one part of what is read; its files and warnings stay here.
    pub fn take<T>(&mut self, part: Loaded<T>) -> T {
        self.files.extend(part.files);
        self.warnings.extend(part.warnings);
        part.split
    }

    /// All parts together, with the files and warnings of each.
    pub fn with<T>(self, split: T) -> Loaded<T> {
        Loaded { split, files: self.files, warnings: self.warnings }
    }
}

/// Why files were refused.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
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
    /// Several files may be meant.
    #[error("{what}: several files may be meant, name one: {}", list(found))]
    Ambiguous {
        /// What the file holds.
        what: String,
        /// The candidates.
        found: Vec<PathBuf>,
    },
}

impl FileError {
    pub(super) fn file(path: &Path, problem: impl Into<FileProblem>) -> Self {
        Self::File { path: path.into(), problem: Box::new(problem.into()) }
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
    /// Its contents cannot be made values.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A part is missing or of a wrong type.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A feature is NaN or infinite.
    #[error("{field}: {problem}")]
    NotFinite {
        /// Which array.
        field: String,
        /// Where, and the value.
        problem: NotFinite,
    },
    /// There is nothing in it.
    #[error("{field}: empty, of shape {shape:?}")]
    Empty {
        /// Which array.
        field: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// It can be read, but is not what the data set asks for.
    #[error(transparent)]
    Content(Box<dyn Error + Send + Sync>),
}

impl From<LimitError> for FileProblem {
    fn from(error: LimitError) -> Self {
        Self::Format(error.into())
    }
}

impl From<PickleError> for FileProblem {
    fn from(error: PickleError) -> Self {
        Self::Format(error.into())
    }
}

impl From<NpyError> for FileProblem {
    fn from(error: NpyError) -> Self {
        Self::Format(error.into())
    }
}

pub(super) fn array_problem(field: &str, problem: ArrayError) -> FileProblem {
    FormatError::Array { field: field.into(), problem }.into()
}

type Result<T> = std::result::Result<T, FileError>;

/// Reads files and keeps account of them.
pub(super) struct Reader<'o> {
    pub limits: &'o Limits,
    pub files: Vec<(PathBuf, String)>,
    pub warnings: Vec<String>,
}

impl<'o> Reader<'o> {
    pub fn new(limits: &'o Limits) -> Self {
        Self { limits, files: vec![], warnings: vec![] }
    }

    pub fn loaded<T>(self, split: T) -> Loaded<T> {
        Loaded { split, files: self.files, warnings: self.warnings }
    }

    /// The contents of a file, not yet on the list.
    pub fn contents(&self, path: &Path) -> Result<Vec<u8>> {
        let read = || Ok(limits::read_file(path, self.limits)??);
        read().map_err(|problem: FileProblem| FileError::file(path, problem))
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
        let read = || interpret(&pickle::PickleOptions::inert(self.limits).from_slice(&bytes)?);
        read().map_err(|problem| FileError::file(path, problem))
    }

    /// An `.npy` file.
    pub fn npy(&mut self, path: &Path) -> Result<NdArray> {
        let bytes = self.bytes(path)?;
        npy::from_slice(&bytes, self.limits).map_err(|problem| FileError::file(path, problem))
    }

    /// A file whose extension says what it is, as a tree. `classes` are those that a pickle may name besides data; see
    /// [`tree::from_slice`].
    pub fn tree(&mut self, path: &Path, classes: &[&str]) -> Result<Value> {
        let bytes = self.bytes(path)?;
        let extension = |path: &Path| path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let extension = match extension(path) {
            packed if tree::COMPRESSED.contains(&packed.as_str()) => extension(&path.with_extension("")),
            plain => plain,
        };
        let read = tree::from_slice(&bytes, &extension, self.limits, classes);
        read.map_err(|problem| FileError::file(path, problem))
    }
}
