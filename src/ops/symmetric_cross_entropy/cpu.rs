use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tape, Tensor};
use rayon::prelude::*;

use super::SymmetricCrossEntropyKernel;
use crate::ops::math::{exp, max_and_exp_sum};
use crate::ops::record::record;
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};
use crate::processor::vectorise;

vectorise! {
    fn of_row(x: &[f32]) -> (f32, f32) {
        max_and_exp_sum(x)
    }
}

vectorise! {
    /// The largest values and `Σ exp(x − largest)` of the columns from `first` on of a square matrix, rows `stride` apart.
    fn of_columns(x: &[f32], stride: usize, first: usize, largest: &mut [f32], totals: &mut [f32]) {
        largest.fill(f32::NEG_INFINITY);
        for row in x.chunks_exact(stride) {
            for (m, v) in largest.iter_mut().zip(&row[first..]) {
                *m = if *v > *m { *v } else { *m };
            }
        }
        for row in x.chunks_exact(stride) {
            for ((total, m), v) in totals.iter_mut().zip(largest.iter()).zip(&row[first..]) {
                *total += exp(v - m);
            }
        }
    }
}

vectorise! {
    /// Adds `weight` times the probabilities of a row's entries within their row and within their columns.
    fn add_probabilities(x: &[f32], row: (f32, f32), largest: &[f32], normalisers: &[f32], weight: f32, gx: &mut [f32]) {
        let (row_largest, row_normaliser) = row;
        for ((gx, x), (m, normaliser)) in gx.iter_mut().zip(x).zip(largest.iter().zip(normalisers)) {
            *gx += weight * (exp(x - row_largest) * row_normaliser + exp(x - m) * normaliser);
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
        let rows: Vec<(f32, f32)> = values.par_chunks(size).map(of_row).collect();
        let (mut largest, mut totals) = (vec![0.0; size], vec![0.0; size]);
        let columns = largest.par_chunks_mut(COLUMNS).zip(totals.par_chunks_mut(COLUMNS)).enumerate();
        columns.for_each(|(block, (largest, totals))| of_columns(&values, size, block * COLUMNS, largest, totals));
        let loss = |i: usize| {
            let term = |(largest, total): (f32, f32)| {
                (f64::from(largest) - f64::from(values[i * size + i])) + f64::from(total).ln()
            };
            term(rows[i]) + term((largest[i], totals[i]))
        };
        let loss = (0..size).map(loss).sum::<f64>() / (2.0 * size as f64);

        let device = x.device().clone();
        record(&device, vec![loss as f32], (), tape, move |grad, grads| {
            let (values, weight) = (view(&x), grad[0] / (2.0 * size as f32));
            let normalisers: Vec<f32> = totals.iter().map(|total| 1.0 / total).collect();
            Slot::gradient(&x, grads)?.add_rows(size, |i, gx| {
                let (row_largest, total) = rows[i];
                add_probabilities(
                    &values[i * size..][..size],
                    (row_largest, 1.0 / total),
                    &largest,
                    &normalisers,
                    weight,
                    gx,
                );
                gx[i] -= 2.0 * weight;
            });
            Ok(())
        })
    }
}
