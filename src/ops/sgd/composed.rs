use dfdx::prelude::{Device, Gradients, HasShape, ReshapeTo, Shape, Tensor, TryAdd, TryMul, TrySub};

use crate::ops::nothing::is_empty;
use crate::ops::{OpError, device_error};

/// [`sgd_momentum`](super::sgd_momentum) in dfdx's own operations. The parameter becomes a new tensor (a new id), so
/// gradients of the step before no longer belong to it.
pub fn sgd_momentum<S: Shape, D: Device<f32>>(
    parameter: &mut Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
    velocity: &mut Tensor<(usize,), f32, D>,
    learning_rate: f32,
    momentum: f32,
) -> Result<(), OpError> {
    if is_empty(parameter) {
        return Ok(());
    }
    let mut step = || -> Result<(), D::Err> {
        gradients.try_alloc_for(&*parameter)?;
        let shape = *parameter.shape();
        let grad = gradients.get(&*parameter).try_reshape_like(velocity.shape())?;
        *velocity = velocity.clone().try_mul(momentum)?.try_add(grad)?;
        let step = velocity.clone().try_mul(learning_rate)?.try_reshape_like(&shape)?;
        *parameter = parameter.clone().try_sub(step)?;
        Ok(())
    };
    step().map_err(device_error)
}
