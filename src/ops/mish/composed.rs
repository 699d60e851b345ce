use dfdx::prelude::{Device, Shape, Tape, Tensor, TryAdd, TryDiv, TryMul};

use super::LINEAR_ABOVE;
use crate::ops::nothing::is_empty;
use crate::ops::{OpError, device_error};

/// [`mish`](super::mish) in dfdx's own operations.
pub fn mish<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    if is_empty(&x) {
        return Ok(x);
    }
    let forward = || -> Result<_, D::Err> {
        let e = x.retaped::<T>().try_clamp(f32::MIN, LINEAR_ABOVE)?.try_exp()?;
        let n = e.retaped::<T>().try_add(2.0)?.try_mul(e)?;
        x.try_mul(n.retaped::<T>().try_div(n.try_add(2.0)?)?)
    };
    forward().map_err(device_error)
}
