//! Global heaps: where values of variable length lie.

use std::collections::{HashMap, HashSet};

use super::error::{Hdf5Error, Result};
use super::file::{Cursor, File};

const WHAT: &str = "global heap";
/// What an object takes in the table.
const OBJECT: u64 = 96;

/// The objects of the heaps that have been asked for.
#[derive(Debug, Default)]
pub(super) struct Heaps<'a> {
    objects: HashMap<(u64, u16), &'a [u8]>,
    read: HashSet<u64>,
}

impl<'a> Heaps<'a> {
    /// The text that an element of variable length refers to.
    pub fn text(&mut self, file: &mut File<'a>, mut element: Cursor<'a>) -> Result<String> {
        let (length, heap, index) = (element.u32()? as usize, element.address()?, element.u32()?);
        if length == 0 {
            return Ok(String::new());
        }
        if self.read.insert(heap) {
            self.read(file, heap)?;
        }
        let index = u16::try_from(index).map_err(|_| Hdf5Error::Damaged(WHAT))?;
        let object = self.objects.get(&(heap, index)).and_then(|object| object.get(..length));
        text(file, object.ok_or(Hdf5Error::Truncated(WHAT))?)
    }

    fn read(&mut self, file: &mut File<'a>, address: u64) -> Result<()> {
        let mut fields = file.at(address, WHAT)?;
        let start = fields.left() as u64;
        fields.signature(b"GCOL")?;
        fields.version(&[1])?;
        fields.take(3)?;
        let size = fields.length()?;
        let head = start - fields.left() as u64;
        let mut fields = fields.part(size.checked_sub(head).ok_or(Hdf5Error::Truncated(WHAT))?)?;
        // An object of index 0 is the free space at the end.
        while fields.left() >= 8 + file.widths.length {
            file.work.visit(1)?;
            let index = fields.u16()?;
            fields.take(6)?;
            let length = fields.length()?;
            if index == 0 {
                break;
            }
            file.work.take(OBJECT)?;
            let object = fields.part(length)?.take_all();
            self.objects.insert((address, index), object);
            let padding = (length.next_multiple_of(8) - length) as usize;
            fields.take(padding.min(fields.left()))?;
        }
        Ok(())
    }
}

/// Bytes as text, up to the zeros that fill it up.
pub(super) fn text(file: &mut File, bytes: &[u8]) -> Result<String> {
    file.work.take(3 * bytes.len() as u64)?;
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    Ok(String::from_utf8_lossy(bytes.get(..end).unwrap_or(bytes)).into_owned())
}
