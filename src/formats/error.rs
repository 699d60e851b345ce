use std::error::Error;

use super::LimitError;
use super::PackedError;
use super::ndarray::ArrayError;
use super::npy::NpyError;
use super::pickle::PickleError;

/// Why a file's contents cannot be made values.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// They ask for more than the budgets allow.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// No acceptable pickle.
    #[error("{}", chain(.0))]
    Pickle(#[from] PickleError),
    /// No acceptable `.npy` or `.npz` file.
    #[error("{}", chain(.0))]
    Npy(#[from] NpyError),
    /// No acceptable HDF5 file.
    #[error(transparent)]
    Hdf5(#[from] super::hdf5::Hdf5Error),
    /// No acceptable compressed data.
    #[error(transparent)]
    Packed(#[from] PackedError),
    /// No JSON text.
    #[error("not JSON: line {line}, column {column}: {what}")]
    Json {
        /// Counted from 1.
        line: usize,
        /// In bytes, counted from 1.
        column: usize,
        /// What is wrong.
        what: String,
    },
    /// No acceptable MessagePack.
    #[error("not MessagePack: {0}")]
    MessagePack(String),
    /// The format, or something in it, is not read.
    #[error("{0}")]
    NotRead(String),
    /// An array has a wrong element type or a wrong number of dimensions.
    #[error("{field}: {problem}")]
    Array {
        /// Which array.
        field: String,
        /// What is wrong with it.
        problem: ArrayError,
    },
}

/// An error and its causes in one line: some readers name the place in one error and the reason in its source.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
