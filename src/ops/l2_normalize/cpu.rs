use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tape, Tensor};

use super::L2NormalizeKernel;
use crate::ops::math::sum2;
use crate::ops::parallel::{collect_blocks, for_row_blocks};
use crate::ops::record::record;
use crate::ops::vectorise::vectorise;
use crate::ops::view::view;
use crate::ops::{OpError, Rows, device_error};

vectorise! {
    fn normalise(x: &[f32], y: &mut [f32], width: usize, eps: f32) {
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let scale = 1.0 / sum2(x, x, |a, b| a * b).sqrt().max(eps);
            y.iter_mut().zip(x).for_each(|(y, x)| *y = x * scale);
        }
    }
}

vectorise! {
    fn backward(x: &[f32], grad: &[f32], gx: &mut [f32], width: usize, eps: f32) {
        for ((x, g), gx) in x.chunks_exact(width).zip(grad.chunks_exact(width)).zip(gx.chunks_exact_mut(width)) {
            let norm = sum2(x, x, |a, b| a * b).sqrt();
            let scale = 1.0 / norm.max(eps);
            // Below eps the divisor is a constant.
            let along = if norm > eps { sum2(x, g, |x, g| x * g) * scale * scale * scale } else { 0.0 };
            for ((gx, g), x) in gx.iter_mut().zip(g).zip(x) {
                *gx += g * scale - x * along;
            }
        }
    }
}

impl L2NormalizeKernel for Cpu {
    fn l2_normalize<S: Rows, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        eps: f32,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (shape, width) = (*x.shape(), x.shape().last().size());
        let data = view(&x);
        let fill = |first: usize, y: &mut [f32]| normalise(&data[first * width..][..y.len()], y, width, eps);
        let y = collect_blocks(data.len(), width, fill);
        drop(data);

        let device = x.device().clone();
        record(&device, y, shape, tape, move |grad, grads| {
            let data = view(&x);
            for_row_blocks(grads.get_or_alloc_mut(&x)?, width, |first, gx| {
                let at = first * width;
                backward(&data[at..][..gx.len()], &grad[at..][..gx.len()], gx, width, eps);
            });
            Ok(())
        })
    }
}
