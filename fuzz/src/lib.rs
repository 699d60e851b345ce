//! The readers alone, compiled from the library's own sources: `dfdx`, which the whole library depends on, does not
//! build on the nightly compilers that cargo-fuzz needs.

#[path = "../../src/matrix.rs"]
pub mod matrix;

#[path = "../../src/files.rs"]
pub mod files;

/// As in the library, without what needs more of it.
#[path = "../../src/formats"]
pub mod formats {
    mod archive;
    mod error;
    pub mod hdf5;
    pub(crate) mod limits;
    pub mod ndarray;
    pub mod npy;
    pub(crate) mod packed;
    pub mod pickle;
    pub mod torch;

    pub use archive::ArchiveError;
    pub use error::FormatError;
    pub use limits::{LimitError, Limits};
    pub use packed::PackedError;
}
