//! Every container that the published loader accepts, as one tree of values.

use super::limits::Budget;
use super::pickle::{self, PickleError, Value};
use super::{FormatError, Limits, hdf5, json, limits, message_pack, npy, packed};

type Result<T, E = FormatError> = std::result::Result<T, E>;

/// Extensions that are read, in the order in which they are looked for.
pub const EXTENSIONS: [&str; 9] = ["pickle", "pkl", "npy", "hickle", "h5", "hdf5", "json", "mp", "msgpack"];

/// Extensions of compressed files, behind that of what is in them.
pub const COMPRESSED: [&str; 5] = ["gz", "bz2", "xz", "zip", "z"];

/// Reads contents of the kind that a file's extension, in lower case, says; compressed contents as well. Of a pickle's object of a class, one of
/// `classes` is kept by name; any other is refused.
pub fn from_slice(bytes: &[u8], extension: &str, limits: &Limits, classes: &[&str]) -> Result<Value> {
    limits::check("bytes of input", bytes.len() as u64, limits.input_bytes)?;
    let budget = &mut Budget::new(limits, bytes.len());
    match extension {
        "pickle" | "pkl" => Ok(parse_pickle(bytes, limits, classes)?),
        "npy" => {
            let array = npy::from_slice(bytes, limits)?;
            // numpy saves a dict as an array without axes.
            let only = if array.shape().is_empty() { array.value(0) } else { None };
            Ok(only.unwrap_or_else(|| Value::Array(array.into())))
        }
        "hickle" | "h5" | "hdf5" => hdf5::parse(bytes, limits),
        "json" => {
            let contents = packed::contents(bytes, budget)?;
            refuse_other(&contents, "JSON")?;
            json::parse(&contents, budget)
        }
        "mp" | "msgpack" => {
            let contents = packed::contents(bytes, budget)?;
            refuse_other(&contents, "MessagePack")?;
            message_pack::parse(&contents, budget)
        }
        "mat" => not_read("MATLAB files are not read; load the file with scipy.io.loadmat and pickle the dict"),
        other => not_read(format!("the extension {other:?} is none of those that are read: {}", EXTENSIONS.join(", "))),
    }
}

fn not_read<T>(what: impl Into<String>) -> Result<T> {
    Err(FormatError::NotRead(what.into()))
}

fn refuse_other(bytes: &[u8], wanted: &str) -> Result<()> {
    packed::recognise(bytes).map_or(Ok(()), |kind| not_read(format!("this is {kind}, not {wanted}")))
}

/// Reads a pickle that may be an object of one of some classes. Objects within it are for whoever asks for them.
fn parse_pickle(bytes: &[u8], limits: &Limits, classes: &[&str]) -> Result<Value, PickleError> {
    match pickle::PickleOptions::inert(limits).from_slice(bytes)? {
        Value::Opaque(object) if !classes.contains(&&*object.name) => {
            let (module, name) = (object.module.to_string(), object.name.to_string());
            Err(PickleError::UnknownGlobal { module, name })
        }
        value => Ok(value),
    }
}
