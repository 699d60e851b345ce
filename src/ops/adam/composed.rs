use dfdx::prelude::{Device, Gradients, HasShape, ReshapeTo, Shape, SumTo, Tensor, TryAdd, TryDiv, TryMul, TrySub};

use super::{AdamMoments, MomentUpdate, StepProjection};
use crate::ops::nothing::is_empty;
use crate::ops::{OpError, device_error};

type Flat<D> = Tensor<(usize,), f32, D>;

/// The step `rate d` and the gradient with its penalty; the moments and the parameter advance.
fn step<S: Shape, D: Device<f32>>(
    parameter: &mut Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
    moments: &mut AdamMoments<D>,
    by: MomentUpdate,
) -> Result<(Flat<D>, Flat<D>), D::Err> {
    gradients.try_alloc_for(&*parameter)?;
    let shape = *parameter.shape();
    let flat = parameter.clone().try_reshape_like(moments.first.shape())?;
    let grad = gradients.get(&*parameter).try_reshape_like(moments.first.shape())?;
    let grad = grad.try_add(flat.clone().try_mul(by.penalty)?)?;
    moments.first = moments.first.clone().try_mul(by.first.0)?.try_add(grad.clone().try_mul(by.first.1)?)?;
    let square = grad.clone().try_square()?.try_mul(by.second.1)?;
    moments.second = moments.second.clone().try_mul(by.second.0)?.try_add(square)?;
    let direction = match by.eps {
        Some(eps) => moments.first.clone().try_div(moments.second.clone().try_sqrt()?.try_add(eps)?)?,
        None => moments.first.clone(),
    };
    let step = direction.try_mul(by.rate)?;
    let change = flat.clone().try_mul(by.decay)?.try_add(step.clone())?;
    *parameter = flat.try_sub(change)?.try_reshape_like(&shape)?;
    Ok((step, grad))
}

/// [`moment_update`](crate::ops::moment_update) in dfdx's own operations. The parameter becomes a new tensor (a new id), so gradients of the
/// step before no longer belong to it.
pub fn moment_update<S: Shape, D: Device<f32>>(
    parameter: &mut Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
    moments: &mut AdamMoments<D>,
    by: MomentUpdate,
) -> Result<(), OpError> {
    if is_empty(parameter) {
        return Ok(());
    }
    step(parameter, gradients, moments, by).map(|_| ()).map_err(device_error)
}

/// [`moment_update_projecting`](crate::ops::moment_update_projecting) in dfdx's own operations; sums in f32.
pub fn moment_update_projecting<S: Shape, D: Device<f32>>(
    parameter: &mut Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
    moments: &mut AdamMoments<D>,
    by: MomentUpdate,
) -> Result<StepProjection, OpError> {
    if is_empty(parameter) {
        return Ok(StepProjection::default());
    }
    let mut projection = || -> Result<StepProjection, D::Err> {
        let (step, grad) = step(parameter, gradients, moments, by)?;
        let sum = |values: Flat<D>| -> Result<f64, D::Err> {
            Ok(values.try_sum::<(), _>()?.as_vec().into_iter().map(f64::from).sum())
        };
        let along_gradient = -sum(step.clone().try_mul(grad)?)?;
        Ok(StepProjection { squared_length: sum(step.try_square()?)?, along_gradient })
    };
    projection().map_err(device_error)
}
