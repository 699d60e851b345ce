//! Why a pickle was refused.

use std::path::PathBuf;

use crate::formats::ndarray::ArrayError;
use crate::formats::{LimitError, PackedError};

/// Why a pickle was refused. Byte offsets count from the start of the pickle.
#[derive(Debug, thiserror::Error)]
pub enum PickleError {
    /// An error in a named file.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<PickleError>,
    },
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is something else.
    #[error("this is {0}, not a pickle")]
    OtherKind(String),
    /// It is compressed, and broken.
    #[error(transparent)]
    Packed(#[from] PackedError),
    /// The pickle names a class or function outside the allow-list. Nothing was imported or called.
    #[error("the pickle refers to `{module}.{name}`, which is not among the known constructors of data")]
    UnknownGlobal {
        /// Python module.
        module: String,
        /// Name in the module.
        name: String,
    },
    /// The input ends inside an opcode or before the final one.
    #[error("truncated: {wanted} bytes wanted at byte {offset}, {left} left")]
    Truncated {
        /// Where.
        offset: usize,
        /// Bytes the opcode asks for.
        wanted: u64,
        /// Bytes that are left.
        left: usize,
    },
    /// A byte that is no opcode of protocols 0 to 5.
    #[error("byte {offset}: 0x{opcode:02x} is not a pickle opcode")]
    UnknownOpcode {
        /// The byte.
        opcode: u8,
        /// Where.
        offset: usize,
    },
    /// An opcode with operands it cannot have: an empty stack, a wrong type, a malformed number.
    #[error("byte {offset}: {what}")]
    Malformed {
        /// Where.
        offset: usize,
        /// What is wrong.
        what: String,
    },
    /// Bytes after the end of the pickle.
    #[error("{0} bytes follow the end of the pickle")]
    Trailing(usize),
    /// A container that holds itself.
    #[error("the pickle holds a container that contains itself")]
    Recursive,
    /// A known constructor with arguments it cannot have.
    #[error("`{constructor}`: {what}")]
    Constructor {
        /// Python name of the constructor.
        constructor: String,
        /// What is wrong.
        what: String,
    },
    /// A legal feature that is not read.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// A budget is exhausted.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// An array whose parts do not fit together.
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// A value of another type than the caller expects.
    #[error(transparent)]
    Access(#[from] super::AccessError),
}
