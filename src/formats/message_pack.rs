//! MessagePack, with arrays as `msgpack-numpy` writes them: maps of `nd`, `type`, `shape`, `data`.

use rmp::Marker;
use rmp::decode::{RmpRead, read_marker};

use super::FormatError;
use super::limits::Budget;
use super::ndarray::decode::Encoding;
use super::ndarray::{ArrayData, ArrayError};
use super::pickle::{Dict, Value};

type Result<T> = std::result::Result<T, FormatError>;

/// Reads one value and nothing behind it.
pub(super) fn parse(bytes: &[u8], budget: &mut Budget) -> Result<Value> {
    let mut rest = bytes;
    let read = value(&mut rest, 0, budget)?;
    if rest.is_empty() { Ok(read) } else { Err(bad("bytes follow the value")) }
}

fn bad(what: &str) -> FormatError {
    FormatError::MessagePack(what.into())
}

/// A value within so many containers.
fn value(rest: &mut &[u8], level: u32, budget: &mut Budget) -> Result<Value> {
    budget.nodes(1)?;
    let truncated = || bad("truncated");
    macro_rules! number {
        ($read:ident) => {
            rest.$read().map_err(|_| truncated())?
        };
    }
    Ok(match read_marker(rest).map_err(|_| truncated())? {
        Marker::Null => Value::None,
        Marker::True => Value::Bool(true),
        Marker::False => Value::Bool(false),
        Marker::FixPos(number) => Value::Int(number.into()),
        Marker::FixNeg(number) => Value::Int(number.into()),
        Marker::U8 => Value::Int(number!(read_data_u8).into()),
        Marker::U16 => Value::Int(number!(read_data_u16).into()),
        Marker::U32 => Value::Int(number!(read_data_u32).into()),
        Marker::U64 => {
            let number = number!(read_data_u64);
            i64::try_from(number).map_or_else(|_| Value::BigInt(number.to_string().into()), Value::Int)
        }
        Marker::I8 => Value::Int(number!(read_data_i8).into()),
        Marker::I16 => Value::Int(number!(read_data_i16).into()),
        Marker::I32 => Value::Int(number!(read_data_i32).into()),
        Marker::I64 => Value::Int(number!(read_data_i64)),
        Marker::F32 => Value::Float(number!(read_data_f32).into()),
        Marker::F64 => Value::Float(number!(read_data_f64)),
        Marker::FixStr(length) => text(length.into(), rest, budget)?,
        Marker::Str8 | Marker::Bin8 => text(number!(read_data_u8).into(), rest, budget)?,
        Marker::Str16 | Marker::Bin16 => text(number!(read_data_u16).into(), rest, budget)?,
        Marker::Str32 | Marker::Bin32 => text(number!(read_data_u32), rest, budget)?,
        Marker::FixArray(length) => list(length.into(), rest, level, budget)?,
        Marker::Array16 => list(number!(read_data_u16).into(), rest, level, budget)?,
        Marker::Array32 => list(number!(read_data_u32), rest, level, budget)?,
        Marker::FixMap(length) => map(length.into(), rest, level, budget)?,
        Marker::Map16 => map(number!(read_data_u16).into(), rest, level, budget)?,
        Marker::Map32 => map(number!(read_data_u32), rest, level, budget)?,
        Marker::FixExt1 => extension(1, rest)?,
        Marker::FixExt2 => extension(2, rest)?,
        Marker::FixExt4 => extension(4, rest)?,
        Marker::FixExt8 => extension(8, rest)?,
        Marker::FixExt16 => extension(16, rest)?,
        Marker::Ext8 => extension(number!(read_data_u8).into(), rest)?,
        Marker::Ext16 => extension(number!(read_data_u16).into(), rest)?,
        Marker::Ext32 => extension(number!(read_data_u32), rest)?,
        Marker::Reserved => return Err(bad("a reserved marker")),
    })
}

fn take<'b>(rest: &mut &'b [u8], length: u32) -> Result<&'b [u8]> {
    let (taken, behind) = rest.split_at_checked(length as usize).ok_or_else(|| bad("truncated"))?;
    *rest = behind;
    Ok(taken)
}

/// Written by Python 2, or without `use_bin_type`, text is bytes and bytes are text.
fn text(length: u32, rest: &mut &[u8], budget: &mut Budget) -> Result<Value> {
    budget.bytes(length.into())?;
    let bytes = take(rest, length)?;
    Ok(std::str::from_utf8(bytes).map_or_else(|_| Value::Bytes(bytes.into()), Value::from))
}

fn list(length: u32, rest: &mut &[u8], level: u32, budget: &mut Budget) -> Result<Value> {
    budget.level(level + 1)?;
    let items = (0..length).map(|_| value(rest, level + 1, budget)).collect::<Result<Vec<_>>>()?;
    Ok(Value::List(items.into()))
}

