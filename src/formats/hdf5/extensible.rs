//! Extensible arrays: the index of chunks of datasets that can grow along one axis.

use super::chunks::{Bounds, Chunks};
use super::error::{Hdf5Error, Result};
use super::file::{Cursor, File};
use super::fixed::Entries;

const WHAT: &str = "extensible array of chunks";
const DAMAGED: Hdf5Error = Hdf5Error::Damaged(WHAT);

/// What the header of an array says.
struct Array {
    address: u64,
    /// Bytes of the offset in the head of a block.
    offset: usize,
    /// Entries in the index block, and in the smallest data blocks.
    inner: u64,
    least: u64,
    /// Numbers of super blocks: all, and those whose data blocks the index block names.
    supers: u32,
    direct: u32,
    /// Entries of a page of a large data block.
    page: u64,
}

pub(super) fn each(file: &mut File, address: u64, bounds: &Bounds, chunks: &mut Chunks) -> Result<()> {
    let (array, entry, block) = header(file, address, chunks)?;
    let Some(block) = block else { return Ok(()) };
    let mut entries = Entries { bounds, entry, index: 0 };
    let mut fields = head(file, block, b"EAIB", address)?;
    let mut own = fields.part(array.inner.saturating_mul(entry))?;
    let (mut data, mut supers) = (vec![], vec![]);
    for level in 0..array.direct {
        for _ in 0..array.blocks(level)? {
            file.work.visit(1)?;
            data.push((level, fields.maybe_address()?));
        }
    }
    for level in array.direct..array.supers {
        supers.push((level, fields.maybe_address()?));
    }
    file.verify(block, fields)?;
    entries.some(file, &mut own, array.inner, chunks)?;
    for (level, block) in data {
        let count = array.entries(level)?;
        // So small blocks have no pages.
        data_block(file, &array, block, count, None, &mut entries, chunks)?;
    }
    for (level, block) in supers {
        super_block(file, &array, level, block, &mut entries, chunks)?;
    }
    Ok(())
}

fn header(file: &mut File, address: u64, chunks: &Chunks) -> Result<(Array, u64, Option<u64>)> {
    let mut fields = file.at(address, WHAT)?;
    fields.signature(b"EAHD")?;
    fields.version(&[0])?;
    let (_, entry, bits) = (fields.u8()?, fields.u8()?, fields.u8()?);
    let (inner, least, pointers, page) = (fields.u8()?, fields.u8()?, fields.u8()?, fields.u8()?);
    for _ in 0..6 {
        fields.length()?;
    }
    let block = fields.maybe_address()?;
    file.verify(address, fields)?;
    if bits == 0 || bits > 64 || !least.is_power_of_two() || !pointers.is_power_of_two() || page > 63 {
        return Err(DAMAGED);
    }
    let supers = 1 + u32::from(bits).checked_sub(least.ilog2()).ok_or(DAMAGED)?;
    let direct = 2 * pointers.ilog2();
    if direct > supers {
        return Err(DAMAGED);
    }
    let offset = usize::from(bits).div_ceil(8);
    let array = Array { address, offset, inner: inner.into(), least: least.into(), supers, direct, page: 1 << page };
    Ok((array, chunks.entry(file, entry)?, block))
}

impl Array {
    /// Data blocks of a super block.
    fn blocks(&self, level: u32) -> Result<u64> {
        1_u64.checked_shl(level / 2).ok_or(DAMAGED)
    }

    /// Entries of each data block of a super block.
    fn entries(&self, level: u32) -> Result<u64> {
        let doubled = 1_u64.checked_shl(level.div_ceil(2)).ok_or(DAMAGED)?;
        self.least.checked_mul(doubled).ok_or(DAMAGED)
    }
}

/// The fields behind what all blocks begin with.
fn head<'a>(file: &mut File<'a>, address: u64, signature: &[u8], array: u64) -> Result<Cursor<'a>> {
    let mut fields = file.at(address, WHAT)?;
    fields.signature(signature)?;
    fields.version(&[0])?;
    fields.u8()?;
    if fields.address()? == array { Ok(fields) } else { Err(DAMAGED) }
}

fn super_block(
    file: &mut File,
    array: &Array,
    level: u32,
    block: Option<u64>,
    entries: &mut Entries,
    chunks: &mut Chunks,
) -> Result<()> {
    let (blocks, count) = (array.blocks(level)?, array.entries(level)?);
    let Some(address) = block else {
        entries.index = entries.index.saturating_add(blocks.saturating_mul(count));
        return Ok(());
    };
    let mut fields = head(file, address, b"EASB", array.address)?;
    fields.take(array.offset)?;
    let bits = if count > array.page { (count / array.page).div_ceil(8) } else { 0 };
    let mut used = fields.part(blocks.saturating_mul(bits))?;
    let mut addresses = fields.part(blocks.saturating_mul(file.widths.offset as u64))?;
    file.verify(address, fields)?;
    for _ in 0..blocks {
        let used = if bits > 0 { Some(used.part(bits)?) } else { None };
        data_block(file, array, addresses.maybe_address()?, count, used, entries, chunks)?;
    }
    Ok(())
}

/// `used` tells which pages have been written, if there are pages.
fn data_block<'a>(
    file: &mut File<'a>,
    array: &Array,
    block: Option<u64>,
    count: u64,
    used: Option<Cursor<'a>>,
    entries: &mut Entries,
    chunks: &mut Chunks,
) -> Result<()> {
    file.work.visit(1)?;
    let Some(address) = block else {
        entries.index = entries.index.saturating_add(count);
        return Ok(());
    };
    let mut fields = head(file, address, b"EADB", array.address)?;
    fields.take(array.offset)?;
    let Some(used) = used else { return entries.read(file, address, fields, count, chunks) };
    file.verify(address, fields)?;
    fields.take(4)?;
    entries.pages(file, used, fields, count, array.page, chunks)
}
