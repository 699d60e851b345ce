use std::borrow::Cow;

use crate::formats::LimitError;
use crate::formats::ndarray::ArrayError;

pub(super) type Result<T, E = Hdf5Error> = std::result::Result<T, E>;

/// Why an HDF5 file was refused.
#[derive(Debug, thiserror::Error)]
pub enum Hdf5Error {
    /// The signature is at none of the places where it may be.
    #[error("not an HDF5 file")]
    Signature,
    /// The file is shorter than it says.
    #[error("the HDF5 file is cut off: {found} bytes of {wanted}")]
    CutOff {
        /// By its superblock.
        wanted: u64,
        /// What is there.
        found: u64,
    },
    /// A part that does not lie within the file, or that ends too early.
    #[error("damaged HDF5 file: {0} ends too early")]
    Truncated(&'static str),
    /// A part that is not what it must be.
    #[error("damaged HDF5 file: {0}")]
    Damaged(&'static str),
    /// A part whose checksum is another one than written beside it.
    #[error("damaged HDF5 file: the checksum of {0} is wrong")]
    Checksum(&'static str),
    /// More objects, links or bytes than a file of its size can hold.
    #[error("the HDF5 file asks for more {0} than a file of its size can hold")]
    Disproportion(&'static str),
    /// Something that is not read.
    #[error("HDF5: {0}, which is not read")]
    NotRead(Cow<'static, str>),
    /// A budget is exhausted.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// Values that make no array.
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// One of these, in a part of the file that has a name.
    #[error("{name:?}: {problem}")]
    In {
        /// The last part of its path.
        name: String,
        /// What is wrong with it.
        problem: Box<Hdf5Error>,
    },
}

impl Hdf5Error {
    /// What makes one dataset or group unreadable and leaves the others alone.
    pub(super) fn not_read<T>(what: impl Into<Cow<'static, str>>) -> Result<T> {
        Err(Self::NotRead(what.into()))
    }

    /// Names the part of the file.
    pub(super) fn within(self, name: &str) -> Self {
        match self {
            error @ Self::In { .. } => error,
            problem => Self::In { name: name.chars().take(100).collect(), problem: Box::new(problem) },
        }
    }
}
