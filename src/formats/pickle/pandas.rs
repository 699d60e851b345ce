//! pandas data frames: blocks of columns of one type, and two indexes.

use std::sync::Arc;

use super::PickleError;
use super::freeze::{Freezer, refuse, wrong};
use super::globals::Constructor;
use super::graph::Call;
use super::value::{DataFrame, Index, Opaque, Value};
use crate::formats::limits::Budget;
use crate::formats::ndarray::NdArray;

type Result<T> = std::result::Result<T, PickleError>;

/// `_new_Index(class, {"data": labels, "name": name})`, or `{"start", "stop", "step", "name"}` for a range.
pub(super) fn index<'g>(freezer: &mut Freezer<'g, '_, '_>, call: &'g Call) -> Result<Value> {
    let class = call.args.first().and_then(|&class| freezer.global(class));
    let is_range = match class {
        Some(class) if class.constructor == Constructor::PandasRangeIndex => true,
        Some(class) if class.name.ends_with("Index") => false,
        _ => return Err(refuse(call, "an index of an unknown class")),
    };
    let fields = match freezer.argument(call, 1)? {
        Value::Dict(fields) => fields,
        other => return Err(wrong(call, "a dict", &other)),
    };
    let name = fields.get("name").cloned().unwrap_or(Value::None);
    let labels = if is_range {
        let number = |key| match fields.get(key) {
            Some(Value::Int(number)) => Ok(*number),
            _ => Err(refuse(call, format!("a range without {key}"))),
        };
        let (start, stop, step) = (number("start")?, number("stop")?, number("step")?);
        range(call, start, stop, step, freezer.budget)?.map(Value::Int).collect()
    } else {
        match fields.get("data") {
            Some(Value::Array(array)) if array.shape().len() == 1 => cells(array, 0, array.len(), freezer.budget)?,
            Some(other) => return Err(wrong(call, "a one-dimensional array", other)),
            None => return Err(refuse(call, "an index without data")),
        }
    };
    Ok(Value::Index(Arc::new(Index { name, labels })))
}

/// `StringArray` of pandas 3, whose state is `(dtype, array)`.
pub(super) fn string_array<'g>(freezer: &mut Freezer<'g, '_, '_>, call: &'g Call) -> Result<Value> {
    let class = call.args.first().and_then(|&class| freezer.global(class));
    if class.is_none_or(|class| &*class.name != "StringArray") {
        return Err(refuse(call, "an extension array of an unknown class"));
    }
    let state = freezer.values(freezer.graph.state(call))?;
    match state.into_iter().find(|part| matches!(part, Value::Array(_))) {
        Some(array) => Ok(array),
        None => Err(refuse(call, "no array in its state")),
    }
}

/// `DataFrame` with the state `{"_mgr": BlockManager}` (`_data` before pandas 1.1).
pub(super) fn frame<'g>(freezer: &mut Freezer<'g, '_, '_>, call: &'g Call) -> Result<Value> {
    let state = freezer.state(call)?;
    let manager = match &state {
        Value::Dict(state) => state.get("_mgr").or_else(|| state.get("_data")),
        _ => None,
    };
    let manager = match manager {
        Some(Value::Opaque(manager)) if &*manager.name == "BlockManager" => manager,
        _ => return Err(refuse(call, "no block manager in its state")),
    };
    let (blocks, axes) = blocks_and_axes(call, manager)?;
    let (names, index) = match axes.as_slice() {
        [Value::Index(columns), Value::Index(index)] => (columns, index),
        _ => return Err(refuse(call, "axes that are not two plain indexes")),
    };
    let rows = index.labels.len();
    freezer.budget.nodes(names.labels.len())?;
    let mut columns: Vec<Option<Vec<Value>>> = vec![None; names.labels.len()];
    for (values, places) in blocks {
        let places = positions(call, &places, freezer.budget)?;
        let Value::Array(values) = values else { return Err(wrong(call, "a block of an array", &values)) };
        let fits = match *values.shape() {
            [width, height] => (width, height) == (places.len(), rows),
            [height] => (1, height) == (places.len(), rows),
            _ => false,
        };
        if !fits {
            let (shape, places) = (values.shape(), places.len());
            return Err(refuse(call, format!("a block of shape {shape:?} for {places} columns of {rows} rows")));
        }
        for (row, place) in places.into_iter().enumerate() {
            match columns.get_mut(place) {
                Some(column @ None) => *column = Some(cells(&values, row * rows, rows, freezer.budget)?),
                _ => return Err(refuse(call, format!("column {place} is missing or given twice"))),
            }
        }
    }
    let columns = names.labels.iter().cloned().zip(columns).map(|(name, values)| Some((name, values?)));
    let columns = columns.collect::<Option<_>>().ok_or_else(|| refuse(call, "a column without values"))?;
    let index = Index::clone(index);
    freezer.budget.nodes(rows)?;
    Ok(Value::DataFrame(Arc::new(DataFrame { columns, index })))
}

