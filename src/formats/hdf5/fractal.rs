//! Fractal heaps: where new groups keep their links.

use std::collections::HashSet;

use super::error::{Hdf5Error, Result};
use super::file::{Cursor, File};
use super::{btree2, checksum};

const WHAT: &str = "fractal heap";

/// A heap of blocks whose sizes double from row to row.
pub(super) struct Heap {
    address: u64,
    /// Bytes of an offset in the heap, and of the length of an object.
    offset: usize,
    length: usize,
    /// Whether direct blocks have a checksum.
    sums: bool,
    width: u64,
    /// Size of the blocks of the first row, and of the largest direct blocks.
    start: u64,
    largest: u64,
    root: Option<u64>,
    /// Rows of the root; 0 if it is a direct block.
    rows: u64,
    /// The tree of objects that are too large for the blocks.
    huge: Option<u64>,
    /// Blocks whose checksum has been compared.
    verified: HashSet<u64>,
}

impl Heap {
    pub fn read(file: &mut File, address: u64) -> Result<Self> {
        let mut fields = file.at(address, WHAT)?;
        fields.signature(b"FRHP")?;
        fields.version(&[0])?;
        fields.take(2)?;
        if fields.u16()? != 0 {
            return Hdf5Error::not_read("links that are compressed");
        }
        let (flags, greatest) = (fields.u8()?, u64::from(fields.u32()?));
        fields.length()?;
        let huge = fields.maybe_address()?;
        fields.length()?;
        fields.maybe_address()?;
        for _ in 0..8 {
            fields.length()?;
        }
        let (width, start, largest) = (u64::from(fields.u16()?), fields.length()?, fields.length()?);
        let bits = usize::from(fields.u16()?);
        fields.take(2)?;
        let (root, rows) = (fields.maybe_address()?, u64::from(fields.u16()?));
        file.verify(address, fields)?;
        let powers = [width, start, largest].iter().all(|size| size.is_power_of_two());
        if !powers || start > largest || largest > 1 << 32 || bits > 64 || bits == 0 {
            return Err(Hdf5Error::Damaged(WHAT));
        }
        // As many bytes as the length of the greatest object needs.
        let length = bytes(largest).min(bytes(greatest));
        let (offset, sums, verified) = (bits.div_ceil(8), flags & 2 != 0, HashSet::new());
        Ok(Self { address, offset, length, sums, width, start, largest, root, rows, huge, verified })
    }

    /// The object that an identifier names.
    pub fn object<'a>(&mut self, file: &mut File<'a>, mut id: Cursor<'a>) -> Result<&'a [u8]> {
        file.work.visit(1)?;
        let first = id.u8()?;
        match first >> 4 {
            0 => {
                let (offset, length) = (id.uint(self.offset)?, id.uint(self.length)?);
                self.managed(file, offset, length)
            }
            1 => self.huge(file, id.uint(id.left().min(file.widths.length))?),
            2 => id.take(usize::from(first & 15) + 1),
            _ => Err(Hdf5Error::Damaged(WHAT)),
        }
    }

    fn managed<'a>(&mut self, file: &mut File<'a>, offset: u64, length: u64) -> Result<&'a [u8]> {
        let damaged = || Hdf5Error::Damaged(WHAT);
        let (mut block, mut rows, mut inner) = (self.root.ok_or_else(damaged)?, self.rows, offset);
        let mut size = self.start;
        // Every step leads to a block that covers less.
        while rows > 0 {
            let (row, column) = self.place(inner).filter(|(row, _)| *row < rows).ok_or_else(damaged)?;
            size = self.row_size(row).ok_or_else(damaged)?;
            block = self.child(file, block, rows, row * self.width + column)?;
            inner &= size - 1;
            rows = if size <= self.largest { 0 } else { self.rows_of(size) };
        }
        if inner.checked_add(length).is_none_or(|end| end > size) {
            return Err(damaged());
        }
        self.check(file, block, size)?;
        file.block(block.checked_add(inner).ok_or_else(damaged)?, length, WHAT)
    }

    /// Row and column of the block that covers an offset.
    fn place(&self, offset: u64) -> Option<(u64, u64)> {
        let first = self.start.checked_mul(self.width)?;
        let row = if offset < first { 0 } else { u64::from((offset / first).ilog2()) + 1 };
        let start = if row == 0 { 0 } else { first.checked_shl(row as u32 - 1)? };
        Some((row, (offset - start) / self.row_size(row)?))
    }

    fn row_size(&self, row: u64) -> Option<u64> {
        let doubled = u32::try_from(row.saturating_sub(1)).ok()?;
        self.start.checked_mul(1_u64.checked_shl(doubled)?)
    }

    /// Rows of an indirect block that covers so many bytes.
    fn rows_of(&self, size: u64) -> u64 {
        u64::from(size.ilog2()).saturating_sub(u64::from(self.start.ilog2() + self.width.ilog2())) + 1
    }

    /// The address in an entry of an indirect block.
    fn child(&mut self, file: &mut File, block: u64, rows: u64, entry: u64) -> Result<u64> {
        let mut fields = file.at(block, WHAT)?;
        fields.signature(b"FHIB")?;
        fields.version(&[0])?;
        if fields.address()? != self.address {
            return Err(Hdf5Error::Damaged(WHAT));
        }
        fields.take(self.offset)?;
        let width = file.widths.offset as u64;
        let mut entries = fields.part(rows.saturating_mul(self.width).saturating_mul(width))?;
        if self.verified.insert(block) {
            file.verify(block, fields)?;
        }
        entries.part(entry * width)?;
        entries.address()
    }

    /// Checks the head and, once, the checksum of a direct block.
    fn check(&mut self, file: &mut File, address: u64, size: u64) -> Result<()> {
        let mut fields = file.at(address, WHAT)?;
        let left = fields.left();
        fields.signature(b"FHDB")?;
        fields.version(&[0])?;
        if fields.address()? != self.address {
            return Err(Hdf5Error::Damaged(WHAT));
        }
        fields.take(self.offset)?;
        if !self.sums || !self.verified.insert(address) {
            return Ok(());
        }
        let at = left - fields.left();
        let sum = fields.u32()?;
        file.work.visit(size / 64)?;
        file.work.take(size)?;
        // The sum is over the block with zeros in its own place.
        let mut block = file.block(address, size, WHAT)?.to_vec();
        block.get_mut(at..at + 4).ok_or(Hdf5Error::Truncated(WHAT))?.fill(0);
        file.work.give(size);
        if checksum::lookup3(&block) == sum { Ok(()) } else { Err(Hdf5Error::Checksum(WHAT)) }
    }

    /// An object outside of the blocks.
    fn huge<'a>(&mut self, file: &mut File<'a>, id: u64) -> Result<&'a [u8]> {
        let mut found = None;
        btree2::each(file, self.huge.ok_or(Hdf5Error::Damaged(WHAT))?, 1, |_, mut record| {
            let (address, length) = (record.address()?, record.length()?);
            if record.length()? == id {
                found = Some((address, length));
            }
            Ok(())
        })?;
        let (address, length) = found.ok_or(Hdf5Error::Damaged(WHAT))?;
        file.block(address, length, WHAT)
    }
}

/// Bytes that the heap reserves for the length of an object of at most so many bytes.
fn bytes(greatest: u64) -> usize {
    greatest.checked_ilog2().unwrap_or(0).div_ceil(8) as usize
}
