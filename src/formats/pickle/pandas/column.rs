//! Columns: arrays of numpy, and pandas' own.

use super::{Result, arrow};
use crate::formats::limits::Budget;
use crate::formats::ndarray::{DType, NdArray};
use crate::formats::pickle::PickleError;
use crate::formats::pickle::value::{Opaque, Value};

/// The values of a one-dimensional array, of numpy or pandas; `None` for a kind that is not read.
pub(super) fn extension(array: &Value, budget: &mut Budget) -> Result<Option<Vec<Value>>> {
    let object = match array {
        Value::Index(index) => {
            budget.nodes(index.labels.len())?;
            return Ok(Some(index.labels.clone()));
        }
        Value::Array(array) if array.shape().len() == 1 => return cells(array, 0, array.len(), budget).map(Some),
        Value::Opaque(object) => object,
        _ => return Ok(None),
    };
    match class(object) {
        "Categorical" => categorical(object, budget),
        "IntegerArray" | "FloatingArray" | "BooleanArray" => masked(object, budget),
        "StringArray" | "StringArrayNumpySemantics" | "PandasArray" | "NumpyExtensionArray" => {
            match part(object, "_ndarray", |part| matches!(part, Value::Array(_))) {
                Some(inner @ Value::Array(_)) => extension(inner, budget),
                _ => Ok(None),
            }
        }
        "ArrowStringArray" | "ArrowStringArrayNumpySemantics" | "ArrowExtensionArray" => {
            let data = part(object, "_pa_array", |_| false).or_else(|| part(object, "_data", |_| false));
            data.map_or(Ok(None), |data| arrow::values(data, budget))
        }
        _ => Ok(None),
    }
}

/// What stands for a value of a kind that is not read.
pub(super) fn unread(value: &Value) -> Value {
    match value {
        Value::Unread(_) => value.clone(),
        Value::Opaque(object) => Value::Unread(format!("a pandas {}", class(object)).into()),
        other => Value::Unread(other.type_name().into()),
    }
}

/// The class of an object; compiled ones are made by functions whose first argument it is.
pub(super) fn class(object: &Opaque) -> &str {
    match object.args.first() {
        Some(Value::Opaque(class)) if object.name.starts_with("__pyx_unpickle") => &class.name,
        _ => &object.name,
    }
}

/// An attribute: of that name in a state that is a dict, the first that fits in one that is a tuple.
pub(super) fn part<'v>(object: &'v Opaque, name: &str, fits: impl Fn(&Value) -> bool) -> Option<&'v Value> {
    match &object.state {
        Value::Dict(state) => state.get(name),
        Value::Tuple(parts) => {
            let named = parts.iter().find_map(|part| match part {
                Value::Dict(part) => part.get(name),
                _ => None,
            });
            named.or_else(|| parts.iter().find(|part| fits(part)))
        }
        _ => None,
    }
}

/// Codes from 0 into categories; -1 where a value is missing, which pandas gives as NaN.
fn categorical(object: &Opaque, budget: &mut Budget) -> Result<Option<Vec<Value>>> {
    let is_dtype = |part: &Value| matches!(part, Value::Opaque(dtype) if &*dtype.name == "CategoricalDtype");
    let categories = match part(object, "_dtype", is_dtype) {
        Some(Value::Opaque(dtype)) => part(dtype, "categories", |_| false),
        _ => part(object, "_categories", |_| false),
    };
    let codes = part(object, "_codes", |part| matches!(part, Value::Array(_)));
    let (Some(categories), Some(Value::Array(codes))) = (categories, codes) else { return Ok(None) };
    let Some(categories) = extension(categories, budget)? else { return Ok(None) };
    let codes = codes.to_i64_vec()?;
    budget.nodes(codes.len())?;
    let label = |code: i64| match usize::try_from(code) {
        Err(_) => Some(Value::Float(f64::NAN)),
        Ok(code) => categories.get(code).cloned(),
    };
    let labels = codes.into_iter().map(label).collect::<Option<_>>();
    let bad = || PickleError::Constructor {
        constructor: "pandas.Categorical".into(),
        what: "a code without a category".into(),
    };
    labels.map(Some).ok_or_else(bad)
}

/// Numbers, and which of them are missing.
fn masked(object: &Opaque, budget: &mut Budget) -> Result<Option<Vec<Value>>> {
    let (data, mask) = (part(object, "_data", |_| false), part(object, "_mask", |_| false));
    let (Some(Value::Array(data)), Some(Value::Array(mask))) = (data, mask) else { return Ok(None) };
    let (mut values, mask) = (cells(data, 0, data.len(), budget)?, mask.to_i64_vec()?);
    if values.len() != mask.len() {
        return Ok(None);
    }
    values.iter_mut().zip(mask).filter(|(_, missing)| *missing != 0).for_each(|(value, _)| *value = Value::None);
    Ok(Some(values))
}

/// `count` elements of an array, from position `first` on.
pub(super) fn cells(array: &NdArray, first: usize, count: usize, budget: &mut Budget) -> Result<Vec<Value>> {
    budget.nodes(count)?;
    let mut values = Vec::with_capacity(count);
    for index in first..first + count {
        let Some(value) = array.value(index) else { break };
        // Text is copied.
        if let (Value::Str(text), true) = (&value, array.dtype() != DType::Object) {
            budget.bytes(text.len() as u64)?;
        }
        values.push(match value {
            Value::Opaque(missing) if matches!(&*missing.name, "NA" | "NaTType" | "_nat_unpickle") => Value::None,
            value => value,
        });
    }
    Ok(values)
}
