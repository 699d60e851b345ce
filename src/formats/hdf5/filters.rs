//! Filters: how the bytes of chunks are compressed.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};

use super::error::{Hdf5Error, Result};
use super::file::Cursor;
use super::work::Work;
use super::{checksum, lzf};

/// The filters of one dataset, in the order in which they were applied.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Pipeline(Vec<Filter>);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Filter {
    Deflate,
    /// The bytes of elements of a size, sorted by their place in the element.
    Shuffle(usize),
    Fletcher32,
    Lzf,
}

const DAMAGED: Hdf5Error = Hdf5Error::Damaged("compressed values");

impl Pipeline {
    pub fn parse(mut fields: Cursor) -> Result<Self> {
        let (version, count) = (fields.version(&[1, 2])?, fields.u8()?);
        if version == 1 {
            fields.take(6)?;
        }
        if count > 8 {
            return Err(Hdf5Error::Damaged("number of filters"));
        }
        Ok(Self((0..count).map(|_| filter(version, &mut fields)).collect::<Result<_>>()?))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Undoes the filters of a chunk of `size` bytes; those whose bit in `mask` is set were left out.
    pub fn undo<'a>(&self, stored: &'a [u8], mask: u32, size: usize, work: &mut Work) -> Result<Cow<'a, [u8]>> {
        let mut bytes = Cow::Borrowed(stored);
        for (index, filter) in self.0.iter().enumerate().rev() {
            if mask >> index & 1 == 0 {
                // Sums that were put behind the values before this filter was applied.
                let sums = self.0.iter().take(index).filter(|filter| **filter == Filter::Fletcher32).count();
                bytes = filter.undo(bytes, size.saturating_add(4 * sums), work)?;
            }
        }
        if bytes.len() == size { Ok(bytes) } else { Err(DAMAGED) }
    }
}

fn filter(version: u8, fields: &mut Cursor) -> Result<Filter> {
    let id = fields.u16()?;
    let name = if version == 1 || id >= 256 { usize::from(fields.u16()?) } else { 0 };
    fields.take(2)?;
    let count = usize::from(fields.u16()?);
    fields.take(if version == 1 { name.next_multiple_of(8) } else { name })?;
    let padding = if version == 1 { count % 2 } else { 0 };
    let mut values = fields.part(4 * (count + padding) as u64)?;
    Ok(match id {
        1 => Filter::Deflate,
        2 => Filter::Shuffle(values.u32()? as usize),
        3 => Filter::Fletcher32,
        32000 => Filter::Lzf,
        4 => return Hdf5Error::not_read("values compressed by szip"),
        5 => return Hdf5Error::not_read("values packed by their bits"),
        6 => return Hdf5Error::not_read("values compressed by scale and offset"),
        _ => return Hdf5Error::not_read(format!("values compressed by filter {id}")),
    })
}

impl Filter {
    /// `size` is the most that may come out.
    fn undo<'a>(self, bytes: Cow<'a, [u8]>, size: usize, work: &mut Work) -> Result<Cow<'a, [u8]>> {
        Ok(match self {
            Self::Deflate => Cow::Owned(inflate(&bytes, size, work)?),
            Self::Lzf => Cow::Owned(lzf::decompress(&bytes, size, work)?),
            Self::Shuffle(width) if width > 1 => Cow::Owned(unshuffle(&bytes, width, work)?),
            Self::Shuffle(_) => bytes,
            Self::Fletcher32 => without_sum(bytes)?,
        })
    }
}

/// Memory grows with what really comes out, not with what is declared.
fn inflate(bytes: &[u8], size: usize, work: &mut Work) -> Result<Vec<u8>> {
    let mut stream = Decompress::new(true);
    let mut values = Vec::new();
    loop {
        if values.len() == values.capacity() {
            grow(&mut values, size)?;
        }
        let (read, made) = (stream.total_in() as usize, values.len());
        let rest = bytes.get(read..).ok_or(DAMAGED)?;
        let status = stream.decompress_vec(rest, &mut values, FlushDecompress::None).map_err(|_| DAMAGED)?;
        work.inflated((values.len() - made) as u64)?;
        match status {
            Status::StreamEnd => return Ok(values),
            // Neither read nor written: the stream is cut off, or longer than it may be.
            _ if stream.total_in() as usize == read && values.len() == made => return Err(DAMAGED),
            _ => {}
        }
    }
}

/// Doubles the room, up to a size.
pub(super) fn grow(values: &mut Vec<u8>, size: usize) -> Result<()> {
    let more = values.len().max(1 << 12).min(size.saturating_sub(values.len()));
    values.try_reserve_exact(more).map_err(|_| Hdf5Error::Disproportion("memory"))
}

fn unshuffle(bytes: &[u8], width: usize, work: &mut Work) -> Result<Vec<u8>> {
    work.take(bytes.len() as u64)?;
    let count = bytes.len() / width;
    let mut values = vec![0; bytes.len()];
    // What is no whole element stays at the end.
    let (planes, rest) = bytes.split_at(count * width);
    let (elements, last) = values.split_at_mut(count * width);
    last.copy_from_slice(rest);
    for (at, plane) in planes.chunks_exact(count.max(1)).enumerate() {
        elements.iter_mut().skip(at).step_by(width).zip(plane).for_each(|(value, byte)| *value = *byte);
    }
    work.give(bytes.len() as u64);
    Ok(values)
}

/// Checks the sum behind the values and takes it off.
fn without_sum(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>> {
    let (values, sum) = bytes.split_last_chunk::<4>().ok_or(DAMAGED)?;
    if checksum::fletcher32(values) != u32::from_le_bytes(*sum) {
        return Err(Hdf5Error::Checksum("values"));
    }
    let length = values.len();
    Ok(match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(..length).unwrap_or(bytes)),
        Cow::Owned(mut bytes) => {
            bytes.truncate(length);
            Cow::Owned(bytes)
        }
    })
}