/// The values of a block and the positions of its columns.
type Block = (Value, Value);

fn blocks_and_axes(call: &Call, manager: &Opaque) -> Result<(Vec<Block>, Vec<Value>)> {
    let sequence = |value: Option<&Value>| match value {
        Some(Value::List(items) | Value::Tuple(items)) => Ok(items.clone()),
        _ => Err(refuse(call, "a block manager without blocks or axes")),
    };
    // Since pandas 1.3: BlockManager(blocks, axes), the blocks being `_unpickle_block(values, places, dimensions)`.
    if manager.args.len() >= 2 {
        let block = |block: &Value| match block {
            Value::Opaque(block) if block.args.len() >= 2 => Ok((block.args[0].clone(), block.args[1].clone())),
            other => Err(wrong(call, "a block", other)),
        };
        let blocks = sequence(manager.args.first())?.iter().map(block).collect::<Result<_>>()?;
        return Ok((blocks, sequence(manager.args.get(1))?.to_vec()));
    }
    // Before: the state is (axes, values, items, {"0.14.1": {"axes": ..., "blocks": [{"values", "mgr_locs"}]}}).
    let versions = match &manager.state {
        Value::Tuple(state) => state.get(3),
        _ => None,
    };
    let layout = match versions {
        Some(Value::Dict(versions)) => versions.get("0.14.1"),
        _ => None,
    };
    let Some(Value::Dict(layout)) = layout else { return Err(refuse(call, "an unknown layout of the block manager")) };
    let block = |block: &Value| match block {
        Value::Dict(block) => Some((block.get("values")?.clone(), block.get("mgr_locs")?.clone())),
        _ => None,
    };
    let blocks = sequence(layout.get("blocks"))?.iter().map(block).collect::<Option<_>>();
    Ok((blocks.ok_or_else(|| refuse(call, "a block without values"))?, sequence(layout.get("axes"))?.to_vec()))
}

/// Column positions: `slice(start, stop, step)` or an array of integers.
fn positions(call: &Call, places: &Value, budget: &mut Budget) -> Result<Vec<usize>> {
    let unknown = || wrong(call, "column positions", places);
    let index = |place: i64| usize::try_from(place).map_err(|_| unknown());
    match places {
        Value::Array(places) => places.to_i64_vec()?.into_iter().map(index).collect(),
        Value::Opaque(slice) if &*slice.name == "slice" => match slice.args.as_slice() {
            [Value::Int(start), Value::Int(stop), step] => {
                let step = match step {
                    Value::Int(step) => *step,
                    _ => 1,
                };
                range(call, *start, *stop, step, budget)?.map(index).collect()
            }
            _ => Err(unknown()),
        },
        _ => Err(unknown()),
    }
}

/// Python's `range`, its length granted before it is walked.
fn range(
    call: &Call,
    start: i64,
    stop: i64,
    step: i64,
    budget: &mut Budget,
) -> Result<impl Iterator<Item = i64> + use<>> {
    let distance = i128::from(stop) - i128::from(start);
    let length = match step {
        0 => return Err(refuse(call, "a range of step 0")),
        1.. => (distance + i128::from(step) - 1) / i128::from(step),
        _ => (distance + i128::from(step) + 1) / i128::from(step),
    };
    let length = usize::try_from(length.max(0)).unwrap_or(usize::MAX);
    budget.nodes(length)?;
    // No overflow: every number lies between start and stop.
    Ok((0..length).map(move |i| (i128::from(start) + i as i128 * i128::from(step)) as i64))
}

/// `count` elements of an array, from position `first` on.
fn cells(array: &NdArray, first: usize, count: usize, budget: &mut Budget) -> Result<Vec<Value>> {
    budget.nodes(count)?;
    // Text is copied.
    let mut values = Vec::with_capacity(count);
    for index in first..first + count {
        let Some(value) = array.value(index) else { break };
        if let (Value::Str(text), true) = (&value, array.dtype() != crate::formats::ndarray::DType::Object) {
            budget.bytes(text.len() as u64)?;
        }
        values.push(value);
    }
    Ok(values)
}
