use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tape, Tensor};
use rayon::prelude::*;

use super::SymmetricCrossEntropyKernel;
use crate::ops::math::{exp, max, sum};
use crate::ops::parallel::for_rows;
use crate::ops::record::record;
use crate::ops::vectorise::vectorise;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};

vectorise! {
    fn log_sum_exp(x: &[f32]) -> f32 {
        let largest = max(x);
        largest + sum(x, |v| exp(v - largest)).ln()
    }
}

vectorise! {
    /// [`log_sum_exp`] of the columns `first..first + out.len()` of a square matrix, rows `stride` apart.
    fn column_log_sum_exp(x: &[f32], stride: usize, first: usize, out: &mut [f32]) {
        let mut largest = vec![f32::NEG_INFINITY; out.len()];
        for row in x.chunks_exact(stride) {
            for (m, v) in largest.iter_mut().zip(&row[first..]) {
                *m = if *v > *m { *v } else { *m };
            }
        }
        for row in x.chunks_exact(stride) {
            for ((total, m), v) in out.iter_mut().zip(&largest).zip(&row[first..]) {
                *total += exp(v - m);
            }
        }
        out.iter_mut().zip(&largest).for_each(|(total, m)| *total = m + total.ln());
    }
}

vectorise! {
    fn add_gradient(x: &[f32], row_total: f32, column_totals: &[f32], weight: f32, gx: &mut [f32]) {
        for ((gx, x), column_total) in gx.iter_mut().zip(x).zip(column_totals) {
            *gx += weight * (exp(x - row_total) + exp(x - column_total));
        }
    }
}

impl SymmetricCrossEntropyKernel for Cpu {
    fn symmetric_cross_entropy<B: Dim, C: Dim, T: Tape<f32, Self>>(
        logits: Tensor<(B, C), f32, Self, T>,
    ) -> Result<Tensor<(), f32, Self, T>, OpError> {
        const COLUMNS: usize = 64;
        let (x, tape) = logits.try_contiguous().map_err(device_error)?.split_tape();
        let size = x.shape().0.size();
        let values = view(&x);
        let (mut rows, mut columns) = (vec![0.0; size], vec![0.0; size]);
        rows.par_iter_mut().zip(values.par_chunks(size)).for_each(|(total, x)| *total = log_sum_exp(x));
        columns.par_chunks_mut(COLUMNS).enumerate().for_each(|(block, out)| {
            column_log_sum_exp(&values, size, block * COLUMNS, out);
        });
        let loss = |i: usize| f64::from(rows[i]) + f64::from(columns[i]) - 2.0 * f64::from(values[i * size + i]);
        let loss = (0..size).map(loss).sum::<f64>() / (2.0 * size as f64);

        let device = x.device().clone();
        record(&device, vec![loss as f32], (), tape, move |grad, grads| {
            let (values, weight) = (view(&x), grad[0] / (2.0 * size as f32));
            for_rows(grads.get_or_alloc_mut(&x)?, size, |i, gx| {
                add_gradient(&values[i * size..][..size], rows[i], &columns, weight, gx);
                gx[i] -= 2.0 * weight;
            });
            Ok(())
        })
    }
}
