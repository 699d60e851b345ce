//! A reader for Python pickles that treats them as data.
//!
//! Protocols 0 to 5 are parsed to an inert tree, [`Value`]. Nothing in a pickle is imported or called: a short
//! allow-list of constructors is *interpreted* (builtin containers, numpy arrays, scalars and types, torch tensors,
//! pandas data frames, `argparse.Namespace`), and any other class or function is an error that names it, or, with
//! [`UnknownGlobal::Opaque`], an inert value that carries its name.
//!
//! [`Limits`] bound the objects, bytes, depth and expanded size of a pickle; they are checked before memory is
//! reserved. A container that contains itself is refused, since the result is a tree.
//!
//! A part of a kind that is not read (dates, structured types, indexes of several levels) stands in its place as [`Value::Unread`].
//! Refused: out-of-band buffers, the extension registry, strings with lone surrogates.
//!
//! ```
//! use coembed::formats::{Limits, pickle};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // {"class": [3, 5]}
//! let value = pickle::from_slice(b"\x80\x02}X\x05\0\0\0class](K\x03K\x05es.", &Limits::default())?;
//! for class in value.as_dict()?.get("class")?.as_list()?.iter() {
//!     assert!(class.as_i64()? >= 3);
//! }
//! assert_eq!(value.as_dict()?.get("class")?.as_str().unwrap_err().to_string(), r#"["class"]: str expected, found list"#);
//! # Ok(())
//! # }
//! ```

mod access;
mod bytes;
mod error;
mod freeze;
mod globals;
mod graph;
mod machine;
mod numpy;
mod pandas;
mod text;
mod torch;
mod value;

use std::path::Path;
use std::sync::Arc;

pub use access::{AccessError, At, DictAt, ListAt};
pub use error::PickleError;
pub use value::{DataFrame, Dict, Index, Key, NumpyDType, Opaque, Storage, Tensor, Value};

use super::limits::{self, Budget, Limits};
use super::packed;

/// What to do with a class or function outside the allow-list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownGlobal {
    /// Refuse the pickle with an error that names it.
    #[default]
    Refuse,
    /// Keep it, and objects made from it, as inert [`Value::Opaque`]s.
    Opaque,
}

/// How to read a pickle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PickleOptions {
    /// Budgets.
    pub limits: Limits,
    /// Unknown classes and functions.
    pub unknown_globals: UnknownGlobal,
}

/// Reads a pickle file, refusing unknown globals. The whole file is read into memory.
///
/// # Errors
/// [`PickleError::File`], which names the file and holds the cause.
pub fn from_path(path: &Path, limits: &Limits) -> Result<Value, PickleError> {
    PickleOptions { limits: limits.clone(), ..PickleOptions::default() }.from_path(path)
}

/// Reads a pickle from memory, refusing unknown globals.
///
/// # Errors
/// [`PickleError`].
pub fn from_slice(bytes: &[u8], limits: &Limits) -> Result<Value, PickleError> {
    PickleOptions { limits: limits.clone(), ..PickleOptions::default() }.from_slice(bytes)
}

impl PickleOptions {
    /// Objects of any class are kept inert, for whoever asks for them.
    pub(crate) fn inert(limits: &Limits) -> Self {
        Self { limits: limits.clone(), unknown_globals: UnknownGlobal::Opaque }
    }

    /// Reads a pickle file. The whole file is read into memory.
    ///
    /// # Errors
    /// [`PickleError::File`], which names the file and holds the cause.
    pub fn from_path(&self, path: &Path) -> Result<Value, PickleError> {
        let read = || self.from_slice(&limits::read_file(path, &self.limits)??);
        read().map_err(|source| PickleError::File { path: path.into(), source: source.into() })
    }

    /// Reads a pickle from memory; compressed by gzip, zlib, bzip2 or xz, or alone in a zip archive, as well.
    ///
    /// # Errors
    /// [`PickleError`].
    pub fn from_slice(&self, bytes: &[u8]) -> Result<Value, PickleError> {
        limits::check("bytes of input", bytes.len() as u64, self.limits.input_bytes)?;
        let budget = &mut Budget::new(&self.limits, bytes.len());
        let bytes = &*packed::contents(bytes, budget)?;
        if let Some(kind) = packed::recognise(bytes).or_else(|| rewritten(bytes)) {
            return Err(PickleError::OtherKind(kind));
        }
        let (value, end) = read(bytes, budget, self.unknown_globals)?;
        if end < bytes.len() { Err(PickleError::Trailing(bytes.len() - end)) } else { Ok(value) }
    }
}

/// Whether a program for text has changed the ends of the lines of a pickle of protocol 0.
fn rewritten(bytes: &[u8]) -> Option<String> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")).peekable();
    let is_text = !bytes.starts_with(b"\x80") && lines.peek().is_some();
    let what = "a pickle whose line ends were changed to those of Windows (fetch it as a binary file)";
    (is_text && lines.all(|line| line.ends_with(b"\r\n"))).then(|| what.into())
}

/// Reads the pickle at the start of `bytes`; returns its end too.
pub(crate) fn read(bytes: &[u8], budget: &mut Budget, unknown: UnknownGlobal) -> Result<(Value, usize), PickleError> {
    let (graph, end) = machine::run(bytes, budget, unknown, false)?;
    Ok((freeze::freeze(&graph, budget)?.0, end))
}

/// A pickle that may refer to torch storages.
pub(crate) struct WithStorages {
    pub value: Value,
    pub storages: Vec<Arc<Storage>>,
    pub end: usize,
}

/// As [`read`], for the object of a torch checkpoint.
pub(crate) fn read_with_storages(
    bytes: &[u8],
    budget: &mut Budget,
    unknown: UnknownGlobal,
) -> Result<WithStorages, PickleError> {
    let (graph, end) = machine::run(bytes, budget, unknown, true)?;
    let (value, storages) = freeze::freeze(&graph, budget)?;
    Ok(WithStorages { value, storages, end })
}

#[cfg(test)]
mod tests;
