use dfdx::prelude::{Device, HasShape, Shape, Tape, Tensor, TryMul};

use super::Lottery;
use crate::ops::nothing::is_empty;
use crate::ops::{OpError, device_error};

/// [`dropout`](fn@super::dropout) in dfdx's own operations: a product with the factors, which the host computes.
pub fn dropout<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    lottery: Lottery,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    if is_empty(&x) {
        return Ok(x);
    }
    let forward = || -> Result<_, D::Err> {
        let shape = *x.shape();
        let factors = (0..shape.num_elements()).map(|i| lottery.factor(i)).collect();
        let factors = x.device().try_tensor_from_vec(factors, shape)?;
        x.try_mul(factors)
    };
    forward().map_err(device_error)
}
