//! B-trees of version 1: the links of old groups, and the chunks of old datasets.

use super::error::{Hdf5Error, Result};
use super::file::{Cursor, File};

const WHAT: &str = "B-tree";
/// What an address on the stack takes.
const PENDING: u64 = 32;

/// Calls `visit` with each key and child of the leaves. A key takes `key` bytes.
pub(super) fn each<'a>(
    file: &mut File<'a>,
    root: u64,
    kind: u8,
    key: usize,
    mut visit: impl FnMut(&mut File<'a>, Cursor<'a>, u64) -> Result<()>,
) -> Result<()> {
    let mut pending = vec![(root, None)];
    while let Some((address, expected)) = pending.pop() {
        let mut node = file.at(address, WHAT)?;
        node.signature(b"TREE")?;
        let (found, level, count) = (node.u8()?, node.u8()?, node.u16()?);
        // Levels decrease, so no node is below itself.
        if found != kind || expected.is_some_and(|expected| level != expected) {
            return Err(Hdf5Error::Damaged(WHAT));
        }
        node.maybe_address()?;
        node.maybe_address()?;
        for _ in 0..count {
            file.work.visit(1)?;
            let (key, child) = (node.part(key as u64)?, node.address()?);
            match level.checked_sub(1) {
                None => visit(file, key, child)?,
                Some(below) => {
                    file.work.take(PENDING)?;
                    pending.push((child, Some(below)));
                }
            }
        }
    }
    Ok(())
}