fn map(length: u32, rest: &mut &[u8], level: u32, budget: &mut Budget) -> Result<Value> {
    budget.level(level + 1)?;
    let entry = |_| Ok((value(rest, level, budget)?, value(rest, level + 1, budget)?));
    let dict = (0..length).map(entry).collect::<Result<Dict>>()?;
    Ok(array(&dict, budget)?.unwrap_or_else(|| Value::Dict(dict.into())))
}

fn extension(length: u32, rest: &mut &[u8]) -> Result<Value> {
    let kind = take(rest, 1)?[0] as i8;
    take(rest, length)?;
    Ok(Value::Unread(format!("an extension of MessagePack, type {kind}").into()))
}

/// The array that a map stands for; scalars of numpy become numbers.
fn array(map: &Dict, budget: &mut Budget) -> Result<Option<Value>> {
    fn bytes(value: &Value) -> Option<&[u8]> {
        match value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Str(text) => Some(text.as_bytes()),
            _ => None,
        }
    }
    let (Some(_), Some(code), Some(data)) = (map.get("nd"), map.get("type"), map.get("data")) else { return Ok(None) };
    let unread = |what: String| Ok(Some(Value::Unread(what.into())));
    let (Value::Str(code), Some(data)) = (code, bytes(data)) else {
        return unread(format!("an array of type {}", code.type_name()));
    };
    let problem = |problem| FormatError::Array { field: "array".into(), problem };
    let sizes = match map.get("shape") {
        Some(Value::List(sizes)) => &**sizes,
        _ => &[],
    };
    let size = |size: &Value| usize::try_from(size.as_i64().ok()?).ok();
    let Some(shape) = sizes.iter().map(size).collect() else { return Err(bad("a shape that is no list of sizes")) };
    let plain = code.strip_prefix(['<', '>', '|', '=']).unwrap_or(code);
    let encoding = match Encoding::from_numpy(plain) {
        Err(ArrayError::Unsupported(kind)) => return unread(format!("numbers of type {kind}")),
        encoding => Encoding { big_endian: code.starts_with('>'), ..encoding.map_err(problem)? },
    };
    let read = encoding.decode(shape, false, data, budget).map_err(problem)?;
    let scalar = matches!(read.data(), ArrayData::F32(_) | ArrayData::F64(_) | ArrayData::I64(_));
    let scalar = if scalar && read.shape().is_empty() { read.value(0) } else { None };
    Ok(Some(scalar.unwrap_or_else(|| Value::Array(read.into()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Limits;

    fn read(bytes: &[u8]) -> Result<Value> {
        parse(bytes, &mut Budget::new(&Limits::default(), bytes.len()))
    }

    #[test]
    fn every_marker_is_read() {
        let value = read(b"\x9a\x07\xe0\xcd\x01\x00\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xcb\x3f\xf8\0\0\0\0\0\0\xc0\xc3\xa2hi\xc4\x01\xff\x81\xa1a\xd4\x05\0");
        let value = value.unwrap();
        let items: Vec<_> = value.as_list().unwrap().iter().map(|item| item.value().clone()).collect();
        assert_eq!(items[..3], [Value::Int(7), Value::Int(-32), Value::Int(256)]);
        assert_eq!(items[3], Value::BigInt(u64::MAX.to_string().into()));
        assert_eq!(items[4..7], [Value::Float(1.5), Value::None, Value::Bool(true)]);
        assert_eq!(items[7..9], [Value::from("hi"), Value::Bytes([0xff].as_slice().into())]);
        let unread = items[9].as_dict().unwrap().get("a").unwrap().as_i64().unwrap_err().to_string();
        assert!(unread.contains("an extension of MessagePack, type 5"), "{unread}");
    }

    #[test]
    fn what_is_announced_and_not_there_costs_nothing() {
        for bytes in [
            b"\xdd\xff\xff\xff\xff".as_slice(),
            b"\xdf\xff\xff\xff\xff",
            b"\xdb\xff\xff\xff\xff",
            b"\xc6\xff\xff\xff\xff",
            b"\xcd\x01",
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        assert!(read(&[0x91; 1_000_000]).unwrap_err().to_string().contains("levels of nesting"));
        assert!(read(b"\xc0\xc0").unwrap_err().to_string().contains("bytes follow"));
        // {"nd": true, "type": "|S0", "shape": [300000000], "data": ""}
        let array = b"\x84\xa2nd\xc3\xa4type\xa3|S0\xa5shape\x91\xce\x11\xe1\xa3\0\xa4data\xa0";
        assert!(read(array).unwrap_err().to_string().contains("bytes of"));
    }
}
