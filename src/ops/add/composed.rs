use dfdx::prelude::{Device, Merge, Shape, Tape, Tensor, TryAdd};

use crate::ops::nothing::{is_empty, merged};
use crate::ops::record::distinct;
use crate::ops::{OpError, device_error};

/// [`add`](super::add) in dfdx's own operations.
pub fn add<S: Shape, D: Device<f32>, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    a: Tensor<S, f32, D, T>,
    b: Tensor<S, f32, D, R>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    if is_empty(&a) {
        return Ok(merged(a, b));
    }
    let (a, b) = distinct(a, b)?;
    a.try_add(b).map_err(device_error)
}
