use std::ops::RangeInclusive;

use dfdx::prelude::{Device, Shape, Tape, Tensor, TryAdd, TrySub};

/// A function that is 0 below a range and `x` above it, in f32, in dfdx's own operations: `f(clamp(x)) + (x − min(x, end))`. So `f` and its
/// gradient see no number whose products would overflow.
pub(crate) fn saturating<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    range: RangeInclusive<f32>,
    f: impl FnOnce(Tensor<S, f32, D, T>) -> Result<Tensor<S, f32, D, T>, D::Err>,
) -> Result<Tensor<S, f32, D, T>, D::Err> {
    let y = f(x.retaped::<T>().try_clamp(*range.start(), *range.end())?)?;
    // Recorded last, so that the backward pass has it first: within the range its two gradients cancel before there is another to round. The
    // maximum of 0 would pass over NaN.
    let below = x.retaped::<T>().try_clamp(f32::NEG_INFINITY, *range.end())?;
    y.try_add(x.try_sub(below)?)
}
