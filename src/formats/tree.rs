//! Every container that the published loader accepts, as one tree of values.

use super::ndarray::decode::Encoding;
use super::ndarray::{ArrayData, ArrayError};
use super::pickle::{self, PickleError, UnknownGlobal, Value};
use super::{FormatError, Limits, hdf5, limits, npy};

type Result<T, E = FormatError> = std::result::Result<T, E>;

/// Extensions that are read, in the order in which they are looked for.
pub const EXTENSIONS: [&str; 9] = ["pickle", "pkl", "npy", "hickle", "h5", "hdf5", "json", "mp", "msgpack"];

/// The deepest nesting of MessagePack: every level may reserve a little memory.
const MESSAGE_PACK_DEPTH: u32 = 32;

/// Reads contents of the kind that a file's extension, in lower case, says. Of classes that a pickle names and that are no data, those in
/// `classes` are kept by name; any other is refused.
pub fn from_slice(bytes: Vec<u8>, extension: &str, limits: &Limits, classes: &[&str]) -> Result<Value> {
    match extension {
        "pickle" | "pkl" => Ok(parse_pickle(&bytes, limits, classes)?),
        "npy" => {
            let array = npy::from_slice(&bytes, limits)?;
            // numpy saves a dict as an array without axes.
            let only = if array.shape().is_empty() { array.value(0) } else { None };
            Ok(only.unwrap_or_else(|| Value::Array(array.into())))
        }
        "hickle" | "h5" | "hdf5" => hdf5::parse(&bytes, limits),
        "json" => from_json(serde_json::from_slice(&bytes)?),
        "mp" | "msgpack" => {
            limits::check("bytes of input", bytes.len() as u64, limits.input_bytes)?;
            let depth = limits.depth.min(MESSAGE_PACK_DEPTH) as usize;
            let mut rest = bytes.as_slice();
            let value = rmpv::decode::read_value_with_max_depth(&mut rest, depth)?;
            if rest.is_empty() {
                from_message_pack(value, limits)
            } else {
                format("bytes follow the MessagePack value")
            }
        }
        "mat" => format("MATLAB files are not read; load the file with scipy.io.loadmat and pickle the dict"),
        other => format(format!("the extension {other:?} is none of those that are read: {}", EXTENSIONS.join(", "))),
    }
}

fn format<T>(what: impl Into<String>) -> Result<T> {
    Err(FormatError::NotRead(what.into()))
}

/// Reads a pickle that may be an object of one of some classes.
fn parse_pickle(bytes: &[u8], limits: &Limits, classes: &[&str]) -> Result<Value, PickleError> {
    match pickle::from_slice(bytes, limits) {
        Err(PickleError::UnknownGlobal { name, .. }) if classes.contains(&name.as_str()) => {
            let options = pickle::Options { limits: limits.clone(), unknown_globals: UnknownGlobal::Opaque };
            match options.from_slice(bytes)? {
                Value::Opaque(object) if !classes.contains(&&*object.name) => {
                    let (module, name) = (object.module.to_string(), object.name.to_string());
                    Err(PickleError::UnknownGlobal { module, name })
                }
                value => Ok(value),
            }
        }
        other => other,
    }
}

fn from_json(value: serde_json::Value) -> Result<Value> {
    use serde_json::Value as Json;
    Ok(match value {
        Json::Null => Value::None,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) => Value::Float(value),
            (None, None) => return format(format!("the number {number} is too large")),
        },
        Json::String(text) => Value::Str(text.into()),
        Json::Array(items) => Value::List(items.into_iter().map(from_json).collect::<Result<Vec<_>>>()?.into()),
        Json::Object(entries) => {
            let pairs = entries.into_iter().map(|(key, value)| Ok((Value::from(key.as_str()), from_json(value)?)));
            Value::Dict(pairs.collect::<Result<pickle::Dict>>()?.into())
        }
    })
}

/// Arrays are maps as `msgpack-numpy` writes them: `nd`, `type`, `shape`, `data`.
fn from_message_pack(value: rmpv::Value, limits: &Limits) -> Result<Value> {
    use rmpv::Value as Pack;
    Ok(match value {
        Pack::Nil => Value::None,
        Pack::Boolean(value) => Value::Bool(value),
        Pack::Integer(number) => match number.as_i64() {
            Some(value) => Value::Int(value),
            None => return format(format!("the number {number} is too large")),
        },
        Pack::F32(value) => Value::Float(value.into()),
        Pack::F64(value) => Value::Float(value),
        Pack::String(text) => match text.into_str() {
            Some(text) => Value::Str(text.into()),
            None => return format("text that is not UTF-8"),
        },
        // Written by Python 2, or without `use_bin_type`, text is bytes.
        Pack::Binary(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Value::Str(text.into()),
            Err(bytes) => Value::Bytes(bytes.into_bytes().into()),
        },
        Pack::Array(items) => {
            let items = items.into_iter().map(|item| from_message_pack(item, limits));
            Value::List(items.collect::<Result<Vec<_>>>()?.into())
        }
        Pack::Map(entries) => match packed_array(&entries, limits)? {
            Some(array) => array,
            None => {
                let convert = |(key, value)| Ok((from_message_pack(key, limits)?, from_message_pack(value, limits)?));
                Value::Dict(entries.into_iter().map(convert).collect::<Result<pickle::Dict>>()?.into())
            }
        },
        Pack::Ext(kind, _) => return format(format!("MessagePack extension {kind} is not read")),
    })
}

fn packed_array(entries: &[(rmpv::Value, rmpv::Value)], limits: &Limits) -> Result<Option<Value>> {
    fn bytes(value: &rmpv::Value) -> Option<&[u8]> {
        match value {
            rmpv::Value::Binary(bytes) => Some(bytes),
            rmpv::Value::String(text) => Some(text.as_bytes()),
            _ => None,
        }
    }
    let field =
        |name: &str| entries.iter().find(|(key, _)| bytes(key) == Some(name.as_bytes())).map(|(_, value)| value);
    let (Some(_), Some(code), Some(data)) = (field("nd"), field("type"), field("data")) else { return Ok(None) };
    let unsupported = || ArrayError::Unsupported(code.to_string());
    let (code, data) = (bytes(code).and_then(|code| std::str::from_utf8(code).ok()), bytes(data));
    let (Some(code), Some(data)) = (code, data) else { return Err(array(unsupported())) };
    let sizes = field("shape").and_then(|shape| shape.as_array()).map_or(&[][..], Vec::as_slice);
    let shape: Option<Vec<usize>> = sizes.iter().map(|size| usize::try_from(size.as_u64()?).ok()).collect();
    let plain = code.strip_prefix(['<', '>', '|', '=']).unwrap_or(code);
    let encoding = Encoding::from_numpy(plain).map_err(array)?;
    let encoding = Encoding { big_endian: code.starts_with('>'), ..encoding };
    let mut budget = limits::Budget::new(limits);
    let read = encoding.decode(shape.ok_or_else(unsupported).map_err(array)?, false, data, &mut budget);
    let read = read.map_err(array)?;
    let scalar = matches!(read.data(), ArrayData::F32(_) | ArrayData::F64(_) | ArrayData::I64(_));
    let scalar = if scalar && read.shape().is_empty() { read.value(0) } else { None };
    Ok(Some(scalar.unwrap_or_else(|| Value::Array(read.into()))))
}

fn array(problem: ArrayError) -> FormatError {
    FormatError::Array { field: "array".into(), problem }
}
