//! Files of the Python package `hickle`, as its `load` gives them back.
//!
//! Up to version 3 the content is in `data_0`: a group per key of a dict, `'video0'`, with the value as `data_0` in it. Version 4 has `data`
//! in its place. Version 5 has the value itself under the key, `"video0"`, items of lists under `data0`, `data1` and so on, and the types as
//! references to a table. Without attributes that say a type, groups are dicts and datasets arrays.

use std::borrow::Cow;
use std::collections::HashMap;

use super::attribute::{Attribute, Attributes};
use super::dataset::Dataset;
use super::datatype::Datatype;
use super::error::{Hdf5Error, Result};
use super::file::File;
use super::group::{self, Link, Target};
use super::header::Header;
use super::heap::{self, Heaps};
use super::tree::{Known, Tree, array};
use crate::formats::pickle::{Dict, Value};

/// Longer lists of numbers stay arrays: as values they would take many times the memory.
const LIST: usize = 1 << 16;

/// What the objects of the table of version 5 are called, by their address.
#[derive(Debug, Default)]
pub(super) struct Types(HashMap<u64, String>);

impl Types {
    pub fn read<'a>(file: &mut File<'a>, root: &[Link], heaps: &mut Heaps<'a>) -> Result<Self> {
        let table = root.iter().find(|link| link.name == "hickle_types_table");
        let Some(Link { target: Target::Hard(table), .. }) = table else { return Ok(Self::default()) };
        let header = Header::read(file, *table)?;
        let (mut names, mut entries) = (HashMap::new(), vec![]);
        for link in group::links(file, &header)? {
            match link.target {
                Target::Hard(address) if link.name.bytes().all(|byte| byte.is_ascii_digit()) => entries.push(address),
                Target::Hard(address) => drop(names.insert(address, link.name)),
                _ => {}
            }
        }
        // An entry refers to the name of the kind of its class.
        for address in entries {
            let header = Header::read(file, address)?;
            let attributes = Attributes::read(file, &header, heaps)?;
            let Some(Attribute::Reference(name)) = attributes.get("base_type") else { continue };
            if let Some(name) = names.get(name).cloned() {
                names.insert(address, name);
            }
        }
        Ok(Self(names))
    }
}

/// The kind of an object: `dict`, `list`, `ndarray`, ...
fn kind(types: Option<&Types>, attributes: &Attributes) -> Option<String> {
    let named = attributes.text("base_type").map(String::from);
    named.or_else(|| match attributes.get("type")? {
        Attribute::Reference(address) => types?.0.get(address).cloned(),
        // `<class 'dict'>`, of Python 2 `<type 'dict'>`, or the plain word.
        Attribute::Text(text) => Some(text.split('\'').nth(1).unwrap_or(text).into()),
        Attribute::Integer(_) => None,
    })
}

/// The value of an object.
pub(super) fn make<'a>(tree: &mut Tree<'a>, address: u64, header: &Header<'a>, depth: u32) -> Result<Known> {
    let attributes = Attributes::read(&mut tree.file, header, &mut tree.heaps)?;
    let kind = kind(tree.hickle.as_ref(), &attributes);
    if !header.is_group() {
        return dataset(tree, header, kind.as_deref(), depth);
    }
    let links = group::links(&mut tree.file, header)?;
    match kind.as_deref() {
        Some("dict_item") => wrapped(tree, address, &links, depth),
        None if depth > 0 && matches!(&links[..], [only] if only.name == "data_0") => {
            wrapped(tree, address, &links, depth)
        }
        None | Some("dict") => dict(tree, address, links, depth),
        Some("tuple") => items(tree, address, links, depth, |items| Value::Tuple(items.into())),
        Some("set" | "frozenset") => items(tree, address, links, depth, |items| Value::Set(items.into())),
        Some("list" | "ndarray") => items(tree, address, links, depth, |items| Value::List(items.into())),
        Some(other) => Hdf5Error::not_read(format!("the type {other} of hickle")),
    }
}

