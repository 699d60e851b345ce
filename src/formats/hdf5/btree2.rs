//! B-trees of version 2: the links of new groups, large objects of heaps, and the chunks of new datasets.

use super::error::{Hdf5Error, Result};
use super::file::{Cursor, File};

const WHAT: &str = "B-tree of version 2";
/// Signature, version, type and checksum of a node.
const FRAME: u64 = 10;

/// Sizes that the header of a tree says, or that follow from it.
struct Tree {
    kind: u8,
    record: u64,
    /// Of each level of nodes, the leaves first: bytes of a pointer to such a node.
    pointers: Vec<[usize; 3]>,
}

/// A node that is to be visited: its address, its number of records, and the levels below it.
type Pending = (u64, u64, usize);

/// Calls `visit` with each record of a tree of a type.
pub(super) fn each<'a>(
    file: &mut File<'a>,
    address: u64,
    kind: u8,
    mut visit: impl FnMut(&mut File<'a>, Cursor<'a>) -> Result<()>,
) -> Result<()> {
    let (tree, root) = header(file, address, kind)?;
    let mut pending: Vec<Pending> = root.into_iter().collect();
    while let Some((address, count, depth)) = pending.pop() {
        let mut node = file.at(address, WHAT)?;
        node.signature(if depth == 0 { b"BTLF" } else { b"BTIN" })?;
        node.version(&[0])?;
        if node.u8()? != tree.kind {
            return Err(Hdf5Error::Damaged(WHAT));
        }
        let mut records = node.part(count.saturating_mul(tree.record))?;
        if let Some(below) = depth.checked_sub(1) {
            children(file, &tree, &mut node, count, below, &mut pending)?;
        }
        file.verify(address, node)?;
        for _ in 0..count {
            file.work.visit(1)?;
            let record = records.part(tree.record)?;
            visit(file, record)?;
        }
    }
    Ok(())
}

fn children<'a>(
    file: &mut File<'a>,
    tree: &Tree,
    node: &mut Cursor<'a>,
    count: u64,
    below: usize,
    pending: &mut Vec<Pending>,
) -> Result<()> {
    let [address, own, all] = *tree.pointers.get(below).ok_or(Hdf5Error::Damaged(WHAT))?;
    for _ in 0..=count {
        file.work.visit(1)?;
        file.work.take(2 * size_of::<Pending>() as u64)?;
        let (child, records) = (node.uint(address)?, node.uint(own)?);
        node.take(all)?;
        pending.push((child, records, below));
    }
    Ok(())
}

fn header<'a>(file: &mut File<'a>, address: u64, kind: u8) -> Result<(Tree, Option<Pending>)> {
    let mut fields = file.at(address, WHAT)?;
    fields.signature(b"BTHD")?;
    fields.version(&[0])?;
    if fields.u8()? != kind {
        return Err(Hdf5Error::Damaged(WHAT));
    }
    let (node, record, depth) = (u64::from(fields.u32()?), u64::from(fields.u16()?), fields.u16()?);
    fields.take(2)?;
    let (root, count) = (fields.maybe_address()?, u64::from(fields.u16()?));
    fields.length()?;
    file.verify(address, fields)?;
    let pointers = pointers(node, record, depth, file.widths.offset).ok_or(Hdf5Error::Damaged(WHAT))?;
    Ok((Tree { kind, record, pointers }, root.map(|root| (root, count, depth.into()))))
}

/// The size of a pointer to a node of each level: the address, the number of its records, and the number of all records at and below it. The
/// numbers take as many bytes as the greatest ones that fit into the nodes.
fn pointers(node: u64, record: u64, depth: u16, address: usize) -> Option<Vec<[usize; 3]>> {
    let bytes = |greatest: u64| (greatest.checked_ilog2().unwrap_or(0) / 8 + 1) as usize;
    let leaf = node.checked_sub(FRAME)?.checked_div(record)?;
    let mut pointers = vec![[address, bytes(leaf), 0]];
    let mut greatest = leaf;
    // No tree is so deep: the number of records must fit into 64 bits.
    for _ in 1..depth.min(64) {
        let pointer: usize = pointers.last()?.iter().sum();
        let own = node.checked_sub(FRAME + pointer as u64)?.checked_div(record + pointer as u64)?;
        greatest = own.saturating_add(1).saturating_mul(greatest).saturating_add(own);
        pointers.push([address, bytes(leaf), bytes(greatest)]);
    }
    Some(pointers)
}
