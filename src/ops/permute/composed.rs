use dfdx::prelude::{Axes, Device, PermuteShapeTo, PermuteTo, ReshapeTo, Shape, Tape, Tensor};

use crate::ops::{OpError, device_error};

/// [`permute`](super::permute) in dfdx's own operations.
pub fn permute<S: Shape + PermuteShapeTo<O, Ax>, O: Shape, Ax: Axes, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
) -> Result<Tensor<O, f32, D, T>, OpError> {
    let forward = || -> Result<_, D::Err> { x.try_permute::<O, Ax>()?.try_contiguous() };
    forward().map_err(device_error)
}
