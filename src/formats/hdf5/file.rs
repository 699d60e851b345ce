//! The bytes of a file, and fields in them.

use super::checksum;
use super::error::{Hdf5Error, Result};
use super::work::Work;

/// A file, from its superblock on: addresses count from there.
#[derive(Debug)]
pub(super) struct File<'a> {
    pub bytes: &'a [u8],
    pub widths: Widths,
    pub work: Work<'a>,
}

/// Bytes of an address and of a length; 2, 4 or 8.
#[derive(Debug, Clone, Copy)]
pub(super) struct Widths {
    pub offset: usize,
    pub length: usize,
}

impl<'a> File<'a> {
    /// Fields from an address on. Counts as one step.
    pub fn at(&mut self, address: u64, what: &'static str) -> Result<Cursor<'a>> {
        self.work.visit(1)?;
        let start = usize::try_from(address).ok().and_then(|start| self.bytes.get(start..));
        Ok(self.fields(start.ok_or(Hdf5Error::Truncated(what))?, what))
    }

    /// The bytes at an address.
    pub fn block(&self, address: u64, length: u64, what: &'static str) -> Result<&'a [u8]> {
        let range = || Some(usize::try_from(address).ok()?..usize::try_from(address.checked_add(length)?).ok()?);
        range().and_then(|range| self.bytes.get(range)).ok_or(Hdf5Error::Truncated(what))
    }

    /// The fields of bytes that have been read before.
    pub fn fields(&self, bytes: &'a [u8], what: &'static str) -> Cursor<'a> {
        Cursor { rest: bytes, what, widths: self.widths }
    }

    /// Where the next field lies.
    pub fn address_of(&self, fields: &Cursor) -> u64 {
        (self.bytes.len() - fields.left()) as u64
    }

    /// Compares the bytes from an address up to a cursor with the checksum at the cursor.
    pub fn verify(&mut self, address: u64, mut end: Cursor<'a>) -> Result<()> {
        let length = (self.bytes.len() as u64).saturating_sub(address).saturating_sub(end.left() as u64);
        self.work.visit(length / 64)?;
        let found = checksum::lookup3(self.block(address, length, end.what)?);
        // A fuzzer would get no further than to a wrong sum.
        if end.u32()? == found || cfg!(fuzzing) { Ok(()) } else { Err(Hdf5Error::Checksum(end.what)) }
    }
}

/// Takes fields off the front of some bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    what: &'static str,
    widths: Widths,
}

impl<'a> Cursor<'a> {
    /// Bytes that are not yet taken.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Hdf5Error::Truncated(self.what))?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn take_all(self) -> &'a [u8] {
        self.rest
    }

    /// A sub-range of a given length, as fields of its own.
    pub fn part(&mut self, length: u64) -> Result<Self> {
        let length = usize::try_from(length).map_err(|_| Hdf5Error::Truncated(self.what))?;
        Ok(Self { rest: self.take(length)?, ..*self })
    }

    pub fn starts_with(&self, signature: &[u8]) -> bool {
        self.rest.starts_with(signature)
    }

    /// A signature that must be there.
    pub fn signature(&mut self, signature: &[u8]) -> Result<()> {
        if self.take(signature.len())? == signature { Ok(()) } else { Err(Hdf5Error::Damaged(self.what)) }
    }

    /// A version that must be one of those that are read.
    pub fn version(&mut self, known: &[u8]) -> Result<u8> {
        let version = self.u8()?;
        if known.contains(&version) {
            return Ok(version);
        }
        Hdf5Error::not_read(format!("{} of version {version}", self.what))
    }

    /// An unsigned number of at most 8 bytes.
    pub fn uint(&mut self, size: usize) -> Result<u64> {
        let bytes = self.take(size)?;
        let mut number = [0; 8];
        number.get_mut(..size).ok_or(Hdf5Error::Damaged(self.what))?.copy_from_slice(bytes);
        Ok(u64::from_le_bytes(number))
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.uint(1)? as u8)
    }

    pub fn u16(&mut self) -> Result<u16> {
        Ok(self.uint(2)? as u16)
    }

    pub fn u32(&mut self) -> Result<u32> {
        Ok(self.uint(4)? as u32)
    }

    pub fn u64(&mut self) -> Result<u64> {
        self.uint(8)
    }

    pub fn length(&mut self) -> Result<u64> {
        self.uint(self.widths.length)
    }

    /// A length, or `None` where there is no bound: all bits set.
    pub fn maybe_length(&mut self) -> Result<Option<u64>> {
        self.maybe(self.widths.length)
    }

    /// An address, or `None` where nothing is: all bits set.
    pub fn maybe_address(&mut self) -> Result<Option<u64>> {
        self.maybe(self.widths.offset)
    }

    fn maybe(&mut self, size: usize) -> Result<Option<u64>> {
        Ok(Some(self.uint(size)?).filter(|number| number.count_ones() < 8 * size as u32))
    }

    /// An address of something that must be there.
    pub fn address(&mut self) -> Result<u64> {
        self.maybe_address()?.ok_or(Hdf5Error::Damaged(self.what))
    }
}
