use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tensor, TensorFromVec};
use rayon::prelude::*;

use super::{BatchNormKernel, BatchStatistics};
use crate::ops::parallel::{collect_blocks, for_row_blocks};
use crate::ops::record::{parameter, record};
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, Rows, device_error};
use crate::processor::vectorise;

/// Rows per task where rows are summed: fixed, so that results do not depend on the number of threads.
const ROWS_PER_TASK: usize = 256;

vectorise! {
    fn add_rows(x: &[f32], sums: &mut [f64]) {
        for row in x.chunks_exact(sums.len()) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
        }
    }
}

vectorise! {
    fn add_squares(x: &[f32], mean: &[f64], sums: &mut [f64]) {
        for row in x.chunks_exact(sums.len()) {
            for ((sum, x), mean) in sums.iter_mut().zip(row).zip(mean) {
                let centred = f64::from(*x) - mean;
                *sum = centred.mul_add(centred, *sum);
            }
        }
    }
}

vectorise! {
    fn add_products(x: &[f32], grad: &[f32], mean: &[f32], inv: &[f32], sums: &mut [f64]) {
        let width = sums.len();
        for (x, grad) in x.chunks_exact(width).zip(grad.chunks_exact(width)) {
            for ((sum, (x, g)), (mean, inv)) in sums.iter_mut().zip(x.iter().zip(grad)).zip(mean.iter().zip(inv)) {
                *sum += f64::from((x - mean) * inv * g);
            }
        }
    }
}

vectorise! {
    fn normalise(x: &[f32], y: &mut [f32], mean: &[f32], inv: &[f32], scale: &[f32], shift: &[f32]) {
        let width = mean.len();
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let parameters = mean.iter().zip(inv).zip(scale.iter().zip(shift));
            for ((y, x), ((mean, inv), (scale, shift))) in y.iter_mut().zip(x).zip(parameters) {
                *y = ((x - mean) * inv).mul_add(*scale, *shift);
            }
        }
    }
}

vectorise! {
    /// `factor (g − centre − x̂ along)` in the place of `g`.
    fn backward(x: &[f32], grad: &mut [f32], mean: &[f32], inv: &[f32], factor: &[f32], centre: &[f32], along: &[f32]) {
        let width = mean.len();
        for (x, grad) in x.chunks_exact(width).zip(grad.chunks_exact_mut(width)) {
            let columns = mean.iter().zip(inv).zip(factor.iter().zip(centre.iter().zip(along)));
            for ((g, x), ((mean, inv), (factor, (centre, along)))) in grad.iter_mut().zip(x).zip(columns) {
                *g = factor * (*g - centre - (x - mean) * inv * along);
            }
        }
    }
}

/// Column sums over the rows of one group, in f64: `add(first_row, rows, sums)` on blocks of rows, whose sums are added in order.
fn group_sums(group: &[f32], width: usize, add: impl Fn(usize, &[f32], &mut [f64]) + Sync) -> Vec<f64> {
    let blocks = group.par_chunks((ROWS_PER_TASK * width).max(1)).enumerate();
    let partial = |(i, rows): (usize, &[f32])| {
        let mut sums = vec![0.0; width];
        add(i * ROWS_PER_TASK, rows, &mut sums);
        sums
    };
    let mut sums = vec![0.0; width];
    for partial in blocks.map(partial).collect::<Vec<_>>() {
        sums.iter_mut().zip(partial).for_each(|(sum, partial)| *sum += partial);
    }
    sums
}

/// What a group of rows is normalised with.
struct Moments {
    mean: Vec<f32>,
    variance: Vec<f32>,
    inv: Vec<f32>,
}

impl Moments {
    fn of(group: &[f32], width: usize, eps: f32) -> Self {
        let rows = (group.len() / width.max(1)) as f64;
        let mut mean = group_sums(group, width, |_, x, sums| add_rows(x, sums));
        mean.iter_mut().for_each(|sum| *sum /= rows);
        let squares = group_sums(group, width, |_, x, sums| add_squares(x, &mean, sums));
        let inv = squares.iter().map(|s| (1.0 / (s / rows + f64::from(eps)).sqrt()) as f32).collect();
        let variance = squares.iter().map(|s| (s / rows) as f32).collect();
        Self { mean: mean.into_iter().map(|m| m as f32).collect(), variance, inv }
    }
}

fn narrow(values: &[f64], factor: f64) -> Vec<f32> {
    values.iter().map(|v| (v * factor) as f32).collect()
}

fn add_to(out: &mut [f32], sums: &[f64]) {
    out.iter_mut().zip(sums).for_each(|(out, sum)| *out += *sum as f32);
}

