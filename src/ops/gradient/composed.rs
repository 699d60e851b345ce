use dfdx::prelude::{Axis, Backward, Device, Gradients, HasShape, ReshapeTo, Shape, SumTo, Tensor, Trace, TryMul};

use crate::ops::{OpError, device_error, to_vec};

/// [`gradient_norm`](super::gradient_norm) in dfdx's own operations; a gradient of zeros counts as none.
pub fn gradient_norm<S: Shape, D: Device<f32>>(
    parameter: &Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
) -> Result<Option<f64>, OpError> {
    let mut squares = || {
        gradients.try_alloc_for(parameter)?;
        let gradient = gradients.get(parameter).try_reshape_like(&(parameter.shape().num_elements(),))?;
        let sum: Tensor<(), f32, D> = gradient.clone().try_square()?.try_sum::<_, Axis<0>>()?;
        Ok::<_, D::Err>((gradient, sum))
    };
    let (gradient, sum) = squares().map_err(device_error)?;
    let mut squared: f64 = to_vec(&sum)?.into_iter().map(f64::from).sum();
    if !squared.is_finite() {
        // Perhaps only its square is too large for an f32.
        squared = to_vec(&gradient)?.into_iter().map(|value| f64::from(value).powi(2)).sum();
    }
    Ok((squared != 0.0).then_some(squared))
}

/// [`scale_gradient`](super::scale_gradient) in dfdx's own operations: the gradient of `Σ parameter · (factor · gradient)`.
pub fn scale_gradient<S: Shape, D: Device<f32>>(
    parameter: &Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
    factor: f32,
) -> Result<(), OpError> {
    let mut scale = || -> Result<(), D::Err> {
        gradients.try_alloc_for(parameter)?;
        let scaled = gradients.get(parameter).try_mul(factor)?;
        let product: Tensor<(), f32, D, _> = {
            let values = (parameter.shape().num_elements(),);
            let product = parameter.leaky_trace().try_mul(scaled)?;
            product.try_reshape_like(&values)?.try_sum::<_, Axis<0>>()?
        };
        let mut replaced = product.try_backward()?;
        std::mem::swap(gradients.get_or_alloc_mut(parameter)?, replaced.get_or_alloc_mut(parameter)?);
        Ok(())
    };
    scale().map_err(device_error)
}