/// The value of an entry of a dict that is a group of its own.
fn wrapped(tree: &mut Tree, address: u64, links: &[Link], depth: u32) -> Result<Known> {
    match links {
        [only] => tree.follow(address, only, depth),
        [] => Err(Hdf5Error::Damaged("an entry of a dict without a value")),
        _ => Hdf5Error::not_read("an object of hickle in several parts"),
    }
}

fn items(
    tree: &mut Tree,
    address: u64,
    mut links: Vec<Link>,
    depth: u32,
    wrap: fn(Vec<Value>) -> Value,
) -> Result<Known> {
    let number =
        |link: &Link| link.name.trim_start_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap_or(0_u64);
    links.sort_by_key(number);
    let (mut values, mut count) = (Vec::with_capacity(links.len()), 1);
    for link in links {
        let known = tree.follow(address, &link, depth)?;
        count += known.count;
        tree.expanded(count)?;
        values.push(known.value);
    }
    Ok(Known { value: wrap(values), count })
}

fn dict(tree: &mut Tree, address: u64, links: Vec<Link>, depth: u32) -> Result<Known> {
    let (mut entries, mut count) = (Vec::with_capacity(links.len()), 1);
    for link in links {
        let key = key(tree, &link)?;
        let known = tree.follow(address, &link, depth)?;
        count += known.count;
        tree.expanded(count)?;
        entries.push(match (key.value, &known.value) {
            (Some(value), _) => (key.index, (value, known.value)),
            // A key that is no name: a pair of key and value.
            (None, Value::Tuple(pair)) if pair.len() == 2 => match &pair[..] {
                [name, value] => (key.index, (name.clone(), value.clone())),
                _ => continue,
            },
            (None, _) => return Err(Hdf5Error::Damaged("an entry of a dict without a key").within(&link.name)),
        });
    }
    entries.sort_by_key(|(index, _)| *index);
    let value = entries.into_iter().map(|(_, entry)| entry).collect::<Dict>();
    Ok(Known { value: Value::Dict(value.into()), count })
}

struct DictKey {
    /// Its place in the dict.
    index: i64,
    /// `None` where the entry is a pair of key and value.
    value: Option<Value>,
}

fn key(tree: &mut Tree, link: &Link) -> Result<DictKey> {
    let Target::Hard(address) = link.target else {
        return Ok(DictKey { index: i64::MAX, value: Some(unquoted(&link.name).into()) });
    };
    let file = &mut tree.file;
    let read = Header::read(file, address).and_then(|header| Attributes::read(file, &header, &mut tree.heaps));
    let attributes = read.map_err(|error| error.within(&link.name))?;
    let index = match attributes.get("key_idx") {
        Some(Attribute::Integer(index)) => *index,
        _ => i64::MAX,
    };
    let kind = attributes.text("key_base_type").or_else(|| attributes.text("key_type")).unwrap_or("str");
    let value = match kind.split('\'').nth(1).unwrap_or(kind) {
        "key_value" => None,
        "int" | "long" => link.name.parse().ok().map(Value::Int),
        "float" => link.name.parse().ok().map(Value::Float),
        "bool" => Some(Value::Bool(link.name == "True")),
        "NoneType" => Some(Value::None),
        _ => Some(unquoted(&link.name.replace("\\\\", "/")).into()),
    };
    let value = if kind == "key_value" { None } else { value.or_else(|| Some(link.name.as_str().into())) };
    Ok(DictKey { index, value })
}

/// A key without the quotes that `hickle` writes around text.
fn unquoted(name: &str) -> &str {
    let quoted = |quote| name.strip_prefix(quote).and_then(|name| name.strip_suffix(quote));
    quoted('\'').or_else(|| quoted('"')).unwrap_or(name)
}

