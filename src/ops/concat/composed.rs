use dfdx::prelude::{Axis, Device, ReshapeTo, Shape, Tensor, TryConcatAlong};

use crate::ops::nothing::{is_empty, merged};
use crate::ops::{AroundAxis, OpError, RecordingTape, device_error};

/// [`concat_along`](super::concat_along) in dfdx's own operations.
pub fn concat<S: Shape, O: Shape, D: Device<f32>, T: RecordingTape<D>>(
    parts: Vec<Tensor<S, f32, D, T>>,
    axis: usize,
    shape: O,
) -> Result<Tensor<O, f32, D, T>, OpError> {
    let mut joined: Option<Tensor<(usize, usize), f32, D, T>> = None;
    for part in parts {
        let AroundAxis { outer, length, inner } = AroundAxis::of(dfdx::prelude::HasShape::shape(&part), axis);
        let part = part.try_reshape_like(&(outer, length * inner)).map_err(device_error)?;
        joined = Some(match joined {
            None => part,
            Some(before) if is_empty(&part) => merged(before, part),
            Some(before) if is_empty(&before) => merged(part, before),
            Some(before) => (before, part).try_concat_along(Axis::<1>).map_err(device_error)?,
        });
    }
    let joined = joined.ok_or(OpError::TooFew { op: "concat", what: "parts", least: 1, got: 0 })?;
    joined.try_reshape_like(&shape).map_err(device_error)
}
