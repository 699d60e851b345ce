use dfdx::prelude::{Cpu, HasShape, ReshapeTo, Shape, SplitTape, Tape, Tensor};
use rayon::prelude::*;

use super::SquaredErrorKernel;
use crate::ops::math::sum2;
use crate::ops::record::record;
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};
use crate::processor::vectorise;

vectorise! {
    fn squares(x: &[f32], target: &[f32]) -> f32 {
        sum2(x, target, |x, t| (x - t) * (x - t))
    }
}

vectorise! {
    fn accumulate(x: &[f32], target: &[f32], weight: f32, gx: &mut [f32]) {
        gx.iter_mut().zip(x).zip(target).for_each(|((gx, x), t)| *gx += weight * (x - t));
    }
}

impl SquaredErrorKernel for Cpu {
    fn mean_squared_error<S: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        target: &Tensor<S, f32, Self>,
    ) -> Result<Tensor<(), f32, Self, T>, OpError> {
        const BLOCK: usize = 1 << 12;
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let target = target.clone().try_contiguous().map_err(device_error)?;
        let count = x.shape().num_elements() as f64;
        // Sums of blocks in f64 and in their order.
        let (data, goal) = (view(&x), view(&target));
        let blocks = data.par_chunks(BLOCK).zip(goal.par_chunks(BLOCK));
        let partial: Vec<f32> = blocks.map(|(x, target)| squares(x, target)).collect();
        drop((data, goal));
        let mean = partial.iter().map(|sum| f64::from(*sum)).sum::<f64>() / count;

        let device = x.device().clone();
        record(&device, vec![mean as f32], (), tape, move |grad, grads| {
            let (data, target, weight) = (view(&x), view(&target), 2.0 * grad[0] / count as f32);
            Slot::gradient(&x, grads)?.add_blocks(|at, gx| {
                accumulate(&data[at..][..gx.len()], &target[at..][..gx.len()], weight, gx);
            });
            Ok(())
        })
    }
}
