use dfdx::prelude::{Cpu, HasShape, Merge, Shape, Tensor};

use super::{LossReduction, SmoothL1Kernel};
use crate::ops::math::sum2;
use crate::ops::parallel::map_row_blocks;
use crate::ops::record::{operands, record};
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, RecordingTape};
use crate::processor::vectorise;

vectorise! {
    /// Sum of `d² / 2β` where `|d| < β` and `|d| − β/2` elsewhere.
    fn terms(x: &[f32], target: &[f32], beta: f32) -> f32 {
        let half = if beta > 0.0 { 0.5 / beta } else { 0.0 };
        sum2(x, target, |x, t| {
            let d = (x - t).abs();
            if d < beta { half * d * d } else { d - 0.5 * beta }
        })
    }
}

vectorise! {
    /// `out += scale · clamp(d / β, −1, 1)`, the sign of d where β is 0.
    fn accumulate(x: &[f32], target: &[f32], beta: f32, scale: f32, out: &mut [f32]) {
        let slope = if beta > 0.0 { 1.0 / beta } else { f32::INFINITY };
        for ((out, x), t) in out.iter_mut().zip(x).zip(target) {
            let d = x - t;
            let sign = if d == 0.0 { 0.0 } else { d.signum() };
            *out += scale * if d.abs() < beta { d * slope } else { sign };
        }
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
        // Blocks in f32, their sums in f64 and in order.
        let targets = view(&target);
        let blocks = map_row_blocks(&view(&x), 1, |at, block| terms(block, &targets[at..][..block.len()], beta));
        let sum: f64 = blocks.into_iter().map(f64::from).sum();
        drop(targets);

        let device = x.device().clone();
        record(&device, vec![(sum * scale) as f32], (), tape, move |grad, grads| {
            let scale = (f64::from(grad[0]) * scale) as f32;
            let (x_data, t_data) = (view(&x), view(&target));
            Slot::gradient(&x, grads)?.add_blocks(|at, gx| {
                accumulate(&x_data[at..][..gx.len()], &t_data[at..][..gx.len()], beta, scale, gx);
            });
            if R::GRADIENT {
                Slot::gradient(&target, grads)?.add_blocks(|at, gt| {
                    accumulate(&t_data[at..][..gt.len()], &x_data[at..][..gt.len()], beta, scale, gt);
                });
            }
            Ok(())
        })
    }
}
