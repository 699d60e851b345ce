//! The inert tree that a pickle is parsed to.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::formats::ndarray::{DType, NdArray};

/// A Python value as data. Shared parts are shared here too, so a clone is cheap.
///
/// Trees are finite, at most [`crate::formats::Limits::depth`] deep, and a full walk visits at most
/// [`crate::formats::Limits::expanded_nodes`] values.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `bool`.
    Bool(bool),
    /// `int`, or a numpy integer scalar.
    Int(i64),
    /// An `int` beyond `i64`: its Python literal, decimal up to 128 bits, otherwise as the file has it (hexadecimal in
    /// binary protocols).
    BigInt(Arc<str>),
    /// `float`, or a numpy float scalar.
    Float(f64),
    /// `bytes`, `bytearray`, or a Python 2 `str` that is not UTF-8.
    Bytes(Arc<[u8]>),
    /// `str`.
    Str(Arc<str>),
    /// `list`, `collections.deque`.
    List(Arc<[Value]>),
    /// `tuple`, `torch.Size`.
    Tuple(Arc<[Value]>),
    /// `set`, `frozenset`, in the order of the file.
    Set(Arc<[Value]>),
    /// `dict`, `collections.OrderedDict`, `collections.defaultdict`, `collections.Counter`, `argparse.Namespace`.
    Dict(Arc<Dict>),
    /// `numpy.dtype`.
    NumpyDType(NumpyDType),
    /// `numpy.ndarray`.
    Array(Arc<NdArray>),
    /// `torch.Tensor` or `torch.nn.Parameter`: a view into a storage, read by [`crate::formats::torch`].
    Tensor(Arc<Tensor>),
    /// A `torch` storage by itself.
    Storage(Arc<Storage>),
    /// `pandas` index: name and labels.
    Index(Arc<Index>),
    /// `pandas.DataFrame`.
    DataFrame(Arc<DataFrame>),
    /// A class, function or object that is not interpreted.
    Opaque(Arc<Opaque>),
    /// A part of a file that is of a kind that is not read, with what it is: an error for whoever asks for it, and for nobody else.
    Unread(Arc<str>),
}

impl Value {
    /// What the value is, for errors: a Python type name.
    pub fn type_name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Value::None => "None",
            Value::Bool(_) => "bool",
            Value::Int(_) | Value::BigInt(_) => "int",
            Value::Float(_) => "float",
            Value::Bytes(_) => "bytes",
            Value::Str(_) => "str",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Set(_) => "set",
            Value::Dict(_) => "dict",
            Value::NumpyDType(_) => "numpy.dtype",
            Value::Array(array) => return format!("array of {} {:?}", array.dtype(), array.shape()).into(),
            Value::Tensor(tensor) => return format!("tensor of {} {:?}", tensor.dtype, tensor.shape).into(),
            Value::Storage(_) => "torch storage",
            Value::Index(_) => "pandas index",
            Value::DataFrame(_) => "pandas.DataFrame",
            Value::Opaque(opaque) => return opaque.path().into(),
            Value::Unread(what) => return format!("{what}, which is not read").into(),
        })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

/// A `numpy.dtype`: the type string without byte order (`f8`), and the byte order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumpyDType {
    /// `f8`, `U12`, `O8`, ...
    pub code: Arc<str>,
    /// Whether elements are stored with the most significant byte first.
    pub big_endian: bool,
    /// Whether it has fields or sub-arrays; such arrays are not read.
    pub structured: bool,
}

/// An ordered map. Keys are unique as far as they are strings, bytes or numbers; of equal keys the last value counts,
/// at the place of the first, as in Python.
#[derive(Clone, Default)]
pub struct Dict {
    entries: Vec<(Value, Value)>,
    index: HashMap<OwnedKey, usize>,
}

impl Dict {
    /// Key-value pairs in the order of the file.
    pub fn entries(&self) -> &[(Value, Value)] {
        &self.entries
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a string or integer key.
    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Option<&Value> {
        self.entry(key).map(|(_, value)| value)
    }

    pub(super) fn entry<'k>(&self, key: impl Into<Key<'k>>) -> Option<(&Value, &Value)> {
        let owned = match key.into() {
            Key::Str(key) => OwnedKey::Str(key.into()),
            Key::Int(key) => OwnedKey::Int(key),
        };
        self.index.get(&owned).map(|&at| (&self.entries[at].0, &self.entries[at].1))
    }

