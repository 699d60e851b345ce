use dfdx::prelude::{Cpu, Gradients, Shape, Tensor};
use rayon::prelude::*;

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
        const BLOCK: usize = 1 << 14;
        let grad = gradients.get_or_alloc_mut(&*parameter).map_err(device_error)?;
        let (mut parameter, mut velocity) = (view_mut(parameter)?, view_mut(velocity)?);
        let blocks = parameter.par_chunks_mut(BLOCK).zip(velocity.par_chunks_mut(BLOCK)).zip(grad.par_chunks(BLOCK));
        blocks.for_each(|((parameter, velocity), grad)| {
            for ((p, v), g) in parameter.iter_mut().zip(velocity).zip(grad) {
                *v = momentum * *v + g;
                *p -= learning_rate * *v;
            }
        });
        Ok(())
    }
}
