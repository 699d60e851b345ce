use dfdx::prelude::{Device, Gradients, HasShape, ReshapeTo, Shape, Tensor, TryAdd, TryDiv, TryMul, TrySub};

use super::{AdamMoments, AdamStep};
use crate::ops::{OpError, device_error};

/// [`adam`](super::adam) in dfdx's own operations. The parameter becomes a new tensor (a new id), so gradients of the step before no longer
/// belong to it.
pub fn adam<S: Shape, D: Device<f32>>(
    parameter: &mut Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
    moments: &mut AdamMoments<D>,
    step: AdamStep,
) -> Result<(), OpError> {
    let ((rate, root), (keep, penalty)) = (step.corrections(), step.decay());
    let mut update = || -> Result<(), D::Err> {
        gradients.try_alloc_for(&*parameter)?;
        let shape = *parameter.shape();
        let flat = parameter.clone().try_reshape_like(moments.first.shape())?;
        let grad = gradients.get(&*parameter).try_reshape_like(moments.first.shape())?;
        let grad = grad.try_add(flat.clone().try_mul(penalty)?)?;
        moments.first = moments.first.clone().try_mul(step.beta1)?.try_add(grad.clone().try_mul(1.0 - step.beta1)?)?;
        let square = grad.try_square()?.try_mul(1.0 - step.beta2)?;
        moments.second = moments.second.clone().try_mul(step.beta2)?.try_add(square)?;
        let scale = moments.second.clone().try_sqrt()?.try_div(root)?.try_add(step.eps)?;
        let update = moments.first.clone().try_div(scale)?.try_mul(rate)?;
        *parameter = flat.try_mul(keep)?.try_sub(update)?.try_reshape_like(&shape)?;
        Ok(())
    };
    update().map_err(device_error)
}
