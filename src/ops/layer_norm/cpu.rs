use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tensor};

use super::LayerNormKernel;
use crate::ops::math::sum;
use crate::ops::parallel::{collect_written_pairs, for_row_blocks_summing};
use crate::ops::record::{parameter, record};
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, Rows, device_error};
use crate::processor::vectorise;

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

/// Values that are summed side by side.
const LANES: usize = 16;

/// Adds what one value means to the sums of its column and of its row.
#[inline(always)]
fn add_value(
    x: f32,
    g: f32,
    scale: f32,
    (mean, inverse): (f32, f32),
    (of_scale, of_shift): (&mut f32, &mut f32),
    (h, hx): (&mut f32, &mut f32),
) {
    let (x_hat, scaled) = ((x - mean) * inverse, g * scale);
    *of_scale = g.mul_add(x_hat, *of_scale);
    *of_shift += g;
    *h += scaled;
    *hx = scaled.mul_add(x_hat, *hx);
}

vectorise! {
    /// With `x̂ = (x − mean) / deviation` and `h = scale · g`: `dx = (h − mean(h) − x̂ mean(h x̂)) / deviation`, and the sums over rows of
    /// `g x̂` (scale) and `g` (shift). `dx` stands in the place of `g`.
    fn backward(x: &[f32], scale: &[f32], moments: &[f32], grad: &mut [f32], sums: &mut [f32]) {
        let width = scale.len();
        let (gs, gb) = sums.split_at_mut(width);
        for ((x, g), moments) in x.chunks_exact(width).zip(grad.chunks_exact_mut(width)).zip(moments.chunks_exact(2)) {
            let (mean, inverse) = (moments[0], moments[1]);
            let (mut h, mut hx) = ([0.0; LANES], [0.0; LANES]);
            let whole = |values| <[f32]>::as_chunks::<LANES>(values).0;
            let (xs, grads, scales) = (whole(x), whole(g), whole(scale));
            let (of_scale, of_shift) = (gs.as_chunks_mut::<LANES>().0, gb.as_chunks_mut::<LANES>().0);
            for (((x, g), s), (gs, gb)) in xs.iter().zip(grads).zip(scales).zip(of_scale.iter_mut().zip(of_shift)) {
                for l in 0..LANES {
                    add_value(x[l], g[l], s[l], (mean, inverse), (&mut gs[l], &mut gb[l]), (&mut h[l], &mut hx[l]));
                }
            }
            for i in width - width % LANES..width {
                let l = i % LANES;
                add_value(x[i], g[i], scale[i], (mean, inverse), (&mut gs[i], &mut gb[i]), (&mut h[l], &mut hx[l]));
            }
            let mean_h = sum(&h, |v| v) / width as f32;
            let mean_hx = sum(&hx, |v| v) / width as f32;
            for ((g, s), x) in g.iter_mut().zip(scale).zip(x) {
                *g = (g.mul_add(*s, -mean_h) - (x - mean) * inverse * mean_hx) * inverse;
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
        let y = collect_written_pairs(values.len(), width, &mut moments[..], 2, |first, y, moments| {
            // Zeros first: measured faster here than what writes in place of nothing.
            let y = y.zeros();
            normalise(&values[first * width..][..y.len()], &scale_values, &shift_values, eps, y, moments);
            y
        });
        drop((values, scale_values, shift_values));

        let device = x.device().clone();
        record(&device, y, shape, tape, move |mut grad, grads| {
            if width == 0 {
                return Ok(());
            }
            let (x_data, scale_data) = (view(&x), view(&scale));
            let sums = for_row_blocks_summing(&mut grad, width, 2 * width, |first, g, sums| {
                let moments = &moments[2 * first..][..2 * (g.len() / width)];
                backward(&x_data[first * width..][..g.len()], &scale_data, moments, g, sums);
            });
            if T::GRADIENT {
                Slot::gradient(&x, grads)?.give(grad);
            }
            for (parameter, sums) in [(&scale, &sums[..width]), (&shift, &sums[width..])] {
                let grad = grads.get_or_alloc_mut(parameter)?;
                grad.iter_mut().zip(sums).for_each(|(g, s)| *g += s);
            }
            Ok(())
        })
    }
}
