//! HDF5: the arrays of a file as a tree of dicts, and files of the Python package `hickle` as its `load` gives them back.
//!
//! Read are superblocks 0 to 3, groups old and new, soft links within the file, numbers, booleans and texts of one length, every layout and
//! index of chunks, and the filters deflate, shuffle, fletcher32 and lzf. Anything else, such as text of variable length or a link to another
//! file, is [`Value::Unread`] where it stands and leaves the rest alone.
//!
//! A file is granted steps, stored bytes and memory in proportion to its size (see `work.rs`), and nothing is reserved before that: links
//! that make a tree without end or chunks that overlap are errors; a dataset whose size is only declared is unread.

mod attribute;
mod btree1;
mod btree2;
mod checksum;
mod chunks;
mod dataset;
mod dataspace;
mod datatype;
mod error;
mod extensible;
mod file;
mod filters;
mod fixed;
mod fractal;
mod grid;
mod group;
mod header;
mod heap;
mod hickle;
mod layout;
mod lzf;
mod members;
mod superblock;
mod tree;
mod work;

pub use error::Hdf5Error;
pub use members::Members;

use super::FormatError;
use super::limits::{self, Limits};
use super::pickle::Value;

/// Reads the contents of a file. Links to other files are not followed.
///
/// # Errors
/// [`FormatError::Hdf5`] for a file that is damaged or asks for more than a file of its size can hold, [`FormatError::Limit`] for one beyond
/// the limits.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, FormatError> {
    limits::check("bytes of input", bytes.len() as u64, limits.input_bytes)?;
    let (file, root) = superblock::open(bytes, limits)?;
    Ok(tree::Tree::new(file, root, limits).content()?)
}

#[cfg(test)]
mod tests;
