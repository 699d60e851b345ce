use dfdx::prelude::{Cpu, Gradients, Shape, Tensor};

use super::SgdKernel;
use crate::ops::view::view_mut;
use crate::ops::{OpError, device_error};

impl SgdKernel for Cpu {
    fn sgd_momentum<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        velocity: &mut Tensor<(usize,), f32, Self>,
        learning_rate: f32,
        momentum: f32,
    ) -> Result<(), OpError> {
        let grad = gradients.get_or_alloc_mut(&*parameter).map_err(device_error)?;
        let (mut parameter, mut velocity) = (view_mut(parameter)?, view_mut(velocity)?);
        for ((p, v), g) in parameter.iter_mut().zip(velocity.iter_mut()).zip(grad.iter()) {
            *v = momentum * *v + g;
            *p -= learning_rate * *v;
        }
        Ok(())
    }
}
