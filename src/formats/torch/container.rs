//! The two containers: where the object pickle and the storages lie.

use std::collections::HashMap;
use std::sync::Arc;

use super::TorchError;
use crate::formats::archive::{Archive, ArchiveError};
use crate::formats::limits::Budget;
use crate::formats::ndarray::decode::Encoding;
use crate::formats::packed;
use crate::formats::pickle::{self, UnknownGlobal, Value, WithStorages};

type Result<T> = std::result::Result<T, TorchError>;

pub(super) struct Content {
    pub value: Value,
    pub storages: HashMap<Arc<str>, Vec<u8>>,
    pub big_endian: bool,
}

pub(super) fn read(bytes: &[u8], budget: &mut Budget, unknown: UnknownGlobal) -> Result<Content> {
    if bytes.starts_with(b"PK\x03\x04") {
        return zip(bytes, budget, unknown);
    }
    // A tar archive has its mark in the first header block.
    if bytes.get(257..262) == Some(b"ustar") {
        let what = "a tar archive, as PyTorch before 0.2 wrote; save it again with a newer PyTorch";
        return Err(TorchError::Container(what.into()));
    }
    legacy(bytes, budget, unknown)
}

fn zip(bytes: &[u8], budget: &mut Budget, unknown: UnknownGlobal) -> Result<Content> {
    let mut archive = Archive::new(bytes, budget)?;
    let tops: Vec<&str> = archive.names().iter().filter_map(|name| name.strip_suffix("/data.pkl")).collect();
    let top = match tops.as_slice() {
        [top] if !top.contains('/') => top.to_string(),
        [] => return Err(TorchError::Container("a zip archive without NAME/data.pkl".into())),
        _ => return Err(TorchError::Container("a zip archive with several data.pkl".into())),
    };
    if archive.names().contains(&format!("{top}/constants.pkl")) {
        let what = "a TorchScript archive; save its `state_dict()` with `torch.save`";
        return Err(TorchError::Container(what.into()));
    }
    let byte_order = format!("{top}/byteorder");
    let big_endian = match archive.names().contains(&byte_order) {
        false => false,
        true => match archive.read(&byte_order, budget)?.as_slice() {
            b"little" => false,
            b"big" => true,
            _ => return Err(TorchError::Container("an unknown byte order".into())),
        },
    };
    let object = archive.read(&format!("{top}/data.pkl"), budget)?;
    let object_end = object.len();
    let WithStorages { value, storages: wanted, end } = pickle::read_with_storages(&object, budget, unknown)?;
    if end < object_end {
        return Err(pickle::PickleError::Trailing(object_end - end).into());
    }
    let mut storages = HashMap::new();
    for storage in wanted {
        let key = &storage.key;
        if storages.contains_key(key) {
            continue;
        }
        match archive.read(&format!("{top}/data/{key}"), budget) {
            Ok(bytes) => drop(storages.insert(key.clone(), bytes)),
            // Reported with the tensor that wants it.
            Err(ArchiveError::Missing(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(Content { value, storages, big_endian })
}

/// `torch.save`'s magic number, beyond 64 bits.
const MAGIC: &str = "119547037146038801333356";

fn legacy(bytes: &[u8], budget: &mut Budget, unknown: UnknownGlobal) -> Result<Content> {
    let mut at = 0;
    let mut next = |budget: &mut Budget| -> Result<Value> {
        let (value, end) = pickle::read(&bytes[at..], budget, unknown)?;
        at += end;
        Ok(value)
    };
    let refuse = |what: &str| TorchError::Container(what.into());
    let neither = "neither a zip archive nor the legacy container";
    match next(budget).map_err(|_| TorchError::Container(packed::recognise(bytes).unwrap_or(neither.into())))? {
        Value::BigInt(magic) if &*magic == MAGIC => {}
        _ => return Err(refuse("a pickle without torch's magic number")),
    }
    if !matches!(next(budget)?, Value::Int(1001)) {
        return Err(refuse("an unknown protocol version"));
    }
    if !matches!(next(budget)?, Value::Dict(_)) {
        return Err(refuse("no system information"));
    }
    let WithStorages { value, storages: known, end } = pickle::read_with_storages(&bytes[at..], budget, unknown)?;
    at += end;
    let known: HashMap<_, _> = known.into_iter().map(|storage| (storage.key.clone(), storage)).collect();
    let (keys, end) = pickle::read(&bytes[at..], budget, unknown)?;
    at += end;
    let Value::List(keys) = keys else { return Err(refuse("no list of storages")) };
    let mut storages = HashMap::new();
    for key in keys.iter() {
        let Value::Str(key) = key else { return Err(refuse("a storage without a name")) };
        // Its length in bytes depends on its element type, which only the object pickle knows.
        let Some(storage) = known.get(key) else { return Err(refuse("a storage that nothing refers to")) };
        let size = Encoding::native(storage.dtype).size as u64;
        let rest = &bytes[at..];
        let Some((count, rest)) = rest.split_first_chunk::<8>() else { return Err(refuse("truncated")) };
        let wanted = u64::from_le_bytes(*count).saturating_mul(size);
        let Some(data) = usize::try_from(wanted).ok().and_then(|wanted| rest.get(..wanted)) else {
            return Err(TorchError::StorageSize { key: key.to_string(), wanted, found: rest.len() as u64 });
        };
        budget.bytes(wanted)?;
        storages.insert(key.clone(), data.to_vec());
        at += 8 + data.len();
    }
    if at < bytes.len() {
        return Err(refuse("bytes after the last storage"));
    }
    // Storages are little-endian in this container, whatever machine wrote it.
    Ok(Content { value, storages, big_endian: false })
}
