use dfdx::prelude::{Cpu, Gradients, Shape, Tensor};
use rayon::prelude::*;

use super::{AdamKernel, AdamMoments, AdamStep};
use crate::ops::vectorise::vectorise;
use crate::ops::view::view_mut;
use crate::ops::{OpError, device_error};

vectorise! {
    fn update(parameter: &mut [f32], grad: &[f32], first: &mut [f32], second: &mut [f32], step: AdamStep) {
        let ((rate, root), (keep, penalty)) = (step.corrections(), step.decay());
        let (new1, new2) = (1.0 - step.beta1, 1.0 - step.beta2);
        // One division instead of two: m / (√v / root + ε) = root m / (√v + root ε).
        let (rate, eps) = (rate * root, step.eps * root);
        for ((p, g), (m, v)) in parameter.iter_mut().zip(grad).zip(first.iter_mut().zip(second)) {
            let g = p.mul_add(penalty, *g);
            *m = m.mul_add(step.beta1, new1 * g);
            *v = v.mul_add(step.beta2, new2 * (g * g));
            *p = p.mul_add(keep, -(rate * *m / (v.sqrt() + eps)));
        }
    }
}

impl AdamKernel for Cpu {
    fn adam<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        moments: &mut AdamMoments<Self>,
        step: AdamStep,
    ) -> Result<(), OpError> {
        const BLOCK: usize = 1 << 14;
        let grad = gradients.get_or_alloc_mut(&*parameter).map_err(device_error)?;
        let (mut first, mut second) = (view_mut(&mut moments.first)?, view_mut(&mut moments.second)?);
        let mut parameter = view_mut(parameter)?;
        let blocks = parameter.par_chunks_mut(BLOCK).zip(grad.par_chunks(BLOCK));
        let moments = first.par_chunks_mut(BLOCK).zip(second.par_chunks_mut(BLOCK));
        blocks.zip(moments).for_each(|((p, g), (m, v))| update(p, g, m, v, step));
        Ok(())
    }
}
