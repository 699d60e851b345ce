use dfdx::prelude::{Axis, Device, Dim, HasShape, Merge, ReshapeTo, Tape, Tensor, TryConcatAlong};

use crate::ops::{OpError, device_error};

/// [`concat`](fn@super::concat) in dfdx's own operations.
pub fn concat<B: Dim, E: Dim, W: Dim, D: Device<f32>, T: Tape<f32, D> + Merge<T>>(
    parts: Vec<Tensor<(B, E), f32, D, T>>,
    width: W,
) -> Result<Tensor<(B, W), f32, D, T>, OpError> {
    let rows = parts[0].shape().0;
    let mut joined: Option<Tensor<(usize, usize), f32, D, T>> = None;
    for part in parts {
        let shape = (part.shape().0.size(), part.shape().1.size());
        let part = part.try_reshape_like(&shape).map_err(device_error)?;
        joined = Some(match joined {
            None => part,
            Some(before) => (before, part).try_concat_along(Axis::<1>).map_err(device_error)?,
        });
    }
    let joined = joined.ok_or(OpError::Undefined { op: "concat", reason: "nothing to concatenate" })?;
    joined.try_reshape_like(&(rows, width)).map_err(device_error)
}
