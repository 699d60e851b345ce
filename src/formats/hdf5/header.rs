//! Object headers: the messages that say what a group or dataset is.

use super::error::{Hdf5Error, Result};
use super::file::{Cursor, File};

const WHAT: &str = "object header";

/// One message, and whether it lies elsewhere and is only referred to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub body: &'a [u8],
    pub shared: bool,
}

/// The messages of one object, as far as they matter.
#[derive(Debug, Default)]
pub(super) struct Header<'a> {
    pub dataspace: Option<Message<'a>>,
    pub datatype: Option<Message<'a>>,
    pub old_fill: Option<Message<'a>>,
    pub fill: Option<Message<'a>>,
    pub layout: Option<Message<'a>>,
    pub filters: Option<Message<'a>>,
    pub symbol_table: Option<Message<'a>>,
    pub link_info: Option<Message<'a>>,
    pub links: Vec<Message<'a>>,
    pub attributes: Vec<Message<'a>>,
    /// Whether the values lie in other files.
    pub external: bool,
    group: bool,
}

impl<'a> Header<'a> {
    pub fn read(file: &mut File<'a>, address: u64) -> Result<Self> {
        let fields = file.at(address, WHAT)?;
        let mut header = Self::default();
        let mut blocks = Blocks { pending: vec![], left: file.bytes.len() };
        if fields.starts_with(b"OHDR") {
            header.second(file, address, fields, &mut blocks)?;
        } else {
            header.first(file, address, fields, &mut blocks)?;
        }
        Ok(header)
    }

    /// A group, as opposed to a dataset or a named data type.
    pub fn is_group(&self) -> bool {
        self.group || self.symbol_table.is_some() || self.link_info.is_some() || !self.links.is_empty()
    }

    fn first(&mut self, file: &mut File<'a>, address: u64, mut fields: Cursor<'a>, blocks: &mut Blocks) -> Result<()> {
        fields.version(&[1])?;
        fields.take(1)?;
        let mut count = fields.u16()?;
        fields.take(4)?;
        let length = fields.u32()?.into();
        blocks.push(address.saturating_add(16), length)?;
        while let Some((address, length)) = blocks.pending.pop() {
            let mut fields = file.at(address, WHAT)?.part(length)?;
            while count > 0 && fields.left() >= 8 {
                let (kind, length, flags) = (fields.u16()?, fields.u16()?, fields.u8()?);
                fields.take(3)?;
                self.message(file, kind, flags, fields.take(length.into())?, blocks)?;
                count -= 1;
            }
        }
        Ok(())
    }

    fn second(&mut self, file: &mut File<'a>, address: u64, fields: Cursor<'a>, blocks: &mut Blocks) -> Result<()> {
        let mut head = fields;
        head.signature(b"OHDR")?;
        head.version(&[2])?;
        let flags = head.u8()?;
        let times = if flags & 0x20 == 0 { 0 } else { 16 };
        let phases = if flags & 0x10 == 0 { 0 } else { 4 };
        head.take(times + phases)?;
        let length = head.uint(1 << (flags & 3))?;
        let mut messages = head.part(length)?;
        let (mut address, mut end) = (address, head);
        loop {
            file.verify(address, end)?;
            self.messages(file, messages, flags, blocks)?;
            let Some((next, length)) = blocks.pending.pop() else { return Ok(()) };
            let mut block = file.at(next, WHAT)?;
            block.signature(b"OCHK")?;
            let inner = length.checked_sub(8).ok_or(Hdf5Error::Truncated(WHAT))?;
            messages = block.part(inner)?;
            (address, end) = (next, block);
        }
    }

    /// The messages of one block of a header of version 2; what is too short for one is a gap.
    fn messages(&mut self, file: &mut File<'a>, mut fields: Cursor<'a>, flags: u8, blocks: &mut Blocks) -> Result<()> {
        let order = if flags & 4 == 0 { 0 } else { 2 };
        while fields.left() >= 4 + order {
            let (kind, length, flags) = (fields.u8()?, fields.u16()?, fields.u8()?);
            fields.take(order)?;
            self.message(file, kind.into(), flags, fields.take(length.into())?, blocks)?;
        }
        Ok(())
    }

    fn message(
        &mut self,
        file: &mut File<'a>,
        kind: u16,
        flags: u8,
        body: &'a [u8],
        blocks: &mut Blocks,
    ) -> Result<()> {
        file.work.visit(1)?;
        let message = Message { body, shared: flags & 2 != 0 };
        match kind {
            0x01 => self.dataspace = Some(message),
            0x02 => self.link_info = Some(message),
            0x03 => self.datatype = Some(message),
            0x04 => self.old_fill = Some(message),
            0x05 => self.fill = Some(message),
            0x07 => self.external = true,
            0x08 => self.layout = Some(message),
            0x0a => self.group = true,
            0x0b => self.filters = Some(message),
            0x11 => self.symbol_table = Some(message),
            0x06 | 0x0c => {
                file.work.take(2 * size_of::<Message>() as u64)?;
                if kind == 0x06 { self.links.push(message) } else { self.attributes.push(message) }
            }
            0x10 => {
                let mut fields = file.fields(body, "continuation of an object header");
                blocks.push(fields.address()?, fields.length()?)?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Blocks of one header that are not yet read. Together they are no longer than the file, so that none can continue in itself for ever.
struct Blocks {
    pending: Vec<(u64, u64)>,
    left: usize,
}

impl Blocks {
    fn push(&mut self, address: u64, length: u64) -> Result<()> {
        let left = usize::try_from(length).ok().and_then(|length| self.left.checked_sub(length));
        self.left = left.ok_or(Hdf5Error::Damaged(WHAT))?;
        self.pending.push((address, length));
        Ok(())
    }
}

impl<'a> Message<'a> {
    /// The message itself, which must not lie elsewhere.
    pub fn own(self) -> Result<&'a [u8]> {
        if self.shared { Hdf5Error::not_read("a header that shares its messages") } else { Ok(self.body) }
    }
}
