//! From a tree to the features of a video.

use std::collections::{HashMap, HashSet};

use crate::data::reader::{FileProblem, array_problem};
use crate::formats::ndarray::{ArrayData, ArrayError, NdArray};
use crate::formats::pickle::{AccessError, At, Opaque, Value};
use crate::matrix::Matrix;

type Problem<T> = Result<T, FileProblem>;

/// The one class that the published pickles name beside numpy's: a table of features with its keys.
pub(super) const STORE: &str = "ExpertStore";

/// What a file says of a video.
pub(super) enum Entry {
    /// Nothing: it does not name the video.
    Absent,
    /// The video has no features: `NaN` or `None`.
    Missing,
    /// The features, `(rows, width)`; of 0 rows, the width may be 0.
    Rows(Matrix<f32>),
}

/// Features by video.
pub(super) enum Table {
    /// A dict from video ids to arrays.
    Dict(Value),
    /// An `ExpertStore`.
    Store(Store),
}

/// The published `ExpertStore`: one matrix, rows by key.
pub(super) struct Store {
    rows: HashMap<String, usize>,
    missing: HashSet<usize>,
    matrix: Matrix<f32>,
}

impl Table {
    pub fn new(tree: Value) -> Problem<Self> {
        match &tree {
            Value::Opaque(object) if &*object.name == STORE => Ok(Self::Store(Store::new(object)?)),
            other => {
                other.as_dict()?;
                Ok(Self::Dict(tree))
            }
        }
    }

    /// Whether the file has an entry of a video.
    pub fn names(&self, video: &str) -> bool {
        match self {
            Self::Dict(tree) => tree.as_dict().is_ok_and(|dict| dict.find(video).is_some()),
            Self::Store(store) => store.rows.contains_key(video),
        }
    }

    pub fn get(&self, video: &str) -> Problem<Entry> {
        match self {
            Self::Dict(tree) => match tree.as_dict()?.find(video) {
                Some(at) => Ok(rows(&at)?.map_or(Entry::Missing, Entry::Rows)),
                None => Ok(Entry::Absent),
            },
            Self::Store(store) => Ok(store.get(video)),
        }
    }
}

impl Store {
    /// Reads the attributes: `keys`, `dim`, `store` of shape `(keys, dim)`, `keymap` from keys to rows, and the keys or rows in `missing`.
    fn new(object: &Opaque) -> Problem<Self> {
        let attributes = object.state.as_dict()?;
        let array = attributes.get("store")?.as_array()?.to_f32_matrix();
        let matrix = array.map_err(|problem| array_problem("store", problem))?;
        let mut rows = HashMap::new();
        if let Some(map) = attributes.find("keymap") {
            for (key, row) in map.as_dict()?.iter() {
                rows.insert(key.as_str()?.to_owned(), row_number(&row)?);
            }
        } else {
            let keys = attributes.get("keys")?.as_list()?;
            for (row, key) in keys.iter().enumerate() {
                rows.insert(key.as_str()?.to_owned(), row);
            }
        }
        if let Some(&row) = rows.values().find(|row| **row >= matrix.rows()) {
            let found = format!("store of {} rows", matrix.rows());
            return Err(AccessError { path: "keymap".into(), expected: format!("row {row}"), found }.into());
        }
        if let Some(dim) = attributes.find("dim")
            && dim.as_i64()? != matrix.cols() as i64
        {
            let found = format!("store of width {}", matrix.cols());
            return Err(AccessError { path: "dim".into(), expected: format!("width {}", dim.as_i64()?), found }.into());
        }
        let missing = attributes.find("missing").map_or(Ok(HashSet::new()), |at| missing_rows(&at, &rows))?;
        Ok(Self { rows, missing, matrix })
    }

    fn get(&self, video: &str) -> Entry {
        match self.rows.get(video) {
            None => Entry::Absent,
            Some(row) if self.missing.contains(row) => Entry::Missing,
            Some(&row) => Entry::Rows(Matrix::from_fn(1, self.matrix.cols(), |_, column| self.matrix.row(row)[column])),
        }
    }
}

fn row_number(at: &At<'_>) -> Result<usize, AccessError> {
    let row = at.as_i64()?;
    let wrong = |_| AccessError { path: at.path(), expected: "row number".into(), found: row.to_string() };
    usize::try_from(row).map_err(wrong)
}

