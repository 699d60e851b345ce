//! Fixed arrays: the index of chunks of datasets that cannot grow.

use super::chunks::{Bounds, Chunks};
use super::error::{Hdf5Error, Result};
use super::file::{Cursor, File};

const WHAT: &str = "fixed array of chunks";

pub(super) fn each<'a>(file: &mut File<'a>, address: u64, bounds: &Bounds, chunks: &mut Chunks) -> Result<()> {
    let mut fields = file.at(address, WHAT)?;
    fields.signature(b"FAHD")?;
    fields.version(&[0])?;
    let (_, entry, page_bits) = (fields.u8()?, fields.u8()?, fields.u8()?);
    let (count, block) = (fields.length()?, fields.maybe_address()?);
    file.verify(address, fields)?;
    let entry = chunks.entry(file, entry)?;
    let page = 1_u64.checked_shl(page_bits.into()).ok_or(Hdf5Error::Damaged(WHAT))?;
    let Some(block) = block else { return Ok(()) };
    let mut fields = file.at(block, WHAT)?;
    fields.signature(b"FADB")?;
    fields.version(&[0])?;
    fields.u8()?;
    if fields.address()? != address {
        return Err(Hdf5Error::Damaged(WHAT));
    }
    let mut entries = Entries { bounds, entry, index: 0 };
    if count <= page {
        return entries.read(file, block, fields, count, chunks);
    }
    let pages = count.div_ceil(page);
    let used = fields.part(pages.div_ceil(8))?;
    file.verify(block, fields)?;
    fields.take(4)?;
    entries.pages(file, used, fields, count, page, chunks)
}

/// Entries of an array of chunks, read one after another.
pub(super) struct Entries<'b> {
    pub bounds: &'b Bounds,
    /// Bytes of an entry.
    pub entry: u64,
    /// Of the next chunk.
    pub index: u64,
}

impl Entries<'_> {
    /// Entries with a checksum behind them, which is from `start` on.
    pub fn read<'a>(
        &mut self,
        file: &mut File<'a>,
        start: u64,
        mut fields: Cursor<'a>,
        count: u64,
        chunks: &mut Chunks,
    ) -> Result<()> {
        let mut entries = fields.part(count.saturating_mul(self.entry))?;
        file.verify(start, fields)?;
        self.some(file, &mut entries, count, chunks)
    }

    /// Entries without a checksum of their own.
    pub fn some(&mut self, file: &mut File, entries: &mut Cursor, count: u64, chunks: &mut Chunks) -> Result<()> {
        for _ in 0..count {
            let chunk = chunks.element(entries.part(self.entry)?, 0)?;
            chunks.push(file, self.bounds.number(chunks.grid, self.index), chunk)?;
            self.index = self.index.saturating_add(1);
        }
        Ok(())
    }

    /// Pages of entries, each with a checksum. A page whose bit is not set has never been written, but has its place.
    pub fn pages<'a>(
        &mut self,
        file: &mut File<'a>,
        mut used: Cursor<'a>,
        mut fields: Cursor<'a>,
        count: u64,
        page: u64,
        chunks: &mut Chunks,
    ) -> Result<()> {
        let (mut left, mut bits) = (count, 0_u8);
        for number in 0..count.div_ceil(page) {
            file.work.visit(1)?;
            bits = if number % 8 == 0 { used.u8()? } else { bits << 1 };
            let some = page.min(left);
            left -= some;
            let start = file.address_of(&fields);
            if bits & 0x80 == 0 {
                self.index = self.index.saturating_add(some);
                fields.part(some.saturating_mul(self.entry).saturating_add(4))?;
            } else {
                self.read(file, start, fields, some, chunks)?;
                fields.part(some * self.entry + 4)?;
            }
        }
        Ok(())
    }
}
