use dfdx::prelude::{Device, HasShape, ReshapeTo, Shape, SumTo, Tape, Tensor, TryMul, TrySub};

use crate::ops::{OpError, device_error};

/// [`mean_squared_error`](super::mean_squared_error) in dfdx's own operations.
pub fn mean_squared_error<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    target: &Tensor<S, f32, D>,
) -> Result<Tensor<(), f32, D, T>, OpError> {
    let count = x.shape().num_elements();
    let forward = || -> Result<_, D::Err> {
        let flat = x.try_sub(target.clone())?.try_square()?.try_reshape_like(&(count,))?;
        flat.try_sum::<(), _>()?.try_mul(1.0 / count as f32)
    };
    forward().map_err(device_error)
}
