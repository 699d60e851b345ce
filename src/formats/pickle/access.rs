//! Typed access to a [`Value`] for readers of datasets: errors name the place in the tree.

use std::fmt;
use std::sync::Arc;

use super::value::{DataFrame, Dict, Key, Value};
use crate::formats::ndarray::NdArray;

/// A value is missing or of another type than expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{expected} expected, found {found}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct AccessError {
    /// Where, as a Python expression: `["vid2class"]["P01_01_0"]`; empty at the root.
    pub path: String,
    /// What was expected.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// A place in a tree: a value and the path to it.
#[derive(Clone)]
pub struct At<'a> {
    value: &'a Value,
    path: Option<Arc<Step<'a>>>,
}

struct Step<'a> {
    parent: Option<Arc<Step<'a>>>,
    name: StepName<'a>,
}

enum StepName<'a> {
    Key(&'a Value),
    Index(usize),
}

impl fmt::Debug for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "At({:?}, {})", self.path(), self.value.type_name())
    }
}

impl<'a> At<'a> {
    /// The value itself.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// The path from the root as a Python expression.
    pub fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut step = self.path.as_ref();
        while let Some(here) = step {
            steps.push(match here.name {
                StepName::Key(key) => label(key),
                StepName::Index(index) => format!("[{index}]"),
            });
            step = here.parent.as_ref();
        }
        steps.reverse();
        steps.concat()
    }

    fn child(&self, value: &'a Value, name: StepName<'a>) -> At<'a> {
        At { value, path: Some(Arc::new(Step { parent: self.path.clone(), name })) }
    }

    fn wrong<T>(&self, expected: &str) -> Result<T, AccessError> {
        let (path, expected, found) = (self.path(), expected.into(), self.value.type_name().into());
        Err(AccessError { path, expected, found })
    }

    /// A dict.
    ///
    /// # Errors
    /// [`AccessError`] when it is something else; likewise for the other accessors.
    pub fn as_dict(&self) -> Result<DictAt<'a>, AccessError> {
        match self.value {
            Value::Dict(dict) => Ok(DictAt { dict, at: self.clone() }),
            _ => self.wrong("dict"),
        }
    }

    /// A list or tuple.
    pub fn as_list(&self) -> Result<ListAt<'a>, AccessError> {
        match self.value {
            Value::List(items) | Value::Tuple(items) => Ok(ListAt { items, at: self.clone() }),
            _ => self.wrong("list"),
        }
    }

    /// A list, tuple or set, in the order of the file.
    pub fn as_items(&self) -> Result<ListAt<'a>, AccessError> {
        match self.value {
            Value::Set(items) => Ok(ListAt { items, at: self.clone() }),
            Value::List(_) | Value::Tuple(_) => self.as_list(),
            _ => self.wrong("list or set"),
        }
    }

    /// A numpy array.
    pub fn as_array(&self) -> Result<&'a NdArray, AccessError> {
        match self.value {
            Value::Array(array) => Ok(array),
            _ => self.wrong("array"),
        }
    }

    /// A pandas data frame.
    pub fn as_data_frame(&self) -> Result<&'a DataFrame, AccessError> {
        match self.value {
            Value::DataFrame(frame) => Ok(frame),
            _ => self.wrong("pandas.DataFrame"),
        }
    }

    /// An integer: an int, a numpy integer scalar, or a zero-dimensional array of one.
    pub fn as_i64(&self) -> Result<i64, AccessError> {
        match &*self.scalar() {
            Value::Int(value) => Ok(*value),
            Value::BigInt(_) => self.wrong("64-bit int"),
            _ => self.wrong("int"),
        }
    }

    /// A float or an integer.
    pub fn as_f64(&self) -> Result<f64, AccessError> {
        match &*self.scalar() {
            Value::Float(value) => Ok(*value),
            Value::Int(value) => Ok(*value as f64),
            _ => self.wrong("float"),
        }
    }

    /// A boolean.
    pub fn as_bool(&self) -> Result<bool, AccessError> {
        match &*self.scalar() {
            Value::Bool(value) => Ok(*value),
            _ => self.wrong("bool"),
        }
    }

    /// A string.
    pub fn as_str(&self) -> Result<&'a str, AccessError> {
        match self.value {
            Value::Str(value) => Ok(value),
            _ => self.wrong("str"),
        }
    }

    fn scalar(&self) -> std::borrow::Cow<'a, Value> {
        use std::borrow::Cow;
        match self.value {
            Value::Array(array) if array.shape().is_empty() => {
                array.value(0).map_or(Cow::Borrowed(self.value), Cow::Owned)
            }
            value => Cow::Borrowed(value),
        }
    }
}

