//! Readers of users' files, datasets, samplers and batches.
//!
//! Files of the published systems are read as data: nothing in them is ever executed, every size is checked before
//! memory is reserved for it, and every error names what was expected and what was found.

mod archive;
mod limits;
pub mod ndarray;
pub mod npy;
pub mod pickle;
pub mod retrieval;
pub mod sampling;
pub mod torch;

pub use archive::ArchiveError;
pub use limits::{LimitError, Limits};
