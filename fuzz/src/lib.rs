//! The readers alone, compiled from the library's own sources: `dfdx`, which the whole library depends on, does not
//! build on the nightly compilers that cargo-fuzz needs.

#[path = "../../src/matrix.rs"]
pub mod matrix;

/// As in the library, without what needs more of it.
#[path = "../../src/formats"]
pub mod formats {
    mod archive;
    mod error;
    pub mod hdf5;
    mod limits;
    pub mod ndarray;
    pub mod npy;
    pub mod pickle;
    pub mod torch;

    pub use archive::ArchiveError;
    pub use error::FormatError;
    pub use limits::{LimitError, Limits};
}
