use dfdx::prelude::{Cpu, Gradients, Shape, Tensor};
use rayon::prelude::*;

use super::{AdamKernel, AdamMoments, MomentUpdate, StepProjection};
use crate::ops::view::view_mut;
use crate::ops::{OpError, device_error};
use crate::processor::vectorise;

/// Values of a task.
const BLOCK: usize = 1 << 14;

/// One value after the other; `direction(g, m, v)` of the new moments.
#[inline(always)]
fn walk(
    (parameter, grad): (&mut [f32], &[f32]),
    (first, second): (&mut [f32], &mut [f32]),
    by: MomentUpdate,
    mut direction: impl FnMut(f32, f32, f32) -> f32,
) {
    for ((p, g), (m, v)) in parameter.iter_mut().zip(grad).zip(first.iter_mut().zip(second)) {
        let g = p.mul_add(by.penalty, *g);
        *m = m.mul_add(by.first.0, by.first.1 * g);
        *v = v.mul_add(by.second.0, by.second.1 * (g * g));
        *p -= p.mul_add(by.decay, by.rate * direction(g, *m, *v));
    }
}

vectorise! {
    fn update(values: (&mut [f32], &[f32]), moments: (&mut [f32], &mut [f32]), by: MomentUpdate) {
        match by.eps {
            Some(eps) => walk(values, moments, by, |_, m, v| m / (v.sqrt() + eps)),
            None => walk(values, moments, by, |_, m, _| m),
        }
    }
}

vectorise! {
    fn update_projecting(values: (&mut [f32], &[f32]), moments: (&mut [f32], &mut [f32]), by: MomentUpdate) -> StepProjection {
        let mut sums = StepProjection::default();
        walk(values, moments, by, |g, m, v| {
            let direction = by.eps.map_or(m, |eps| m / (v.sqrt() + eps));
            let step = -f64::from(by.rate * direction);
            sums.squared_length += step * step;
            sums.along_gradient += step * f64::from(g);
            direction
        });
        sums
    }
}

/// The results of `f(values, moments)` on blocks, in order.
fn for_blocks<S: Shape, R: Send>(
    parameter: &mut Tensor<S, f32, Cpu>,
    gradients: &mut Gradients<f32, Cpu>,
    moments: &mut AdamMoments<Cpu>,
    f: impl Fn((&mut [f32], &[f32]), (&mut [f32], &mut [f32])) -> R + Sync,
) -> Result<Vec<R>, OpError> {
    let grad = gradients.get_or_alloc_mut(&*parameter).map_err(device_error)?;
    let (mut first, mut second) = (view_mut(&mut moments.first)?, view_mut(&mut moments.second)?);
    let mut parameter = view_mut(parameter)?;
    let blocks = parameter.par_chunks_mut(BLOCK).zip(grad.par_chunks(BLOCK));
    let moments = first.par_chunks_mut(BLOCK).zip(second.par_chunks_mut(BLOCK));
    Ok(blocks.zip(moments).map(|(values, moments)| f(values, moments)).collect())
}

impl AdamKernel for Cpu {
    fn moment_update<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        moments: &mut AdamMoments<Self>,
        by: MomentUpdate,
    ) -> Result<(), OpError> {
        // A vector of nothing allocates nothing.
        for_blocks(parameter, gradients, moments, |values, moments| update(values, moments, by)).map(|_| ())
    }

    fn moment_update_projecting<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        moments: &mut AdamMoments<Self>,
        by: MomentUpdate,
    ) -> Result<StepProjection, OpError> {
        let parts =
            for_blocks(parameter, gradients, moments, |values, moments| update_projecting(values, moments, by))?;
        Ok(parts.iter().fold(StepProjection::default(), |sum, part| StepProjection {
            squared_length: sum.squared_length + part.squared_length,
            along_gradient: sum.along_gradient + part.along_gradient,
        }))
    }
}
