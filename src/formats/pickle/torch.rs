//! torch tensors: views into storages that lie outside the pickle.

use std::sync::Arc;

use super::PickleError;
use super::freeze::{Freezer, refuse, wrong};
use super::globals::Constructor;
use super::graph::{Call, Id, Node};
use super::numpy::sizes;
use super::value::{Storage, Tensor, Value};
use crate::formats::torch::{Embedded, TorchError, embedded, gather};

type Result<T> = std::result::Result<T, PickleError>;

/// `("storage", class, key, location, numel)`; older containers add view metadata, always `None` in practice.
pub(super) fn persistent(freezer: &mut Freezer<'_, '_, '_>, reference: Id) -> Result<Value> {
    let graph = freezer.graph;
    let refuse = |what: &str| PickleError::Constructor { constructor: "torch storage".into(), what: what.into() };
    let Node::Tuple(parts) = &graph.nodes[reference] else { return Err(refuse("a reference that is no tuple")) };
    let values = freezer.values(parts)?;
    match values.as_slice() {
        // Source code of a pickled module: its class is all that matters, and it is not interpreted.
        [Value::Str(kind), class, ..] if &**kind == "module" => Ok(class.clone()),
        [Value::Str(kind), _, Value::Str(key), Value::Str(location), Value::Int(numel), view @ ..]
            if &**kind == "storage" =>
        {
            if !matches!(view, [] | [Value::None]) {
                return Err(refuse("views of storages are not supported"));
            }
            let Some(Constructor::TorchStorage(dtype)) = freezer.global(parts[1]).map(|class| class.constructor) else {
                return Err(refuse("of an unknown class"));
            };
            let numel = u64::try_from(*numel).map_err(|_| refuse("a negative size"))?;
            let storage = Arc::new(Storage { key: key.clone(), dtype, location: location.clone(), numel });
            freezer.storages.push(storage.clone());
            Ok(Value::Storage(storage))
        }
        _ => Err(refuse("a reference that is not (\"storage\", class, key, location, numel)")),
    }
}

/// `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks, metadata)`; version 3 has the element type before the metadata,
/// which are often left out.
pub(super) fn tensor<'g>(freezer: &mut Freezer<'g, '_, '_>, call: &'g Call) -> Result<Value> {
    let storage = match freezer.argument(call, 0)? {
        Value::Storage(storage) => storage,
        other => return Err(wrong(call, "a storage", &other)),
    };
    let offset = match freezer.argument(call, 1)? {
        Value::Int(offset) => u64::try_from(offset).map_err(|_| refuse(call, "a negative offset"))?,
        other => return Err(wrong(call, "an offset", &other)),
    };
    let shape = sizes(call, &freezer.argument(call, 2)?)?;
    let strides = sizes(call, &freezer.argument(call, 3)?)?;
    if shape.len() != strides.len() {
        return Err(refuse(call, format!("{} sizes but {} strides", shape.len(), strides.len())));
    }
    let dtype = match call.global.constructor {
        Constructor::TorchTensorV3 => {
            match call.args.get(6).and_then(|&id| freezer.global(id)).map(|g| g.constructor) {
                Some(Constructor::TorchDType(dtype)) => dtype,
                _ => return Err(refuse(call, "no element type")),
            }
        }
        _ => storage.dtype,
    };
    let negative = negative(freezer, call)?;
    let tensor = Tensor { storage, dtype, offset, shape, strides, negative };
    Ok(match freezer.embedded.get(&tensor.storage.key) {
        Some(Embedded { bytes, big_endian, .. }) => {
            let array = gather(&tensor, bytes, *big_endian, freezer.budget);
            Value::Array(array.map_err(|error| refuse(call, error.to_string()))?.into())
        }
        None => Value::Tensor(Arc::new(tensor)),
    })
}

/// `_load_from_bytes(file)`: a storage as `torch.save` writes it alone, in a plain pickle of tensors.
pub(super) fn load_from_bytes<'g>(freezer: &mut Freezer<'g, '_, '_>, call: &'g Call) -> Result<Value> {
    let &[file] = call.args.as_slice() else { return Err(refuse(call, "arguments other than (bytes)")) };
    let Some(file) = freezer.raw(file) else { return Err(wrong(call, "bytes", &freezer.value(file)?)) };
    let embedded = embedded(&file, freezer.budget).map_err(|error| match error {
        TorchError::Limit(limit) => limit.into(),
        other => refuse(call, other.to_string()),
    })?;
    // Every file counts its storages anew.
    let key: Arc<str> = format!("within {}", freezer.embedded.len()).into();
    let storage = Arc::new(Storage { key: key.clone(), ..Storage::clone(&embedded.storage) });
    freezer.embedded.insert(key, embedded);
    Ok(Value::Storage(storage))
}

/// The metadata of a tensor: whether its values are to be read with the other sign. Whatever else would change them is refused by name.
fn negative<'g>(freezer: &mut Freezer<'g, '_, '_>, call: &'g Call) -> Result<bool> {
    let place = match call.global.constructor {
        Constructor::TorchTensorV1 => return Ok(false),
        Constructor::TorchTensorV3 => 7,
        _ => 6,
    };
    let Some(&metadata) = call.args.get(place) else { return Ok(false) };
    let flags = match freezer.value(metadata)? {
        Value::None => return Ok(false),
        Value::Dict(flags) => flags,
        other => return Err(wrong(call, "metadata in a dict", &other)),
    };
    let mut negative = false;
    for (flag, value) in flags.entries() {
        match (flag, value) {
            (Value::Str(flag), Value::Bool(set)) if &**flag == "neg" => negative = *set,
            (Value::Str(_), Value::Bool(false)) => {}
            (Value::Str(flag), _) => return Err(refuse(call, format!("a tensor with the metadata {flag:?}"))),
            (other, _) => return Err(wrong(call, "metadata by name", other)),
        }
    }
    Ok(negative)
}

/// `device("cuda", 0)`: becomes the string `cuda:0`.
pub(super) fn device<'g>(freezer: &mut Freezer<'g, '_, '_>, call: &'g Call) -> Result<Value> {
    match freezer.values(&call.args)?.as_slice() {
        [Value::Str(kind)] => Ok(Value::Str(kind.clone())),
        [Value::Str(kind), Value::Int(index)] => {
            freezer.budget.bytes(kind.len() as u64)?;
            Ok(Value::Str(format!("{kind}:{index}").into()))
        }
        _ => Err(refuse(call, "arguments other than (kind, index)")),
    }
}
