//! The links of a group, in the old and the new style.

use super::error::{Hdf5Error, Result};
use super::file::{Cursor, File};
use super::fractal::Heap;
use super::header::Header;
use super::{btree1, btree2};

/// Where a link leads.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    /// To an object header.
    Hard(u64),
    /// To a path in the same file.
    Soft(String),
    /// To another file.
    External,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Link {
    pub name: String,
    pub target: Target,
    order: Option<u64>,
}

/// What a link, and the entry that is made of it, may take in memory beside its name.
const LINK: u64 = 512;

/// All links of a group, in the order of their creation if the file knows it, otherwise by name.
pub(super) fn links<'a>(file: &mut File<'a>, header: &Header<'a>) -> Result<Vec<Link>> {
    let mut links = vec![];
    if let Some(message) = header.symbol_table {
        let fields = file.fields(message.own()?, "symbol table");
        old(file, fields, &mut links)?;
    }
    for message in &header.links {
        let fields = file.fields(message.own()?, "link");
        links.push(link(file, fields)?);
    }
    if let Some(message) = header.link_info {
        let fields = file.fields(message.own()?, "link information");
        dense(file, fields, &mut links)?;
    }
    if links.iter().all(|link| link.order.is_some()) {
        links.sort_by_key(|link| link.order);
    } else {
        links.sort_by(|one, other| one.name.cmp(&other.name));
    }
    Ok(links)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The link of a message.
fn link(file: &mut File, mut fields: Cursor) -> Result<Link> {
    fields.version(&[1])?;
    let flags = fields.u8()?;
    let kind = if flags & 8 == 0 { 0 } else { fields.u8()? };
    let order = if flags & 4 == 0 { None } else { Some(fields.u64()?) };
    fields.take(usize::from(flags >> 4 & 1))?;
    let length = fields.uint(1 << (flags & 3))?;
    file.work.take(LINK.saturating_add(length.saturating_mul(2)))?;
    let length = usize::try_from(length).map_err(|_| Hdf5Error::Truncated("link"))?;
    let name = text(fields.take(length)?);
    let target = match kind {
        0 => Target::Hard(fields.address()?),
        1 => {
            let length = usize::from(fields.u16()?);
            file.work.take(length as u64)?;
            Target::Soft(text(fields.take(length)?))
        }
        _ => Target::External,
    };
    Ok(Link { name, target, order })
}

/// Links in a heap, found by a tree of the hashes of their names.
fn dense<'a>(file: &mut File<'a>, mut fields: Cursor<'a>, links: &mut Vec<Link>) -> Result<()> {
    fields.version(&[0])?;
    let flags = fields.u8()?;
    fields.take(if flags & 1 == 0 { 0 } else { 8 })?;
    let (Some(heap), Some(tree)) = (fields.maybe_address()?, fields.maybe_address()?) else { return Ok(()) };
    let mut heap = Heap::read(file, heap)?;
    btree2::each(file, tree, 5, |file, mut record| {
        record.take(4)?;
        let object = heap.object(file, record)?;
        let fields = file.fields(object, "link");
        links.push(link(file, fields)?);
        Ok(())
    })
}

/// Links in the nodes of a tree, with their names in a heap.
fn old<'a>(file: &mut File<'a>, mut fields: Cursor<'a>, links: &mut Vec<Link>) -> Result<()> {
    let (tree, heap) = (fields.address()?, fields.address()?);
    let names = names(file, heap)?;
    btree1::each(file, tree, 0, file.widths.length, |file, _, node| {
        let mut fields = file.at(node, "symbol table")?;
        fields.signature(b"SNOD")?;
        fields.version(&[1])?;
        fields.take(1)?;
        for _ in 0..fields.u16()? {
            file.work.visit(1)?;
            links.push(entry(file, &mut fields, names)?);
        }
        Ok(())
    })
}

/// The names of an old group.
fn names<'a>(file: &mut File<'a>, address: u64) -> Result<&'a [u8]> {
    let mut fields = file.at(address, "local heap")?;
    fields.signature(b"HEAP")?;
    fields.version(&[0])?;
    fields.take(3)?;
    let length = fields.length()?;
    fields.length()?;
    file.block(fields.address()?, length, "local heap")
}

fn entry(file: &mut File, fields: &mut Cursor, names: &[u8]) -> Result<Link> {
    let (name, header) = (fields.uint(file.widths.offset)?, fields.maybe_address()?);
    let (kind, _) = (fields.u32()?, fields.u32()?);
    let mut scratch = fields.part(16)?;
    let name = name_at(file, names, name)?;
    let target = match (kind, header) {
        (2, _) => Target::Soft(name_at(file, names, scratch.u32()?.into())?),
        (_, Some(header)) => Target::Hard(header),
        (_, None) => return Err(Hdf5Error::Damaged("symbol table")),
    };
    Ok(Link { name, target, order: None })
}

/// A name in a heap: it ends with a zero.
fn name_at(file: &mut File, names: &[u8], at: u64) -> Result<String> {
    let rest = usize::try_from(at).ok().and_then(|at| names.get(at..)).ok_or(Hdf5Error::Truncated("local heap"))?;
    let length = rest.iter().position(|&byte| byte == 0).ok_or(Hdf5Error::Truncated("local heap"))?;
    file.work.visit(length as u64 / 64)?;
    file.work.take(LINK + 2 * length as u64)?;
    Ok(text(rest.get(..length).unwrap_or(rest)))
}
