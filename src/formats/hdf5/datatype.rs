//! Types of elements.

use super::error::{Hdf5Error, Result};
use super::file::{Cursor, File};
use super::header::{Header, Message};
use crate::formats::ndarray::DType;
use crate::formats::ndarray::decode::Encoding;

const WHAT: &str = "datatype";

/// A type of elements, as far as such elements are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Datatype {
    /// Numbers, booleans, or texts of one length.
    Plain(Encoding),
    /// Text of variable length: its length and its place in a heap.
    Text,
    /// The address of an object.
    Reference,
    /// Anything else, by name.
    Other(&'static str),
}

impl Datatype {
    /// From a message, which may refer to a type that has a name of its own.
    pub fn read<'a>(file: &mut File<'a>, message: Message<'a>) -> Result<Self> {
        let body = if message.shared { named(file, message.body)? } else { message.body };
        parse(&mut file.fields(body, WHAT))
    }
}

/// The type that another object holds.
fn named<'a>(file: &mut File<'a>, body: &'a [u8]) -> Result<&'a [u8]> {
    let mut fields = file.fields(body, WHAT);
    let (version, kind) = (fields.version(&[1, 2, 3])?, fields.u8()?);
    if version == 3 && kind != 2 {
        return Hdf5Error::not_read("a header that shares its messages");
    }
    if version == 1 {
        fields.take(6)?;
    }
    let address = fields.address()?;
    Header::read(file, address)?.datatype.ok_or(Hdf5Error::Damaged(WHAT))?.own()
}

fn parse(fields: &mut Cursor) -> Result<Datatype> {
    let (class, bits, size) = (fields.u8()?, fields.uint(3)?, fields.u32()? as usize);
    let plain = |dtype, big_endian| Datatype::Plain(Encoding { dtype, size, big_endian });
    let other = |name| Ok(Datatype::Other(name));
    match class & 15 {
        0 => match (integer(size, bits & 8 != 0), fields.u16()?, usize::from(fields.u16()?)) {
            (Some(dtype), 0, precision) if precision == 8 * size => Ok(plain(dtype, bits & 1 != 0)),
            _ => other("integers of an uncommon size"),
        },
        1 => match float(size, bits, fields)? {
            Some(dtype) => Ok(plain(dtype, bits & 1 != 0)),
            None => other("floating point numbers of an uncommon layout"),
        },
        2 => other("times"),
        3 if size == 0 => Err(Hdf5Error::Damaged(WHAT)),
        3 => Ok(plain(DType::Bytes, false)),
        // PyTables writes booleans so.
        4 if size == 1 => Ok(plain(DType::Bool, false)),
        4 => other("bit fields"),
        5 => other("opaque values"),
        6 => other("compound values"),
        7 if bits & 15 == 0 && size == 8 => Ok(Datatype::Reference),
        7 => other("references"),
        8 => enumeration(class >> 4, bits & 0xffff, fields),
        9 if bits & 15 == 1 => Ok(Datatype::Text),
        9 => other("sequences of variable length"),
        10 => other("arrays as elements"),
        11 => other("complex numbers"),
        _ => Err(Hdf5Error::Damaged(WHAT)),
    }
}

fn integer(size: usize, signed: bool) -> Option<DType> {
    Some(match (size, signed) {
        (1, true) => DType::I8,
        (2, true) => DType::I16,
        (4, true) => DType::I32,
        (8, true) => DType::I64,
        (1, false) => DType::U8,
        (2, false) => DType::U16,
        (4, false) => DType::U32,
        (8, false) => DType::U64,
        _ => return None,
    })
}

/// The types of IEEE 754; the leading bit of their mantissas is implied.
fn float(size: usize, bits: u64, fields: &mut Cursor) -> Result<Option<DType>> {
    let (offset, precision) = (fields.u16()?, usize::from(fields.u16()?));
    let exponent = (fields.u8()?, fields.u8()?);
    let (mantissa, bias) = ((fields.u8()?, fields.u8()?), fields.u32()?);
    let (order, implied, sign) = (bits & 0x41, bits >> 4 & 3, (bits >> 8 & 255) as usize);
    if order > 1 || implied != 2 || offset != 0 || precision != 8 * size || sign + 1 != precision {
        return Ok(None);
    }
    Ok(match (size, exponent, mantissa, bias) {
        (2, (10, 5), (0, 10), 15) => Some(DType::F16),
        (4, (23, 8), (0, 23), 127) => Some(DType::F32),
        (8, (52, 11), (0, 52), 1023) => Some(DType::F64),
        _ => None,
    })
}

/// Integers with names. Those named `FALSE` and `TRUE` are the booleans of h5py.
fn enumeration(version: u8, count: u64, fields: &mut Cursor) -> Result<Datatype> {
    // The base is an integer: an enumeration of enumerations would be a way to recurse.
    let class = fields.clone().u8()?;
    if class & 15 != 0 {
        return Ok(Datatype::Other("names of values that are no integers"));
    }
    let Datatype::Plain(base) = parse(fields)? else { return Ok(Datatype::Other("names of uncommon integers")) };
    if count != 2 || base.size != 1 {
        return Ok(Datatype::Plain(base));
    }
    let names = [name(version, fields)?, name(version, fields)?];
    let boolean = names == [&b"FALSE"[..], b"TRUE"] && fields.take(2)? == [0, 1];
    Ok(Datatype::Plain(Encoding { dtype: if boolean { DType::Bool } else { base.dtype }, ..base }))
}

/// A name that ends with a zero; up to version 2 there are zeros up to a multiple of 8 bytes.
fn name<'a>(version: u8, fields: &mut Cursor<'a>) -> Result<&'a [u8]> {
    let rest = fields.clone().take(fields.left())?;
    let length = rest.iter().position(|&byte| byte == 0).ok_or(Hdf5Error::Truncated(WHAT))?;
    let padded = if version < 3 { (length + 1).next_multiple_of(8) } else { length + 1 };
    let name = fields.take(padded)?;
    Ok(name.get(..length).unwrap_or(name))
}
