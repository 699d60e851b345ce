//! Attributes of objects, as far as `hickle` needs them: one text, one integer or one reference each.

use super::dataspace;
use super::datatype::Datatype;
use super::error::{Hdf5Error, Result};
use super::file::{Cursor, File};
use super::header::{Header, Message};
use super::heap::{self, Heaps};
use crate::formats::ndarray::DType;
use crate::formats::pickle::Value;

const WHAT: &str = "attribute";

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Attribute {
    Text(String),
    Integer(i64),
    Reference(u64),
}

/// The attributes of one object.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a>(Vec<(&'a [u8], Attribute)>);

impl<'a> Attributes<'a> {
    pub fn read(file: &mut File<'a>, header: &Header<'a>, heaps: &mut Heaps<'a>) -> Result<Self> {
        let mut attributes = Self::default();
        for message in &header.attributes {
            file.work.visit(1)?;
            file.work.take(2 * size_of::<(&[u8], Attribute)>() as u64)?;
            match attribute(file, *message, heaps) {
                Ok(Some(attribute)) => attributes.0.push(attribute),
                Ok(None) | Err(Hdf5Error::NotRead(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(attributes)
    }

    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.iter().find(|(own, _)| *own == name.as_bytes()).map(|(_, attribute)| attribute)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Attribute::Text(text)) => Some(text),
            _ => None,
        }
    }
}

fn attribute<'a>(
    file: &mut File<'a>,
    message: Message<'a>,
    heaps: &mut Heaps<'a>,
) -> Result<Option<(&'a [u8], Attribute)>> {
    let mut fields = file.fields(message.own()?, WHAT);
    let version = fields.version(&[1, 2, 3])?;
    let flags = fields.u8()?;
    let sizes = (fields.u16()?, fields.u16()?, fields.u16()?);
    fields.take(usize::from(version == 3))?;
    let mut part = |size: u16| {
        let padded = if version == 1 { size.checked_next_multiple_of(8) } else { Some(size) };
        fields.part(padded.ok_or(Hdf5Error::Damaged(WHAT))?.into())
    };
    let (name, datatype, space) = (part(sizes.0)?.take_all(), part(sizes.1)?.take_all(), part(sizes.2)?);
    let name = name.split(|&byte| byte == 0).next().unwrap_or(name);
    if version > 1 && flags & 2 != 0 {
        return Ok(None);
    }
    let datatype = Datatype::read(file, Message { body: datatype, shared: version > 1 && flags & 1 != 0 })?;
    let one = dataspace::parse(space)?.is_some_and(|shape| shape.sizes.iter().all(|&size| size == 1));
    if !one {
        return Ok(None);
    }
    Ok(value(file, datatype, fields, heaps)?.map(|value| (name, value)))
}

fn value<'a>(
    file: &mut File<'a>,
    datatype: Datatype,
    mut fields: Cursor<'a>,
    heaps: &mut Heaps<'a>,
) -> Result<Option<Attribute>> {
    Ok(match datatype {
        Datatype::Text => Some(Attribute::Text(heaps.text(file, fields)?)),
        Datatype::Reference => fields.maybe_address()?.map(Attribute::Reference),
        Datatype::Plain(encoding) if encoding.dtype == DType::Bytes => {
            Some(Attribute::Text(heap::text(file, fields.take(encoding.size)?)?))
        }
        Datatype::Plain(encoding) => {
            let one = encoding.decode(vec![], false, fields.take(encoding.size)?, &mut file.work.budget)?;
            match one.value(0) {
                Some(Value::Int(number)) => Some(Attribute::Integer(number)),
                _ => None,
            }
        }
        Datatype::Other(_) => None,
    })
}
