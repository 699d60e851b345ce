//! Every index of chunks there is.

use super::error::{Hdf5Error, Result};
use super::file::{Cursor, File};
use super::grid::Grid;
use super::layout::{Chunked, Index};
use super::{btree1, btree2, extensible, fixed};

/// A chunk that is in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chunk {
    /// In C order of the grid of chunks.
    pub number: u64,
    pub address: u64,
    /// Bytes in the file.
    pub stored: u64,
    /// Filters that were left out.
    pub mask: u32,
}

/// Collects chunks; those that are not there, or beyond the dataset, are left out.
pub(super) struct Chunks<'g> {
    pub grid: &'g Grid,
    /// Whether entries say the stored size and the filters that were left out.
    pub filtered: bool,
    list: Vec<Chunk>,
}

const WHAT: Hdf5Error = Hdf5Error::Damaged("index of chunks");
/// What a chunk takes in lists while its dataset is read.
const CHUNK: u64 = 128;

impl Chunks<'_> {
    pub fn push(&mut self, file: &mut File, number: Option<u64>, chunk: Option<(u64, u64, u32)>) -> Result<()> {
        file.work.visit(1)?;
        if let (Some(number), Some((address, stored, mask))) = (number, chunk) {
            file.work.take(CHUNK)?;
            self.list.push(Chunk { number, address, stored, mask });
        }
        Ok(())
    }

    /// Bytes of an entry of an array of chunks, which says its own size.
    pub fn entry(&self, file: &File, declared: u8) -> Result<u64> {
        let entry = u64::from(declared);
        let least = file.widths.offset as u64 + if self.filtered { 5 } else { 0 };
        let fits = if self.filtered { (least..least + 8).contains(&entry) } else { entry == least };
        if fits { Ok(entry) } else { Err(WHAT) }
    }

    /// An entry of an array or tree: the address, and for filtered chunks the stored size and the filters that were left out.
    pub fn element(&self, mut entry: Cursor, after: usize) -> Result<Option<(u64, u64, u32)>> {
        let address = entry.maybe_address()?;
        if !self.filtered {
            return Ok(address.map(|address| (address, self.grid.bytes as u64, 0)));
        }
        let size = entry.left().checked_sub(4 + after).ok_or(WHAT)?;
        let (stored, mask) = (entry.uint(size)?, entry.u32()?);
        Ok(address.map(|address| (address, stored, mask)))
    }
}

/// All chunks of a dataset. `greatest` are the sizes that its axes may have.
pub(super) fn list<'a>(
    file: &mut File<'a>,
    layout: &Chunked,
    grid: &Grid,
    greatest: &[Option<u64>],
    filtered: bool,
) -> Result<Vec<Chunk>> {
    let mut chunks = Chunks { grid, filtered, list: vec![] };
    let Some(address) = layout.address else { return Ok(chunks.list) };
    match layout.index {
        Index::BTree1 => first(file, address, &mut chunks)?,
        Index::Single(size) => {
            let (stored, mask) = size.unwrap_or((grid.bytes as u64, 0));
            chunks.push(file, Some(0), Some((address, stored, mask)))?;
        }
        Index::Implicit => implicit(file, address, &bounds(layout, greatest)?, &mut chunks)?,
        Index::FixedArray => fixed::each(file, address, &bounds(layout, greatest)?, &mut chunks)?,
        Index::ExtensibleArray => extensible::each(file, address, &bounds(layout, greatest)?, &mut chunks)?,
        Index::BTree2 => second(file, address, &mut chunks)?,
    }
    Ok(chunks.list)
}

fn first(file: &mut File, address: u64, chunks: &mut Chunks) -> Result<()> {
    let axes = chunks.grid.counts.len();
    btree1::each(file, address, 1, 8 * (axes + 2), |file, mut key, child| {
        let (stored, mask) = (key.u32()?.into(), key.u32()?);
        let offsets = (0..axes).map(|_| key.u64()).collect::<Result<Vec<_>>>()?;
        let number = chunks.grid.number_of_offsets(&offsets).ok_or(WHAT)?;
        chunks.push(file, Some(number), Some((child, stored, mask)))
    })
}

fn second(file: &mut File, address: u64, chunks: &mut Chunks) -> Result<()> {
    let axes = chunks.grid.counts.len();
    let kind = if chunks.filtered { 11 } else { 10 };
    btree2::each(file, address, kind, |file, mut record| {
        let head = record.left().checked_sub(8 * axes).ok_or(WHAT)?;
        let chunk = chunks.element(record.part(head as u64)?, 0)?;
        let place = (0..axes).map(|_| record.u64()).collect::<Result<Vec<_>>>()?;
        chunks.push(file, chunks.grid.number(&place), chunk)
    })
}

fn implicit(file: &mut File, address: u64, bounds: &Bounds, chunks: &mut Chunks) -> Result<()> {
    let size = chunks.grid.bytes as u64;
    let count = bounds.count().ok_or(WHAT)?;
    // All of them are in the file.
    file.block(address, count.checked_mul(size).ok_or(WHAT)?, "values")?;
    for index in 0..count {
        chunks.push(file, bounds.number(chunks.grid, index), Some((address + index * size, size, 0)))?;
    }
    Ok(())
}

/// The grid of the chunks that a dataset may get: by it arrays of chunks are numbered. An axis without a bound comes first.
pub(super) struct Bounds {
    /// Place of the axis in the dataset, and the greatest number of chunks along it.
    axes: Vec<(usize, Option<u64>)>,
}

fn bounds(layout: &Chunked, greatest: &[Option<u64>]) -> Result<Bounds> {
    let count = |(size, &chunk): (&Option<u64>, &u64)| size.map(|size| size.div_ceil(chunk.max(1)));
    let mut axes: Vec<_> = greatest.iter().zip(&layout.sizes).map(count).enumerate().collect();
    axes.sort_by_key(|(_, count)| count.is_some());
    let bounded = axes.iter().skip(1).all(|(_, count)| count.is_some_and(|count| count > 0));
    if bounded { Ok(Bounds { axes }) } else { Err(WHAT) }
}

impl Bounds {
    /// How many chunks there may be, if that is a number.
    pub fn count(&self) -> Option<u64> {
        self.axes.iter().try_fold(1_u64, |product, (_, count)| product.checked_mul((*count)?))
    }

    /// The number in the grid of a dataset of the chunk at an index, or `None` beyond the dataset.
    pub fn number(&self, grid: &Grid, mut index: u64) -> Option<u64> {
        let mut place = vec![0; self.axes.len()];
        let ((first, _), others) = self.axes.split_first()?;
        for (axis, count) in others.iter().rev() {
            let count = count.filter(|&count| count > 0)?;
            *place.get_mut(*axis)? = index % count;
            index /= count;
        }
        *place.get_mut(*first)? = index;
        grid.number(&place)
    }
}
