//! Readers of users' files, datasets, samplers and batches.
//!
//! Files of the published systems are read as data: nothing in them is ever executed, every size is checked before
//! memory is reserved for it, and every error names what was expected and what was found.

mod archive;
pub mod digest;
pub mod epic100;
pub mod experts;
mod folder;
mod limits;
pub mod ndarray;
pub mod npy;
pub mod pickle;
pub mod pickle_writer;
pub mod relational;
pub mod retrieval;
pub mod sampling;
pub mod torch;
pub mod youcook2;

pub use archive::ArchiveError;
pub use folder::{FileProblem, FolderError, FolderOptions, Loaded};
pub use limits::{LimitError, Limits};