fn dataset<'a>(tree: &mut Tree<'a>, header: &Header<'a>, kind: Option<&str>, depth: u32) -> Result<Known> {
    let dataset = Dataset::new(&mut tree.file, header)?;
    let count = dataset.shape.as_ref().map_or(0, |shape| shape.iter().product::<usize>());
    match (kind, dataset.datatype) {
        (Some("None" | "none" | "NoneType"), _) => Ok(Known::one(Value::None)),
        (Some("str" | "string" | "unicode"), _) => {
            let text = text(tree, &dataset)?;
            Ok(Known::one(text.map_or(Value::None, |text| text.as_str().into())))
        }
        (Some("bytes"), _) => {
            let text = text(tree, &dataset)?;
            Ok(Known::one(text.map_or(Value::None, |text| Value::Bytes(text.into_bytes().into()))))
        }
        (Some("list"), _) if count <= LIST => list(tree, &dataset, count, |items| Value::List(items.into())),
        (Some("tuple"), _) if count <= LIST => list(tree, &dataset, count, |items| Value::Tuple(items.into())),
        (Some("set" | "frozenset"), _) if count <= LIST => {
            list(tree, &dataset, count, |items| Value::Set(items.into()))
        }
        (Some("int" | "long" | "float" | "bool" | "np_scalar" | "python_dtype"), _) => {
            let read = dataset.array(&mut tree.file)?;
            let only = read.as_ref().filter(|read| read.len() == 1).and_then(|read| read.value(0));
            Ok(Known::one(only.unwrap_or_else(|| array(read))))
        }
        // Version 5 refers to what it has written before.
        (None, Datatype::Reference) if count == 1 => {
            let bytes = dataset.bytes(&mut tree.file, &[], 8)?;
            let address = bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
            tree.object(address.ok_or(Hdf5Error::Damaged("reference"))?, "a reference", depth + 1)
        }
        _ => Ok(Known::one(array(dataset.array(&mut tree.file)?))),
    }
}

/// The elements of a dataset with one axis.
fn list<'a>(
    tree: &mut Tree<'a>,
    dataset: &Dataset<'_, 'a>,
    count: usize,
    wrap: fn(Vec<Value>) -> Value,
) -> Result<Known> {
    tree.file.work.visit(count as u64)?;
    tree.file.work.take((2 * count * size_of::<Value>()) as u64)?;
    let values = if dataset.datatype == Datatype::Text {
        texts(tree, dataset, count)?.iter().map(|text| text.as_str().into()).collect()
    } else {
        match dataset.array(&mut tree.file)? {
            Some(read) if read.shape().len() > 1 => return Ok(Known::one(array(Some(read)))),
            Some(read) => (0..read.len()).filter_map(|at| read.value(at)).collect(),
            None => vec![],
        }
    };
    Ok(Known { value: wrap(values), count: 1 + count as u64 })
}

/// One text: an element of variable length, or its bytes one by one. `None` if the dataset is neither.
fn text<'a>(tree: &mut Tree<'a>, dataset: &Dataset<'_, 'a>) -> Result<Option<String>> {
    let shape = dataset.shape.clone().unwrap_or_else(|| vec![0]);
    match dataset.datatype {
        Datatype::Text => Ok(texts(tree, dataset, 1)?.pop()),
        Datatype::Plain(encoding) => {
            let bytes = dataset.bytes(&mut tree.file, &shape, encoding.size)?;
            heap::text(&mut tree.file, &bytes).map(Some)
        }
        _ => Ok(None),
    }
}

/// Texts of variable length.
fn texts<'a>(tree: &mut Tree<'a>, dataset: &Dataset<'_, 'a>, count: usize) -> Result<Vec<String>> {
    let element = 8 + tree.file.widths.offset;
    let bytes = dataset.bytes(&mut tree.file, &[count], element)?;
    let Cow::Borrowed(bytes) = bytes else { return Hdf5Error::not_read("text of variable length in chunks") };
    let text = |element| {
        let fields = tree.file.fields(element, "text");
        tree.heaps.text(&mut tree.file, fields)
    };
    bytes.chunks_exact(element).map(text).collect()
}
