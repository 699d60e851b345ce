use dfdx::prelude::{
    Axes, Device, HasShape, PermuteShapeTo, PermuteStridesTo, PermuteTo, ReshapeTo, Shape, SplitTape, Tape, Tensor,
};

use crate::ops::nothing::{constant, is_empty};
use crate::ops::{OpError, device_error};

/// [`permute`](super::permute) in dfdx's own operations.
pub fn permute<S: Shape + PermuteShapeTo<O, Ax>, O: Shape, Ax: Axes, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
) -> Result<Tensor<O, f32, D, T>, OpError> {
    if is_empty(&x) {
        let (x, tape) = x.split_tape();
        return constant(x.device().clone(), 0.0, x.shape().permuted(), tape, |_| Ok(()));
    }
    let forward = || -> Result<_, D::Err> { x.try_permute::<O, Ax>()?.try_contiguous() };
    forward().map_err(device_error)
}