/// Keys or rows in a set, list, or dict.
fn missing_rows(at: &At<'_>, rows: &HashMap<String, usize>) -> Problem<HashSet<usize>> {
    let items: Vec<&Value> = match at.value() {
        Value::Set(items) | Value::List(items) | Value::Tuple(items) => items.iter().collect(),
        _ => at.as_dict()?.dict().entries().iter().map(|(key, _)| key).collect(),
    };
    let row = |item: &Value| match item {
        Value::Str(key) => rows.get(&**key).copied().ok_or_else(|| AccessError {
            path: at.path(),
            expected: "known key".into(),
            found: format!("{key:?}"),
        }),
        other => row_number(&other.at()),
    };
    Ok(items.into_iter().map(row).collect::<Result<_, _>>()?)
}

/// An array as rows: `(D)` is one row, leading axes of size 1 before the last two are dropped, an array without values has no rows. `None`
/// for `NaN` and `None`.
pub(super) fn rows(at: &At<'_>) -> Problem<Option<Matrix<f32>>> {
    match at.value() {
        Value::None => Ok(None),
        Value::Float(value) if value.is_nan() => Ok(None),
        Value::Array(array) => match (array.shape(), array.data()) {
            // An array without axes is a scalar.
            ([], ArrayData::Object(items)) if items.len() == 1 => rows(&items[0].at()),
            ([], _) => match array.to_f64_vec() {
                Ok(values) if values.iter().all(|value| value.is_nan()) => Ok(None),
                _ => Err(wrong(at)),
            },
            _ => Ok(Some(array_rows(at, array)?)),
        },
        Value::List(_) | Value::Tuple(_) => list_rows(at).map(Some),
        _ => Err(wrong(at)),
    }
}

fn wrong(at: &At<'_>) -> FileProblem {
    let (path, found) = (at.path(), at.value().type_name().into());
    AccessError { path, expected: "array, or NaN where there is none,".into(), found }.into()
}

fn array_rows(at: &At<'_>, array: &NdArray) -> Problem<Matrix<f32>> {
    let failed = |problem: ArrayError| array_problem(&at.path(), problem);
    if array.is_empty() {
        let width = array.shape().last().copied().unwrap_or(0);
        return matrix(at, vec![], 0, width);
    }
    let (outer, last) = array.shape().split_at(array.shape().len().saturating_sub(2));
    let (height, width) = match *last {
        [width] => (1, width),
        [height, width] if outer.iter().all(|&size| size == 1) => (height, width),
        _ => {
            let (actual, shape) = (array.dtype(), array.shape().to_vec());
            return Err(failed(ArrayError::Dimensions { expected: 2, actual, shape }));
        }
    };
    matrix(at, array.to_f32_vec().map_err(failed)?, height, width)
}

/// Numbers are one row; lists of numbers are rows.
fn list_rows(at: &At<'_>) -> Problem<Matrix<f32>> {
    let items = at.as_list()?;
    let number = |at: &At<'_>| at.as_f64().map(|value| value as f32);
    if items.iter().all(|item| item.as_f64().is_ok()) {
        let values = items.iter().map(|item| number(&item)).collect::<Result<Vec<_>, _>>()?;
        let (height, width) = (usize::from(!values.is_empty()), values.len());
        return matrix(at, values, height, width);
    }
    let (mut values, mut width) = (vec![], None);
    for item in items.iter() {
        let row = rows(&item)?.ok_or_else(|| wrong(&item))?;
        let expected = *width.get_or_insert(row.cols());
        if row.rows() != 1 || row.cols() != expected {
            let (path, found) = (item.path(), format!("{} x {}", row.rows(), row.cols()));
            return Err(AccessError { path, expected: format!("row of {expected} numbers"), found }.into());
        }
        values.extend_from_slice(row.as_slice());
    }
    matrix(at, values, items.len(), width.unwrap_or(0))
}

fn matrix(at: &At<'_>, values: Vec<f32>, height: usize, width: usize) -> Problem<Matrix<f32>> {
    let wrong = |_| array_problem(&at.path(), ArrayError::Shape(vec![height, width]));
    Matrix::new(values, height, width).map_err(wrong)
}
