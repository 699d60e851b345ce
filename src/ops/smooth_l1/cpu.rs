use dfdx::prelude::{Cpu, HasShape, Merge, Shape, Tensor};

use super::{LossReduction, SmoothL1Kernel};
use crate::ops::parallel::{for_blocks, map_row_blocks};
use crate::ops::record::{operands, record};
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, RecordingTape};

#[inline(always)]
fn term(d: f32, beta: f32) -> f32 {
    if d.abs() < beta { 0.5 * d * d / beta } else { d.abs() - 0.5 * beta }
}

#[inline(always)]
fn derivative(d: f32, beta: f32) -> f32 {
    if d.abs() < beta {
        d / beta
    } else if d == 0.0 {
        0.0
    } else {
        d.signum()
    }
}

impl SmoothL1Kernel for Cpu {
    fn smooth_l1<S: Shape, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        target: Tensor<S, f32, Self, R>,
        beta: f32,
        reduction: LossReduction,
    ) -> Result<Tensor<(), f32, Self, T>, OpError> {
        let (x, target, tape) = operands(x, target)?;
        let scale = reduction.scale(x.shape().num_elements());
        let sum: f64 = {
            let targets = view(&target);
            let blocks = map_row_blocks(&view(&x), 1, |at, block| {
                block.iter().zip(&targets[at..]).map(|(x, t)| f64::from(term(x - t, beta))).sum::<f64>()
            });
            blocks.into_iter().sum()
        };

        let device = x.device().clone();
        record(&device, vec![(sum * scale) as f32], (), tape, move |grad, grads| {
            let scale = (f64::from(grad[0]) * scale) as f32;
            let (x_data, t_data) = (view(&x), view(&target));
            let slope = |i: usize| scale * derivative(x_data[i] - t_data[i], beta);
            for_blocks(grads.get_or_alloc_mut(&x)?, |at, block| {
                block.iter_mut().enumerate().for_each(|(i, gx)| *gx += slope(at + i));
            });
            if R::GRADIENT {
                for_blocks(grads.get_or_alloc_mut(&target)?, |at, block| {
                    block.iter_mut().enumerate().for_each(|(i, gt)| *gt -= slope(at + i));
                });
            }
            Ok(())
        })
    }
}
