use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tape, Tensor};
use rayon::prelude::*;

use super::{MarginTerms, MaxMarginKernel};
use crate::ops::record::record;
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};

/// What one score adds: it stands against the diagonal of its row and of its column.
#[inline(always)]
fn terms(score: f32, row: f32, column: f32, margin: f32) -> [f32; 2] {
    [row, column].map(|matching| margin - (matching - score)).map(|term| if term <= 0.0 { 0.0 } else { term })
}

/// Sum of the terms off the diagonal, and how many positive ones each matching pair takes part in.
fn forward(scores: &[f32], diagonal: &[f32], margin: f32) -> (f64, Vec<u32>) {
    let n = diagonal.len();
    // At most so many blocks, since each has n counts.
    const BLOCKS: usize = 64;
    let height = n.div_ceil(BLOCKS).max(16);
    let blocks = scores.par_chunks(height * n.max(1)).enumerate().map(|(block, rows)| {
        let first = block * height;
        let (mut sum, mut active) = (0.0f64, vec![0; n]);
        for (i, row) in rows.chunks_exact(n).enumerate().map(|(i, row)| (first + i, row)) {
            let mut row_active = 0;
            for (j, (score, column)) in row.iter().zip(diagonal).enumerate() {
                let [by_row, by_column] = if i == j { [0.0; 2] } else { terms(*score, diagonal[i], *column, margin) };
                sum += f64::from(by_row) + f64::from(by_column);
                row_active += u32::from(by_row > 0.0);
                active[j] += u32::from(by_column > 0.0);
            }
            active[i] += row_active;
        }
        (sum, active)
    });
    // In the order of the rows, whatever thread had them.
    blocks.collect::<Vec<_>>().into_iter().fold((0.0, vec![0; n]), |(sum, mut all), (more, active)| {
        all.iter_mut().zip(active).for_each(|(all, active)| *all += active);
        (sum + more, all)
    })
}

impl MaxMarginKernel for Cpu {
    fn max_margin<B: Dim, T: Tape<f32, Self>>(
        scores: Tensor<(B, B), f32, Self, T>,
        margin: f32,
        over: MarginTerms,
    ) -> Result<Tensor<(), f32, Self, T>, OpError> {
        let (scores, tape) = scores.try_contiguous().map_err(device_error)?.split_tape();
        let n = scores.shape().0.size();
        let diagonal: Vec<f32> = view(&scores).iter().step_by(n + 1).copied().collect();
        let (sum, active) = forward(&view(&scores), &diagonal, margin);
        let itself = if over == MarginTerms::All { 2.0 * n as f64 * f64::from(margin.max(0.0)) } else { 0.0 };
        let count = over.count(n) as f64;

        let device = scores.device().clone();
        record(&device, vec![((sum + itself) / count) as f32], (), tape, move |grad, grads| {
            let scale = (f64::from(grad[0]) / count) as f32;
            let data = view(&scores);
            Slot::gradient(&scores, grads)?.add_rows(n, |i, gradients| {
                let row = &data[i * n..][..n];
                for ((gradient, score), column) in gradients.iter_mut().zip(row).zip(&diagonal) {
                    let [by_row, by_column] = terms(*score, diagonal[i], *column, margin);
                    *gradient += scale * (f32::from(by_row > 0.0) + f32::from(by_column > 0.0));
                }
                // A matching pair does not stand against itself.
                let own = terms(diagonal[i], diagonal[i], diagonal[i], margin).map(|term| f32::from(term > 0.0));
                gradients[i] -= scale * (own[0] + own[1] + active[i] as f32);
            });
            Ok(())
        })
    }
}