impl BatchNormKernel for Cpu {
    fn batch_norm_train<S: Rows, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        groups: usize,
        scale: &Tensor<(S::Last,), f32, Self>,
        shift: &Tensor<(S::Last,), f32, Self>,
        eps: f32,
    ) -> Result<(Tensor<S, f32, Self, T::Output>, Vec<BatchStatistics<S::Last, Self>>), OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (scale, tape) = parameter(scale, tape.begin())?;
        let (shift, tape) = parameter(shift, tape)?;
        let (shape, last) = (*x.shape(), x.shape().last());
        let (width, group_rows) = (last.size(), shape.rows() / groups);
        let group_len = (group_rows * width).max(1);

        let data = view(&x);
        let moments: Vec<Moments> = data.par_chunks(group_len).map(|group| Moments::of(group, width, eps)).collect();
        let (scales, shifts) = (view(&scale), view(&shift));
        // Groups are what `collect_blocks` calls rows.
        let y = collect_blocks(data.len(), group_len, |first, y| {
            for (i, y) in y.chunks_mut(group_len).enumerate() {
                let group = first + i;
                let Moments { mean, inv, .. } = &moments[group];
                normalise(&data[group * group_len..][..y.len()], y, mean, inv, &scales, &shifts);
            }
        });
        drop((data, scales, shifts));

        let device = x.device().clone();
        let to_tensor = |v: &[f32]| device.try_tensor_from_vec(v.to_vec(), (last,)).map_err(device_error);
        let statistics = moments
            .iter()
            .map(|m| Ok(BatchStatistics { mean: to_tensor(&m.mean)?, variance: to_tensor(&m.variance)? }))
            .collect::<Result<_, OpError>>()?;
        let y = record(&device, y, shape, tape, move |mut grad, grads| {
            let data = view(&x);
            let blocks = data.par_chunks(group_len).zip(grad.par_chunks(group_len)).zip(&moments);
            let sums = |((data, grad), m): ((&[f32], &[f32]), &Moments)| {
                let sum = group_sums(grad, width, |_, grad, sums| add_rows(grad, sums));
                let along = group_sums(grad, width, |first, grad, sums| {
                    add_products(&data[first * width..][..grad.len()], grad, &m.mean, &m.inv, sums);
                });
                (sum, along)
            };
            let sums: Vec<(Vec<f64>, Vec<f64>)> = blocks.map(sums).collect();
            if T::GRADIENT {
                // dx = scale · inv · (g − mean(g) − x̂ · mean(g x̂))
                let (scales, rows) = (view(&scale), 1.0 / group_rows as f64);
                let groups = grad.par_chunks_mut(group_len).zip(&moments).zip(&sums).enumerate();
                groups.for_each(|(group, ((gx, m), (sum, along)))| {
                    let factor: Vec<f32> = scales.iter().zip(&m.inv).map(|(scale, inv)| scale * inv).collect();
                    let (centre, along) = (narrow(sum, rows), narrow(along, rows));
                    for_row_blocks(gx, width, |first, gx| {
                        let at = group * group_len + first * width;
                        backward(&data[at..][..gx.len()], gx, &m.mean, &m.inv, &factor, &centre, &along);
                    });
                });
                Slot::gradient(&x, grads)?.give(grad);
            }
            for (sum, along) in &sums {
                add_to(grads.get_or_alloc_mut(&scale)?, along);
                add_to(grads.get_or_alloc_mut(&shift)?, sum);
            }
            Ok(())
        })?;
        Ok((y, statistics))
    }

    fn batch_norm_eval<S: Rows, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        scale: &Tensor<(S::Last,), f32, Self>,
        shift: &Tensor<(S::Last,), f32, Self>,
        statistics: &BatchStatistics<S::Last, Self>,
        eps: f32,
    ) -> Result<Tensor<S, f32, Self, T::Output>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (scale, tape) = parameter(scale, tape.begin())?;
        let (shift, tape) = parameter(shift, tape)?;
        let (shape, width) = (*x.shape(), x.shape().last().size());
        let inv: Vec<f32> = view(&statistics.variance).iter().map(|v| 1.0 / (v + eps).sqrt()).collect();
        let mean = view(&statistics.mean).to_vec();
        let (data, scales, shifts) = (view(&x), view(&scale), view(&shift));
        let y = collect_blocks(data.len(), width, |first, y| {
            normalise(&data[first * width..][..y.len()], y, &mean, &inv, &scales, &shifts);
        });
        drop((data, scales, shifts));

        let device = x.device().clone();
        record(&device, y, shape, tape, move |grad, grads| {
            let (data, scales) = (view(&x), view(&scale));
            let along = group_sums(&grad, width, |first, grad, sums| {
                add_products(&data[first * width..][..grad.len()], grad, &mean, &inv, sums);
            });
            add_to(grads.get_or_alloc_mut(&scale)?, &along);
            add_to(grads.get_or_alloc_mut(&shift)?, &group_sums(&grad, width, |_, grad, sums| add_rows(grad, sums)));
            if T::GRADIENT {
                let factor: Vec<f32> = scales.iter().zip(&inv).map(|(scale, inv)| scale * inv).collect();
                let zeros = vec![0.0; width];
                Slot::gradient(&x, grads)?.give_row_blocks(grad, width, |first, gx| {
                    backward(&data[first * width..][..gx.len()], gx, &mean, &inv, &factor, &zeros, &zeros);
                });
            }
            Ok(())
        })
    }
}