/// A key as it appears in a path; long ones are cut.
fn label(key: &Value) -> String {
    match key {
        Value::Str(key) if key.chars().nth(60).is_some() => {
            format!("[{:?}...]", key.chars().take(60).collect::<String>())
        }
        Value::Str(key) => format!("[{key:?}]"),
        Value::Int(key) => format!("[{key}]"),
        key => format!("[{}]", key.type_name()),
    }
}

/// A dict and the path to it.
#[derive(Debug, Clone)]
pub struct DictAt<'a> {
    dict: &'a Dict,
    at: At<'a>,
}

impl<'a> DictAt<'a> {
    /// The value of a string or integer key.
    ///
    /// # Errors
    /// [`AccessError`] when there is none.
    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Result<At<'a>, AccessError> {
        let key = key.into();
        self.find(key).ok_or_else(|| {
            let keys: Vec<_> = self.dict.entries().iter().take(5).map(|(key, _)| label(key)).collect();
            let more = if self.dict.len() > 5 { ", ..." } else { "" };
            let found = format!("{} keys: {}{more}", self.dict.len(), keys.join(", "));
            AccessError { path: self.at.path(), expected: format!("key {key}"), found }
        })
    }

    /// The value of a string or integer key, if there is one.
    pub fn find<'k>(&self, key: impl Into<Key<'k>>) -> Option<At<'a>> {
        let (key, value) = self.dict.entry(key)?;
        Some(self.at.child(value, StepName::Key(key)))
    }

    /// Keys and values in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (At<'a>, At<'a>)> + '_ {
        // A key that is of a wrong type is reported at its own entry.
        let place = |value: &'a Value, key: &'a Value| self.at.child(value, StepName::Key(key));
        self.dict.entries().iter().map(move |(key, value)| (place(key, key), place(value, key)))
    }

    /// The dict itself.
    pub fn dict(&self) -> &'a Dict {
        self.dict
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.dict.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.dict.is_empty()
    }
}

/// A list, tuple or set and the path to it.
#[derive(Debug, Clone)]
pub struct ListAt<'a> {
    items: &'a [Value],
    at: At<'a>,
}

impl<'a> ListAt<'a> {
    /// The items.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = At<'a>> + '_ {
        self.items.iter().enumerate().map(|(index, value)| self.at.child(value, StepName::Index(index)))
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

macro_rules! from_the_root {
    ($($(#[$docs:meta])* $name:ident -> $type:ty;)*) => {
        impl Value {
            /// The root of a tree, to descend from.
            pub fn at(&self) -> At<'_> {
                At { value: self, path: None }
            }

            $(
                $(#[$docs])*
                ///
                /// # Errors
                /// [`AccessError`] when it is something else.
                pub fn $name(&self) -> Result<$type, AccessError> {
                    self.at().$name()
                }
            )*
        }
    };
}

from_the_root! {
    /// A dict.
    as_dict -> DictAt<'_>;
    /// A list or tuple.
    as_list -> ListAt<'_>;
    /// A list, tuple or set, in the order of the file.
    as_items -> ListAt<'_>;
    /// A numpy array.
    as_array -> &NdArray;
    /// A pandas data frame.
    as_data_frame -> &DataFrame;
    /// An integer: an int, a numpy integer scalar, or a zero-dimensional array of one.
    as_i64 -> i64;
    /// A float or an integer.
    as_f64 -> f64;
    /// A boolean.
    as_bool -> bool;
    /// A string.
    as_str -> &str;
}
