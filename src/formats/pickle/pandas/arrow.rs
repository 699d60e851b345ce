//! Arrays of Arrow, as `pyarrow` pickles them: text, numbers and booleans.
//!
//! `chunked_array([_restore_array((type, length, nulls, offset, [validity, ...buffers], children, dictionary)), ...], type)`; the layout of the
//! buffers is that of the Arrow columnar format.

use super::Result;
use crate::formats::limits::Budget;
use crate::formats::ndarray::DType;
use crate::formats::ndarray::decode::Encoding;
use crate::formats::pickle::value::{Opaque, Value};

/// The values of an array or of its chunks; `None` for a type that is not read, and for a broken array.
pub(super) fn values(array: &Value, budget: &mut Budget) -> Result<Option<Vec<Value>>> {
    let Value::Opaque(object) = array else { return Ok(None) };
    match (&*object.name, object.args.as_slice()) {
        ("chunked_array", [Value::List(chunks) | Value::Tuple(chunks), ..]) => {
            let mut all = vec![];
            for chunk in chunks.iter() {
                let Some(values) = values_of_chunk(chunk, budget)? else { return Ok(None) };
                all.extend(values);
            }
            Ok(Some(all))
        }
        _ => values_of_chunk(array, budget),
    }
}

fn values_of_chunk(chunk: &Value, budget: &mut Budget) -> Result<Option<Vec<Value>>> {
    let Some(chunk) = Chunk::new(chunk) else { return Ok(None) };
    // A bit of a buffer at least stands for each value.
    if chunk.buffers.iter().flatten().map(|buffer| buffer.len()).max().unwrap_or(0).saturating_mul(8) < chunk.length {
        return Ok(None);
    }
    budget.nodes(chunk.length)?;
    let mut values = Vec::with_capacity(chunk.length);
    for row in 0..chunk.length {
        let value = match chunk.is_missing(row) {
            Some(true) => Some(Value::None),
            Some(false) => chunk.value(row, budget)?,
            None => None,
        };
        let Some(value) = value else { return Ok(None) };
        values.push(value);
    }
    Ok(Some(values))
}

struct Chunk<'v> {
    kind: Kind,
    length: usize,
    offset: usize,
    buffers: Vec<Option<&'v [u8]>>,
}

enum Kind {
    /// Offsets of so many bytes into the text.
    Text(usize),
    Number(Encoding),
    Bits,
}

impl<'v> Chunk<'v> {
    fn new(value: &'v Value) -> Option<Self> {
        let Value::Opaque(object) = value else { return None };
        let [Value::Tuple(parts), ..] = object.args.as_slice() else { return None };
        let [kind, Value::Int(length), _, Value::Int(offset), Value::List(buffers) | Value::Tuple(buffers), ..] =
            &**parts
        else {
            return None;
        };
        let Value::Opaque(kind) = kind else { return None };
        Some(Self {
            kind: Kind::of(kind)?,
            length: usize::try_from(*length).ok()?,
            offset: usize::try_from(*offset).ok()?,
            buffers: buffers.iter().map(bytes).collect(),
        })
    }

    fn buffer(&self, number: usize) -> Option<&'v [u8]> {
        self.buffers.get(number).copied().flatten()
    }

    /// The first buffer has a bit for each value that is there; without it all are.
    fn is_missing(&self, row: usize) -> Option<bool> {
        match self.buffer(0) {
            Some(valid) => Some(!bit(valid, self.offset.checked_add(row)?)?),
            None => Some(false),
        }
    }

    fn value(&self, row: usize, budget: &mut Budget) -> Result<Option<Value>> {
        let at = self.offset.saturating_add(row);
        Ok(match &self.kind {
            Kind::Bits => self.buffer(1).and_then(|bits| bit(bits, at)).map(Value::Bool),
            Kind::Number(encoding) => match self.field(at, encoding.size) {
                Some(bytes) => encoding.decode(vec![], false, bytes, budget)?.value(0),
                None => None,
            },
            Kind::Text(width) => match self.text(at, *width) {
                Some(text) => {
                    budget.bytes(text.len() as u64)?;
                    Some(text.into())
                }
                None => None,
            },
        })
    }

    /// Bytes of the second buffer: element `at` of so many bytes each.
    fn field(&self, at: usize, width: usize) -> Option<&'v [u8]> {
        self.buffer(1)?.get(at.checked_mul(width)?..)?.get(..width)
    }

    fn text(&self, at: usize, width: usize) -> Option<&'v str> {
        let offset = |at| {
            let bytes = self.field(at, width)?.iter().rev();
            usize::try_from(bytes.fold(0_u64, |value, byte| value << 8 | u64::from(*byte))).ok()
        };
        let text = self.buffer(2).unwrap_or_default().get(offset(at)?..offset(at.checked_add(1)?)?)?;
        std::str::from_utf8(text).ok()
    }
}

impl Kind {
    /// `type_for_alias("string")`, or a function of the type's name.
    fn of(object: &Opaque) -> Option<Self> {
        let name = match object.args.first() {
            Some(Value::Str(alias)) => alias,
            _ => &object.name,
        };
        let number = |dtype| Some(Self::Number(Encoding::native(dtype)));
        match &**name {
            "string" | "utf8" => Some(Self::Text(4)),
            "large_string" | "large_utf8" => Some(Self::Text(8)),
            "bool" | "bool_" => Some(Self::Bits),
            "int8" => number(DType::I8),
            "int16" => number(DType::I16),
            "int32" => number(DType::I32),
            "int64" => number(DType::I64),
            "uint8" => number(DType::U8),
            "uint16" => number(DType::U16),
            "uint32" => number(DType::U32),
            "uint64" => number(DType::U64),
            "halffloat" | "float16" => number(DType::F16),
            "float" | "float32" => number(DType::F32),
            "double" | "float64" => number(DType::F64),
            _ => None,
        }
    }
}

/// `None`, bytes, or `py_buffer(bytes)`.
fn bytes(buffer: &Value) -> Option<&[u8]> {
    match buffer {
        Value::Bytes(bytes) => Some(bytes),
        Value::Opaque(object) => object.args.first().and_then(bytes),
        _ => None,
    }
}

fn bit(bytes: &[u8], at: usize) -> Option<bool> {
    Some(bytes.get(at / 8)? >> (at % 8) & 1 == 1)
}
