//! pandas: frames and series are blocks of columns of one type, and indexes.

mod arrow;
mod column;
mod index;

use std::sync::Arc;

use super::PickleError;
use super::freeze::{Freezer, refuse, wrong};
use super::graph::Call;
use super::value::{DataFrame, Index, Opaque, Value};
use crate::formats::limits::Budget;
use column::{cells, extension, unread};
pub(super) use index::index;
pub(in crate::formats::pickle) use index::range;

type Result<T> = std::result::Result<T, PickleError>;

/// `DataFrame` with the state `{"_mgr": BlockManager}` (`_data` before pandas 1.1).
pub(super) fn frame<'g>(freezer: &mut Freezer<'g, '_, '_>, call: &'g Call) -> Result<Value> {
    let (blocks, axes) = blocks_and_axes(call, &*manager(call, &freezer.state(call)?)?)?;
    let [names, labels] = axes.as_slice() else { return Err(refuse(call, "axes that are not two indexes")) };
    let rows = height(labels, &blocks, freezer.budget)?;
    let mut columns = vec![];
    for (values, places) in blocks {
        let places = positions(call, &places, freezer.budget)?;
        let filled = block(call, &values, places.len(), rows, freezer.budget)?;
        columns.extend(places.into_iter().zip(filled));
    }
    columns.sort_by_key(|(place, _)| *place);
    if let Some((at, _)) = columns.iter().enumerate().find(|(at, (place, _))| at != place) {
        return Err(refuse(call, format!("column {at} is missing or given twice")));
    }
    let names = named(names, columns.len(), freezer.budget)?.labels;
    if names.len() != columns.len() {
        return Err(refuse(call, format!("{} columns for {} names", columns.len(), names.len())));
    }
    let columns = names.into_iter().zip(columns.into_iter().map(|(_, values)| values)).collect();
    let index = named(labels, rows, freezer.budget)?;
    Ok(Value::DataFrame(Arc::new(DataFrame { columns, index })))
}

/// `Series` with the state `{"_mgr": SingleBlockManager, "_name": name}`: a frame of one column.
pub(super) fn series<'g>(freezer: &mut Freezer<'g, '_, '_>, call: &'g Call) -> Result<Value> {
    let state = freezer.state(call)?;
    let (blocks, axes) = blocks_and_axes(call, &*manager(call, &state)?)?;
    let ([(values, _)], [labels]) = (blocks.as_slice(), axes.as_slice()) else {
        return Err(refuse(call, "a series of other than one block and one index"));
    };
    let rows = height(labels, &blocks, freezer.budget)?;
    let column = block(call, values, 1, rows, freezer.budget)?.swap_remove(0);
    let name = match &state {
        Value::Dict(state) => state.get("_name").or_else(|| state.get("name")).cloned().unwrap_or(Value::None),
        _ => Value::None,
    };
    let index = named(labels, rows, freezer.budget)?;
    Ok(Value::DataFrame(Arc::new(DataFrame { columns: vec![(name, column)], index })))
}

/// An axis; labels of a kind that is not read stand for themselves.
fn named(axis: &Value, count: usize, budget: &mut Budget) -> Result<Index> {
    budget.nodes(count)?;
    Ok(match axis {
        Value::Index(index) => Index::clone(index),
        other => Index { name: Value::None, labels: vec![unread(other); count] },
    })
}

/// The columns of a block.
fn block(call: &Call, values: &Value, width: usize, rows: usize, budget: &mut Budget) -> Result<Vec<Vec<Value>>> {
    let misfit =
        |shape: &[usize]| refuse(call, format!("a block of shape {shape:?} for {width} columns of {rows} rows"));
    if let Value::Array(array) = values {
        let fits = match *array.shape() {
            [columns, height] => (columns, height) == (width, rows),
            [height] => (1, height) == (width, rows),
            _ => false,
        };
        return match fits {
            true => (0..width).map(|column| cells(array, column * rows, rows, budget)).collect(),
            false => Err(misfit(array.shape())),
        };
    }
    match extension(values, budget)? {
        Some(column) if width == 1 && column.len() == rows => Ok(vec![column]),
        Some(column) => Err(misfit(&[column.len()])),
        None => {
            budget.nodes(width.saturating_mul(rows))?;
            Ok(vec![vec![unread(values); rows]; width])
        }
    }
}

/// Rows by the index, or of the first block that says.
fn height(labels: &Value, blocks: &[Block], budget: &mut Budget) -> Result<usize> {
    if let Value::Index(index) = labels {
        return Ok(index.labels.len());
    }
    for (values, _) in blocks {
        match values {
            Value::Array(array) => return Ok(array.shape().last().copied().unwrap_or(0)),
            other => {
                if let Some(column) = extension(other, budget)? {
                    return Ok(column.len());
                }
            }
        }
    }
    Ok(0)
}

fn manager(call: &Call, state: &Value) -> Result<Arc<Opaque>> {
    let manager = match state {
        Value::Dict(state) => state.get("_mgr").or_else(|| state.get("_data")),
        other => Some(other),
    };
    match manager {
        Some(Value::Opaque(manager)) if manager.name.ends_with("BlockManager") => Ok(manager.clone()),
        _ => Err(refuse(call, "no block manager in its state")),
    }
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
