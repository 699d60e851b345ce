use dfdx::prelude::{Device, Shape, Tape, Tensor, TryAdd, TryDiv, TryMul};

use super::LINEAR_ABOVE;
use crate::ops::nothing::is_empty;
use crate::ops::saturating::saturating;
use crate::ops::{OpError, device_error};

/// [`mish`](super::mish) in dfdx's own operations.
pub fn mish<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    if is_empty(&x) {
        return Ok(x);
    }
    let mish = |x: Tensor<S, f32, D, T>| {
        let e = x.retaped::<T>().try_exp()?;
        let n = e.retaped::<T>().try_add(2.0)?.try_mul(e)?;
        x.try_mul(n.retaped::<T>().try_div(n.try_add(2.0)?)?)
    };
    // Where `x eˣ` is 0 in f32.
    saturating(x, -110.0..=LINEAR_ABOVE, mish).map_err(device_error)
}
