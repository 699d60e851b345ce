use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tensor};

use super::LayerNormKernel;
use crate::ops::math::{sum, sum2, sum3};
use crate::ops::parallel::{collect_block_pairs, for_row_blocks_summing};
use crate::ops::record::{parameter, record};
use crate::ops::vectorise::vectorise;
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, Rows, device_error};

vectorise! {
    /// Rows of `y`, and `(mean, 1 / deviation)` of each.
    fn normalise(x: &[f32], scale: &[f32], shift: &[f32], eps: f32, y: &mut [f32], moments: &mut [f32]) {
        let width = scale.len();
        let rows = x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(moments.chunks_exact_mut(2));
        for ((x, y), moments) in rows {
            let mean = sum(x, |v| v) / width as f32;
            let variance = sum(x, |v| (v - mean) * (v - mean)) / width as f32;
            let inverse = 1.0 / (variance + eps).sqrt();
            for (((y, x), s), b) in y.iter_mut().zip(x).zip(scale).zip(shift) {
                *y = (x - mean) * inverse * s + b;
            }
            moments.copy_from_slice(&[mean, inverse]);
        }
    }
}

vectorise! {
    /// With `x̂ = (x − mean) / deviation` and `h = scale · g`: `dx = (h − mean(h) − x̂ mean(h x̂)) / deviation`, and the sums over rows of
    /// `g x̂` (scale) and `g` (shift).
    fn backward(x: &[f32], grad: &[f32], scale: &[f32], moments: &[f32], gx: &mut [f32], sums: &mut [f32]) {
        let width = scale.len();
        let (gs, gb) = sums.split_at_mut(width);
        let mut x_hat = vec![0.0; width];
        let rows = x.chunks_exact(width).zip(grad.chunks_exact(width)).zip(moments.chunks_exact(2));
        for (((x, g), moments), gx) in rows.zip(gx.chunks_exact_mut(width)) {
            let (mean, inverse) = (moments[0], moments[1]);
            for (((xh, x), g), (gs, gb)) in x_hat.iter_mut().zip(x).zip(g).zip(gs.iter_mut().zip(gb.iter_mut())) {
                *xh = (x - mean) * inverse;
                *gs = g.mul_add(*xh, *gs);
                *gb += g;
            }
            let mean_h = sum2(g, scale, |g, s| g * s) / width as f32;
            let mean_hx = sum3(g, scale, &x_hat, |g, s, x| g * s * x) / width as f32;
            for (((gx, g), s), xh) in gx.iter_mut().zip(g).zip(scale).zip(&x_hat) {
                *gx += (g.mul_add(*s, -mean_h) - xh * mean_hx) * inverse;
            }
        }
    }
}

impl LayerNormKernel for Cpu {
    fn layer_norm<S: Rows, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        scale: &Tensor<(S::Last,), f32, Self>,
        shift: &Tensor<(S::Last,), f32, Self>,
        eps: f32,
    ) -> Result<Tensor<S, f32, Self, T::Output>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (shape, width) = (*x.shape(), x.shape().last().size());
        let (scale, tape) = parameter(scale, tape.begin())?;
        let (shift, tape) = parameter(shift, tape)?;
        let mut moments = vec![0.0; if width == 0 { 0 } else { 2 * shape.rows() }];
        let (values, scale_values, shift_values) = (view(&x), view(&scale), view(&shift));
        let y = collect_block_pairs(values.len(), width, &mut moments[..], 2, |first, y, moments| {
            normalise(&values[first * width..][..y.len()], &scale_values, &shift_values, eps, y, moments);
        });
        drop((values, scale_values, shift_values));

        let device = x.device().clone();
        record(&device, y, shape, tape, move |grad, grads| {
            if width == 0 {
                return Ok(());
            }
            let (x_data, scale_data) = (view(&x), view(&scale));
            let mut unread = vec![];
            let gx = if T::GRADIENT {
                &mut **grads.get_or_alloc_mut(&x)?
            } else {
                unread.resize(x_data.len(), 0.0);
                &mut unread
            };
            let sums = for_row_blocks_summing(gx, width, 2 * width, |first, gx, sums| {
                let (at, rows) = (first * width, gx.len() / width);
                let moments = &moments[2 * first..][..2 * rows];
                backward(&x_data[at..][..gx.len()], &grad[at..][..gx.len()], &scale_data, moments, gx, sums);
            });
            for (parameter, sums) in [(&scale, &sums[..width]), (&shift, &sums[width..])] {
                let grad = grads.get_or_alloc_mut(parameter)?;
                grad.iter_mut().zip(sums).for_each(|(g, s)| *g += s);
            }
            Ok(())
        })
    }
}
