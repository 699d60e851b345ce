//! Chamfer similarity by the scores of all frames.

use std::ops::Range;

use crate::similarity::Measure;
use crate::similarity::exact::fill;
use crate::similarity::kernel::Kernel;
use crate::similarity::panels::Panels;
use crate::similarity::walk::STRIP;

/// One query against a group of items, with the memory that this takes.
pub(super) struct Comparison<'a> {
    kernel: &'a Kernel,
    measure: Measure,
    symmetric: bool,
    scores: Vec<f32>,
    row_maxima: Vec<f32>,
    column_maxima: Vec<f32>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(kernel: &'a Kernel, measure: Measure, symmetric: bool) -> Self {
        Self { kernel, measure, symmetric, scores: vec![], row_maxima: vec![], column_maxima: vec![] }
    }

    /// Similarities of the query to the sets between neighbouring `offsets`, which the packed items are.
    pub(super) fn run(&mut self, query: &Panels, items: &Panels, offsets: &[usize]) -> Vec<f32> {
        let panels = super::panels_per_block(self.kernel, items.width());
        let height = panels * self.kernel.rows();
        self.scores.resize(height * STRIP, 0.0);
        self.column_maxima.clear();
        self.column_maxima.resize(if self.symmetric { items.rows().len() } else { 0 }, f32::NEG_INFINITY);
        let mut sums = vec![0.0; offsets.len() - 1];
        for first in (0..query.len()).step_by(panels) {
            let block = first..query.len().min(first + panels);
            let rows = query.rows().len().min((first + panels) * self.kernel.rows()) - first * self.kernel.rows();
            self.row_maxima.clear();
            self.row_maxima.resize(rows, f32::NEG_INFINITY);
            self.block(query, block, items, offsets, &mut sums);
        }
        let frames = query.rows().len() as f64;
        let both = |(set, sum): (usize, f64)| {
            let item = offsets[set] - offsets[0]..offsets[set + 1] - offsets[0];
            let one = sum / frames;
            let mean = |maxima: &[f32]| maxima.iter().map(|&x| f64::from(x)).sum::<f64>() / maxima.len() as f64;
            if self.symmetric { ((one + mean(&self.column_maxima[item])) / 2.0) as f32 } else { one as f32 }
        };
        sums.into_iter().enumerate().map(both).collect()
    }

    /// Some rows of the query against all items; adds to `sums` the row maxima over each set.
    fn block(&mut self, query: &Panels, block: Range<usize>, items: &Panels, offsets: &[usize], sums: &mut [f64]) {
        let (frames, per_strip) = (items.rows().len(), STRIP / self.kernel.columns);
        let mut set = 0;
        for (strip, start) in (0..frames).step_by(STRIP).enumerate() {
            let item_panels = strip * per_strip..items.len().min((strip + 1) * per_strip);
            fill(self.kernel, self.measure, (query, block.clone()), (items, item_panels), &mut self.scores);
            let end = frames.min(start + STRIP);
            let mut from = start;
            while from < end {
                let set_end = offsets[set + 1] - offsets[0];
                let to = end.min(set_end);
                self.maxima(from - start..to - start, from);
                if to == set_end {
                    sums[set] += self.row_maxima.iter().map(|&x| f64::from(x)).sum::<f64>();
                    self.row_maxima.fill(f32::NEG_INFINITY);
                    set += 1;
                }
                from = to;
            }
        }
    }

    /// Takes the scores in some columns of the strip, `first` the frame of the first, into the maxima.
    fn maxima(&mut self, columns: Range<usize>, first: usize) {
        for (row, maximum) in self.scores.chunks(STRIP).zip(&mut self.row_maxima) {
            let row = &row[columns.clone()];
            *maximum = larger(*maximum, largest(row));
            if self.symmetric {
                let maxima = &mut self.column_maxima[first..][..row.len()];
                maxima.iter_mut().zip(row).for_each(|(maximum, &x)| *maximum = larger(*maximum, x));
            }
        }
    }
}

/// Without a word on NaN, which lets it vectorise.
pub(super) fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

fn largest(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane = larger(*lane, x));
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |most, &x| larger(most, x))
}
