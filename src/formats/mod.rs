//! Bytes to values: pickles, arrays, checkpoints of PyTorch, HDF5, JSON, MessagePack, word vectors. No data set is known here.
//!
//! Files are read as data: nothing in them is ever executed, every size is checked before memory is reserved for it
//! ([`Limits`]), and every error names what was expected and what was found.

mod archive;
mod error;
pub mod hdf5;
mod json;
pub(crate) mod limits;
mod message_pack;
pub mod ndarray;
pub mod npy;
pub mod npy_writer;
pub(crate) mod packed;
pub mod pickle;
pub mod pickle_writer;
pub mod torch;
pub mod tree;
pub mod word2vec;

pub use archive::ArchiveError;
pub use error::FormatError;
pub use limits::{LimitError, Limits};
pub use packed::PackedError;