    fn insert(&mut self, key: Value, value: Value) {
        let at = self.entries.len();
        if let Some(hashed) = OwnedKey::of(&key) {
            match self.index.entry(hashed) {
                std::collections::hash_map::Entry::Occupied(slot) => {
                    self.entries[*slot.get()].1 = value;
                    return;
                }
                std::collections::hash_map::Entry::Vacant(slot) => slot.insert(at),
            };
        }
        self.entries.push((key, value));
    }
}

impl FromIterator<(Value, Value)> for Dict {
    fn from_iter<I: IntoIterator<Item = (Value, Value)>>(pairs: I) -> Self {
        let mut dict = Self::default();
        pairs.into_iter().for_each(|(key, value)| dict.insert(key, value));
        dict
    }
}

impl PartialEq for Dict {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl fmt::Debug for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries.iter().map(|(key, value)| (key, value))).finish()
    }
}

/// A key to look up: `&str` and integers convert to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// A string.
    Str(&'a str),
    /// An integer.
    Int(i64),
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Str(key) => write!(f, "{key:?}"),
            Key::Int(key) => write!(f, "{key}"),
        }
    }
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(key: &'a str) -> Self {
        Self::Str(key)
    }
}

impl<'a> From<&'a String> for Key<'a> {
    fn from(key: &'a String) -> Self {
        Self::Str(key)
    }
}

impl From<i64> for Key<'_> {
    fn from(key: i64) -> Self {
        Self::Int(key)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum OwnedKey {
    Str(Arc<str>),
    Bytes(Arc<[u8]>),
    Int(i64),
    Float(u64),
}

impl OwnedKey {
    /// Python's equality: `1`, `1.0` and `True` are one key.
    fn of(key: &Value) -> Option<Self> {
        Some(match key {
            Value::Str(text) => Self::Str(text.clone()),
            Value::Bytes(bytes) => Self::Bytes(bytes.clone()),
            Value::Int(key) => Self::Int(*key),
            Value::Bool(key) => Self::Int((*key).into()),
            Value::Float(key) if *key == (*key as i64) as f64 && key.abs() < 9e15 => Self::Int(*key as i64),
            Value::Float(key) => Self::Float(key.to_bits()),
            _ => return None,
        })
    }
}

/// A torch storage: a flat buffer, which lies elsewhere in the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Name of the buffer in the checkpoint.
    pub key: Arc<str>,
    /// Element type.
    pub dtype: DType,
    /// Device tag, such as `cpu` or `cuda:0`; the values are read all the same.
    pub location: Arc<str>,
    /// Number of elements.
    pub numel: u64,
}

/// A torch tensor: a strided view into a [`Storage`]. Sizes are not yet checked against the storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Where the values lie.
    pub storage: Arc<Storage>,
    /// Element type.
    pub dtype: DType,
    /// First element, counted in elements.
    pub offset: u64,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Distances between neighbours along each axis, counted in elements.
    pub strides: Vec<usize>,
    /// Whether the values are those of the storage with the other sign (a lazy negation).
    pub negative: bool,
}

/// A pandas index.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// Its name, or `None`.
    pub name: Value,
    /// One label per row.
    pub labels: Vec<Value>,
}

/// A pandas data frame: named columns of equal length, and row labels.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFrame {
    /// Column names and their values, in the order of the frame.
    pub columns: Vec<(Value, Vec<Value>)>,
    /// Row labels.
    pub index: Index,
}

impl DataFrame {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&[Value]> {
        let is_named = |label: &Value| matches!(label, Value::Str(label) if &**label == name);
        self.columns.iter().find(|(label, _)| is_named(label)).map(|(_, values)| values.as_slice())
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.index.labels.len()
    }
}

/// A class, function or object that is kept by name and never interpreted.
#[derive(Debug, Clone, PartialEq)]
pub struct Opaque {
    /// Python module.
    pub module: Arc<str>,
    /// Name in the module.
    pub name: Arc<str>,
    /// What it would have been called with, if it was an object.
    pub args: Vec<Value>,
    /// What `__setstate__` would have been given (usually the dict of attributes), or `None`.
    pub state: Value,
    /// Items and entries that would have been added to it.
    pub items: Vec<Value>,
    /// See `items`.
    pub entries: Dict,
}

impl Opaque {
    /// `module.name`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.module, self.name)
    }
}
