//! `.npy` files and `.npz` archives.
//!
//! Shapes, sizes and budgets are checked before the data is decoded. Big-endian and Fortran-ordered arrays are converted
//! on reading; arrays of objects go through the [`pickle`] reader. Headers are parsed here, because `npyz` multiplies the
//! sizes of a shape without checking for overflow.

use std::path::{Path, PathBuf};

use super::archive::{Archive, ArchiveError};
use super::limits::{self, Budget, LimitError, Limits};
use super::ndarray::decode::Encoding;
use super::ndarray::{ArrayError, DType, NdArray};
use super::packed::{self, PackedError};
use super::pickle::{self, PickleError, UnknownGlobal, Value};

/// Why a `.npy` or `.npz` file was refused.
#[derive(Debug, thiserror::Error)]
pub enum NpyError {
    /// An error in a named file.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<NpyError>,
    },
    /// An error in a member of an `.npz` archive.
    #[error("array {name:?}")]
    Member {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: Box<NpyError>,
    },
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is something else.
    #[error("this is {0}, not an .npy file")]
    OtherKind(String),
    /// It is compressed, and broken.
    #[error(transparent)]
    Packed(#[from] PackedError),
    /// The header is malformed.
    #[error("not an .npy header: {0}")]
    Header(String),
    /// Shape, element type and data do not fit together.
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// The pickle of an array of objects.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// The archive of an `.npz` file.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A budget is exhausted.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// Reads a `.npy` file.
///
/// # Errors
/// [`NpyError::File`], which names the file and holds the cause.
pub fn from_path(path: &Path, limits: &Limits) -> Result<NdArray, NpyError> {
    in_file(path, || from_slice(&limits::read_file(path, limits)??, limits))
}

/// Reads the contents of a `.npy` file.
///
/// # Errors
/// [`NpyError`]; a file that is longer or shorter than its header says is refused.
pub fn from_slice(bytes: &[u8], limits: &Limits) -> Result<NdArray, NpyError> {
    limits::check("bytes of input", bytes.len() as u64, limits.input_bytes)?;
    let budget = &mut Budget::new(limits, bytes.len());
    read(&packed::contents(bytes, budget)?, budget)
}

/// Reads a `.npz` archive: names, without `.npy`, and arrays in the order of the archive.
///
/// # Errors
/// [`NpyError::File`], which names the file and holds the cause.
pub fn npz_from_path(path: &Path, limits: &Limits) -> Result<Vec<(String, NdArray)>, NpyError> {
    in_file(path, || npz_from_slice(&limits::read_file(path, limits)??, limits))
}

/// Reads the contents of a `.npz` archive.
///
/// # Errors
/// [`NpyError`].
pub fn npz_from_slice(bytes: &[u8], limits: &Limits) -> Result<Vec<(String, NdArray)>, NpyError> {
    limits::check("bytes of input", bytes.len() as u64, limits.input_bytes)?;
    let mut budget = Budget::new(limits, bytes.len());
    let mut archive = Archive::new(bytes, &budget)?;
    let names = archive.names().to_vec();
    let member = |member: String| {
        let name = member.strip_suffix(".npy").unwrap_or(&member).to_owned();
        let array = archive.read(&member, &mut budget).map_err(NpyError::from);
        match array.and_then(|bytes| read(&bytes, &mut budget)) {
            Ok(array) => Ok((name, array)),
            Err(source) => Err(NpyError::Member { name, source: source.into() }),
        }
    };
    names.into_iter().map(member).collect()
}

fn in_file<T>(path: &Path, read: impl FnOnce() -> Result<T, NpyError>) -> Result<T, NpyError> {
    read().map_err(|source| NpyError::File { path: path.into(), source: source.into() })
}

fn read(bytes: &[u8], budget: &mut Budget) -> Result<NdArray, NpyError> {
    let (text, data) = split(bytes)?;
    let Header { code, big_endian, fortran, shape } = header(text)?;
    let encoding = Encoding { big_endian, ..Encoding::from_numpy(code)? };
    if encoding.dtype != DType::Object {
        return Ok(encoding.decode(shape, fortran, data, budget)?);
    }
    // numpy pickles the array itself, its shape and order included.
    let (value, end) = pickle::read(data, budget, UnknownGlobal::Refuse)?;
    match value {
        _ if end < data.len() => Err(PickleError::Trailing(data.len() - end).into()),
        Value::Array(array) if array.shape() == shape => Ok(NdArray::clone(&array)),
        other => {
            let what = format!("an array of shape {shape:?} is announced, {} follows", other.type_name());
            Err(NpyError::Header(what))
        }
    }
}

/// The text of the header, and the data behind it.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), NpyError> {
    let bad = |what: &str| NpyError::Header(what.into());
    let Some(rest) = bytes.strip_prefix(b"\x93NUMPY") else {
        return Err(packed::recognise(bytes).map_or_else(|| bad("the magic bytes are missing"), NpyError::OtherKind));
    };
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (u16::from_le_bytes([*a, *b]).into(), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [_, _, _, _, _, _, ..] => return Err(bad("unknown version")),
        _ => return Err(bad("truncated")),
    };
    let (text, data) = rest.split_at_checked(length).ok_or_else(|| bad("truncated"))?;
    Ok((std::str::from_utf8(text).map_err(|_| bad("not UTF-8"))?, data))
}

struct Header<'a> {
    /// Element type without byte order: `f8`.
    code: &'a str,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

/// Parses `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`. Only what numpy writes is understood.
fn header(text: &str) -> Result<Header<'_>, NpyError> {
    let bad = || NpyError::Header("{'descr': ..., 'fortran_order': ..., 'shape': (...)} expected".into());
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    let mut rest = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}')).ok_or_else(bad)?.trim();
    while !rest.is_empty() {
        let (key, after) = literal(rest).ok_or_else(bad)?;
        let value = after.trim_start().strip_prefix(':').ok_or_else(bad)?.trim_start();
        rest = match key {
            "descr" if value.starts_with('[') => return Err(ArrayError::Unsupported("structured type".into()).into()),
            "descr" => {
                let (code, after) = literal(value).ok_or_else(bad)?;
                descr = Some(code);
                after
            }
            "fortran_order" => {
                let yes = value.starts_with("True");
                fortran = Some(yes);
                value.strip_prefix(if yes { "True" } else { "False" }).ok_or_else(bad)?
            }
            "shape" => {
                let (sizes, after) = value.strip_prefix('(').and_then(|v| v.split_once(')')).ok_or_else(bad)?;
                // Python 2 wrote long integers as `3L`.
                let sizes =
                    sizes.split(',').map(|size| size.trim().trim_end_matches('L')).filter(|size| !size.is_empty());
                shape = Some(sizes.take(65).map(str::parse).collect::<Result<Vec<usize>, _>>().map_err(|_| bad())?);
                after
            }
            _ => return Err(bad()),
        };
        rest = rest.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    let (Some(descr), Some(fortran), Some(shape)) = (descr, fortran, shape) else { return Err(bad()) };
    let code = descr.strip_prefix(['<', '>', '|', '=']).unwrap_or(descr);
    Ok(Header { code, big_endian: descr.starts_with('>'), fortran, shape })
}

/// A quoted string without escapes, and what follows.
fn literal(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

#[cfg(test)]
mod tests;
