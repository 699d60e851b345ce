use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tape, Tensor};

use super::L2NormalizeKernel;
use crate::ops::math::{is_ordinary, length, sum2};
use crate::ops::parallel::collect_blocks;
use crate::ops::record::record;
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{OpError, Rows, device_error};
use crate::processor::vectorise;

/// `(unit, scale)` with `1 / max(norm, eps) = unit · scale`, and whether that is the norm. A norm that is NaN stays.
#[inline(always)]
fn inverse(x: &[f32], eps: f32) -> (f32, f32, bool) {
    let (unit, norm) = length(x, 0.0);
    if norm <= eps * unit { (1.0, 1.0 / eps, false) } else { (unit, 1.0 / norm, true) }
}

vectorise! {
    /// Whether that is right for all rows: a choice within the loop would make it half as fast.
    fn normalise_ordinary(x: &[f32], y: &mut [f32], width: usize, eps: f32) -> bool {
        let mut ordinary = true;
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let squares = sum2(x, x, |a, b| a * b);
            ordinary &= is_ordinary(squares);
            let scale = 1.0 / squares.sqrt().max(eps);
            y.iter_mut().zip(x).for_each(|(y, x)| *y = x * scale);
        }
        ordinary
    }
}

vectorise! {
    fn normalise(x: &[f32], y: &mut [f32], width: usize, eps: f32) {
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let (unit, scale, _) = inverse(x, eps);
            y.iter_mut().zip(x).for_each(|(y, x)| *y = unit * x * scale);
        }
    }
}

vectorise! {
    /// In the place of the gradient of the result.
    fn backward(x: &[f32], grad: &mut [f32], width: usize, eps: f32) {
        for (x, g) in x.chunks_exact(width).zip(grad.chunks_exact_mut(width)) {
            let (unit, scale, is_norm) = inverse(x, eps);
            if unit != 1.0 {
                // With y = unit scale x: dx = unit scale (g − y Σ g y).
                let along = sum2(x, g, |x, g| unit * x * scale * g);
                for (g, x) in g.iter_mut().zip(x) {
                    *g = (*g - unit * x * scale * along) * scale * unit;
                }
                continue;
            }
            // Below eps the divisor is a constant.
            let along = if is_norm { sum2(x, g, |x, g| x * g) * scale * scale * scale } else { 0.0 };
            g.iter_mut().zip(x).for_each(|(g, x)| *g = *g * scale - x * along);
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
        let fill = |first: usize, y: &mut [f32]| {
            let x = &data[first * width..][..y.len()];
            if !normalise_ordinary(x, y, width, eps) {
                normalise(x, y, width, eps);
            }
        };
        let y = collect_blocks(data.len(), width, fill);
        drop(data);

        let device = x.device().clone();
        record(&device, y, shape, tape, move |grad, grads| {
            let data = view(&x);
            Slot::gradient(&x, grads)?.give_row_blocks(grad, width, |first, g| {
                backward(&data[first * width..][..g.len()], g, width, eps);
            });
            Ok(())
        })
    }
}
