//! Where the values of a dataset lie.

use super::error::{Hdf5Error, Result};
use super::file::Cursor;

/// How the values are stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Layout<'a> {
    /// In the header itself.
    Compact(&'a [u8]),
    /// In one piece, or nowhere yet.
    Contiguous(Option<u64>),
    Chunked(Chunked),
}

/// In chunks of one shape.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunked {
    /// Sizes of a chunk; the last one is the size of an element.
    pub sizes: Vec<u64>,
    pub index: Index,
    /// Where the index lies; nowhere as long as there are no chunks.
    pub address: Option<u64>,
    /// Whether chunks that reach beyond the dataset are left as they are by the filters.
    pub plain_edges: bool,
}

/// How chunks are found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Index {
    BTree1,
    /// One chunk; if filters were applied, its stored size and the filters that were left out.
    Single(Option<(u64, u32)>),
    /// All chunks, one behind the other.
    Implicit,
    FixedArray,
    ExtensibleArray,
    BTree2,
}

pub(super) fn parse<'a>(mut fields: Cursor<'a>) -> Result<Layout<'a>> {
    let version = fields.version(&[3, 4, 5])?;
    Ok(match fields.u8()? {
        0 => {
            let length = fields.u16()?;
            Layout::Compact(fields.take(length.into())?)
        }
        1 => Layout::Contiguous(fields.maybe_address()?),
        2 if version == 3 => Layout::Chunked(first(&mut fields)?),
        2 => Layout::Chunked(second(&mut fields)?),
        3 => return Hdf5Error::not_read("a virtual dataset"),
        _ => return Err(Hdf5Error::Damaged("layout")),
    })
}

fn first(fields: &mut Cursor) -> Result<Chunked> {
    let count = fields.u8()?;
    let address = fields.maybe_address()?;
    let sizes = (0..count).map(|_| fields.u32().map(u64::from)).collect::<Result<_>>()?;
    Ok(Chunked { sizes, index: Index::BTree1, address, plain_edges: false })
}

fn second(fields: &mut Cursor) -> Result<Chunked> {
    let (flags, count, width) = (fields.u8()?, fields.u8()?, fields.u8()?);
    let sizes = (0..count).map(|_| fields.uint(width.into())).collect::<Result<_>>()?;
    // What creates an index is behind its type; an index in use says it itself.
    let (index, skipped) = match fields.u8()? {
        1 if flags & 2 != 0 => (Index::Single(Some((fields.length()?, fields.u32()?))), 0),
        1 => (Index::Single(None), 0),
        2 => (Index::Implicit, 0),
        3 => (Index::FixedArray, 1),
        4 => (Index::ExtensibleArray, 5),
        5 => (Index::BTree2, 6),
        _ => return Err(Hdf5Error::Damaged("layout")),
    };
    fields.take(skipped)?;
    Ok(Chunked { sizes, index, address: fields.maybe_address()?, plain_edges: flags & 1 != 0 })
}
