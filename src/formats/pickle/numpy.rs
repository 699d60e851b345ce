//! numpy arrays, scalars and types.

use std::sync::Arc;

use super::PickleError;
use super::freeze::{Freezer, refuse, wrong};
use super::graph::{Call, Id};
use super::value::{NumpyDType, Value};
use crate::formats::ndarray::decode::{Encoding, check_axes};
use crate::formats::ndarray::{ArrayData, ArrayError, DType, NdArray};

type Result<T> = std::result::Result<T, PickleError>;

/// `_reconstruct(ndarray, (0,), b"b")` with the state `(version, shape, dtype, is_fortran, data)`.
pub(super) fn reconstruct<'g>(freezer: &mut Freezer<'g, '_, '_>, call: &'g Call) -> Result<Value> {
    let class = call.args.first().and_then(|&class| freezer.global(class));
    let class = class.ok_or_else(|| refuse(call, "an array of no class"))?;
    if !matches!(&*class.name, "ndarray" | "matrix" | "memmap" | "FrozenNDArray") {
        return Ok(Value::Unread(format!("an array of class {}", class.path()).into()));
    }
    let state = freezer.graph.state(call);
    // Before version 1 the state had no version number.
    let &[shape, dtype, fortran, data] = (if state.len() == 5 { &state[1..] } else { state }) else {
        return Err(refuse(call, "no state of the form (version, shape, dtype, is_fortran, data)"));
    };
    let shape = sizes(call, &freezer.value(shape)?)?;
    let fortran = matches!(freezer.value(fortran)?, Value::Bool(true) | Value::Int(1));
    array(freezer, call, shape, dtype, fortran, data)
}

/// `_frombuffer(buffer, dtype, shape, order)`: how protocol 5 writes contiguous arrays.
pub(super) fn from_buffer<'g>(freezer: &mut Freezer<'g, '_, '_>, call: &'g Call) -> Result<Value> {
    let &[buffer, dtype, shape, order] = call.args.as_slice() else {
        return Err(refuse(call, "arguments other than (buffer, dtype, shape, order)"));
    };
    let shape = sizes(call, &freezer.value(shape)?)?;
    let fortran = match freezer.value(order)? {
        Value::Str(order) if &*order == "C" => false,
        Value::Str(order) if &*order == "F" => true,
        other => return Err(wrong(call, "order C or F", &other)),
    };
    array(freezer, call, shape, dtype, fortran, buffer)
}

fn array<'g>(
    freezer: &mut Freezer<'g, '_, '_>,
    call: &Call,
    shape: Vec<usize>,
    dtype: Id,
    fortran: bool,
    data: Id,
) -> Result<Value> {
    let encoding = match encoding(call, &freezer.value(dtype)?)? {
        Ok(encoding) => encoding,
        Err(unread) => return Ok(unread),
    };
    if let Some(bytes) = freezer.raw(data) {
        return Ok(Value::Array(Arc::new(encoding.decode(shape, fortran, &bytes, freezer.budget)?)));
    }
    match (encoding.dtype, freezer.value(data)?) {
        (DType::Object, Value::List(objects)) => {
            check_axes(&shape, freezer.budget)?;
            freezer.budget.nodes(objects.len())?;
            // numpy lists objects in C order, whatever the flag says about the array they came from.
            Ok(Value::Array(Arc::new(NdArray::new(shape, ArrayData::Object(objects.to_vec()))?)))
        }
        (DType::Object, other) => Err(wrong(call, "a list of objects", &other)),
        (_, other) => Err(wrong(call, "bytes", &other)),
    }
}

/// `scalar(dtype, bytes)`: becomes a plain number, boolean or string.
pub(super) fn scalar<'g>(freezer: &mut Freezer<'g, '_, '_>, call: &'g Call) -> Result<Value> {
    let &[dtype, data] = call.args.as_slice() else { return Err(refuse(call, "arguments other than (dtype, bytes)")) };
    let encoding = match encoding(call, &freezer.value(dtype)?)? {
        Ok(encoding) => encoding,
        Err(unread) => return Ok(unread),
    };
    if encoding.dtype == DType::Object {
        return freezer.value(data);
    }
    let Some(bytes) = freezer.raw(data) else { return Err(wrong(call, "bytes", &freezer.value(data)?)) };
    let array = encoding.decode(Vec::new(), false, &bytes, freezer.budget)?;
    array.value(0).ok_or_else(|| refuse(call, "no value"))
}

/// `dtype("f8", align, copy)` with the state `(version, byte order, subdtype, names, fields, size, alignment, flags)`.
pub(super) fn dtype<'g>(freezer: &mut Freezer<'g, '_, '_>, call: &'g Call) -> Result<Value> {
    let (code, prefix) = match freezer.argument(call, 0)? {
        Value::Str(code) => match code.strip_prefix(['<', '>', '|', '=']) {
            Some(rest) => (rest.into(), code.chars().next()),
            None => (code, None),
        },
        other => return Err(wrong(call, "a type string", &other)),
    };
    let state = freezer.values(freezer.graph.state(call))?;
    // `=` is the order of the machine that wrote, which is taken to be little.
    let big_endian = match state.get(1) {
        None => prefix == Some('>'),
        Some(Value::Str(order)) if matches!(&**order, "<" | ">" | "|" | "=") => &**order == ">",
        Some(Value::Bytes(order)) if matches!(&**order, b"<" | b">" | b"|" | b"=") => &**order == b">",
        Some(_) => return Err(refuse(call, "a byte order other than <, >, | and =")),
    };
    let structured = state.iter().skip(2).take(3).any(|part| !matches!(part, Value::None));
    Ok(Value::NumpyDType(NumpyDType { code, big_endian, structured }))
}

/// What the bytes are, or the value that stands for numbers of a type that is not read: dates, complex and structured ones.
fn encoding(call: &Call, dtype: &Value) -> Result<std::result::Result<Encoding, Value>> {
    let Value::NumpyDType(dtype) = dtype else { return Err(wrong(call, "a dtype", dtype)) };
    let unread = |kind: &str| Value::Unread(format!("numbers of type {kind}").into());
    Ok(match Encoding::from_numpy(&dtype.code) {
        _ if dtype.structured => Err(unread("void (structured)")),
        Ok(encoding) => Ok(Encoding { big_endian: dtype.big_endian, ..encoding }),
        Err(ArrayError::Unsupported(kind)) => Err(unread(&kind)),
        Err(other) => return Err(other.into()),
    })
}

/// A shape or strides: a tuple of sizes, or one size.
pub(super) fn sizes(call: &Call, value: &Value) -> Result<Vec<usize>> {
    let size = |value: &Value| match value {
        Value::Int(size) => usize::try_from(*size).map_err(|_| refuse(call, format!("negative size {size}"))),
        other => Err(wrong(call, "a size", other)),
    };
    match value {
        Value::Tuple(items) | Value::List(items) if items.len() <= 64 => items.iter().map(size).collect(),
        Value::Tuple(_) | Value::List(_) => Err(refuse(call, "more than 64 dimensions")),
        one => Ok(vec![size(one)?]),
    }
}
