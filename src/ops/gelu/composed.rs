use dfdx::prelude::{ChooseFrom, Device, Shape, Tape, Tensor, TryAdd, TryLt, TryMul};

use crate::ops::math::TAIL;
use crate::ops::nothing::is_empty;
use crate::ops::saturating::saturating;
use crate::ops::{OpError, device_error};

/// [`gelu`](super::gelu) in dfdx's own operations, whose GELU has a wrong derivative (0.13) and which have no error function: the
/// approximation that the fused kernel makes.
pub fn gelu<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    if is_empty(&x) {
        return Ok(x);
    }
    // Where `exp(-x²/2)` has long been 0 in f32.
    let gelu = |x: Tensor<S, f32, D, T>| {
        let u = x.retaped::<T>().try_abs()?.try_mul(std::f32::consts::FRAC_1_SQRT_2)?;
        let t = u.try_mul(0.5)?.try_add(1.0)?.try_recip()?;
        let mut p = t.retaped::<T>().try_mul(0.0)?.try_add(TAIL[0])?;
        for coefficient in &TAIL[1..] {
            p = p.try_mul(t.retaped::<T>())?.try_add(*coefficient)?;
        }
        let bell = x.retaped::<T>().try_square()?.try_mul(-0.5)?.try_exp()?;
        let tail = bell.try_mul(p.try_mul(t)?)?.try_mul(0.5)?;
        let other = tail.retaped::<T>().try_negate()?.try_add(1.0)?;
        x.try_lt(0.0)?.try_choose(tail, other)?.try_mul(x)
    };
    saturating(x, -20.0..=20.0, gelu).map_err(device_error)
}

/// [`quick_gelu`](super::quick_gelu) in dfdx's own operations.
pub fn quick_gelu<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    if is_empty(&x) {
        return Ok(x);
    }
    // Where `exp(1.702 x)` leaves the range of f32.
    let quick_gelu = |x: Tensor<S, f32, D, T>| x.retaped::<T>().try_mul(1.702)?.try_sigmoid()?.try_mul(x);
    saturating(x, -60.0..=60.0, quick_gelu).map_err(device_error)
}
