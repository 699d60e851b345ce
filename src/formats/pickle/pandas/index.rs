//! Indexes: labels of rows, names of columns.

use std::sync::Arc;

use super::Result;
use super::column::extension;
use crate::formats::limits::Budget;
use crate::formats::pickle::freeze::{Freezer, refuse, wrong};
use crate::formats::pickle::graph::Call;
use crate::formats::pickle::value::{Index, Value};

/// `_new_Index(class, {"data": labels, "name": name})`, or `{"start", "stop", "step", "name"}` for a range.
pub(in crate::formats::pickle) fn index<'g>(freezer: &mut Freezer<'g, '_, '_>, call: &'g Call) -> Result<Value> {
    let class = call.args.first().and_then(|&class| freezer.global(class));
    let class = class.ok_or_else(|| refuse(call, "an index of an unknown class"))?;
    let fields = match freezer.argument(call, 1)? {
        Value::Dict(fields) => fields,
        other => return Err(wrong(call, "a dict", &other)),
    };
    let name = fields.get("name").cloned().unwrap_or(Value::None);
    let labels = match (&*class.name, fields.get("data")) {
        ("RangeIndex", _) => {
            let number = |key| match fields.get(key) {
                Some(Value::Int(number)) => Ok(*number),
                _ => Err(refuse(call, format!("a range without {key}"))),
            };
            let (start, stop, step) = (number("start")?, number("stop")?, number("step")?);
            Some(range(call, start, stop, step, freezer.budget)?.map(Value::Int).collect())
        }
        // Numbers of days and the like.
        ("DatetimeIndex" | "TimedeltaIndex" | "PeriodIndex", _) => None,
        (_, Some(data)) => match extension(data, freezer.budget)? {
            None if matches!(data, Value::Array(_)) => return Err(wrong(call, "a one-dimensional array", data)),
            labels => labels,
        },
        _ => None,
    };
    Ok(match labels {
        Some(labels) => Value::Index(Arc::new(Index { name, labels })),
        None => Value::Unread(format!("a pandas {}", class.name).into()),
    })
}

/// Python's `range`, its length granted before it is walked.
pub(in crate::formats::pickle) fn range(
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
