//! Chamfer similarity by bounds of the scores of all frames, and the scores of those frames that may be the most similar.

use std::ops::Range;

use super::panels_per_block;
use super::plain::larger;
use crate::processor::vectorise;
use crate::similarity::kernel::{Kernel, product};
use crate::similarity::rows::{Memory, Rows};
use crate::similarity::screen::{Items, Screen};
use crate::similarity::walk::{Comparison as _, STRIP};
use crate::similarity::{Embeddings, Measure, Side};

/// What it takes to look at one pair of frames again, in pairs of the plain comparison: its product in any order of sums, and its score.
/// Measured at 1024 dimensions, as is the share of the plain comparison that all bounds take.
const CLOSER: f32 = 7.0;
const SCORE: f32 = 30.0;
const BOUNDS: f32 = 0.66;

/// Frames in a row that are looked at to see whether bounds help, and how often. Of a shot, as many are alike.
const RUN: usize = 16;
const RUNS: usize = 4;

/// Whether bounds leave so few of the frames open that a query of frames like `query` is compared faster with sets of `frames` frames. Looks
/// at some frames among `rows`.
pub(super) fn pays(screen: &Screen, set: &impl Embeddings, rows: Range<usize>, frames: usize) -> bool {
    let queries = screen.queries().min(screen.tile().0);
    if rows.len() < RUN * RUNS || frames < 64 {
        return false;
    }
    let mut memory = Memory::default();
    let (mut items, mut uppers, mut open) = (screen.no_items(), vec![0.0; screen.tile().0 * STRIP], 0);
    for run in 0..RUNS {
        let first = rows.start + (rows.len() - RUN) * run / (RUNS - 1);
        // What is wrong with an item is reported when all are packed.
        let rows = memory.rows(screen.measure(), Side::Items, set, first..first + RUN);
        if rows.and_then(|rows| screen.round(&mut items, rows)).is_err() {
            return false;
        }
        screen.fill(0..1, &items, 0..1, &mut uppers);
        for (i, row) in uppers.chunks(STRIP).take(queries).enumerate() {
            let mut best = Row::new();
            if !best.offer(&row[..RUN], 0, |column, upper| screen.lower(i, &items, column, upper)) {
                return false;
            }
            open += best.open().count();
        }
    }
    // Of a set, twice as many as of a run, unless nearly all of the run.
    let open = open as f32 / (queries * RUNS) as f32;
    open < 0.75 * RUN as f32 && 2.0 * open * CLOSER + SCORE < (1.0 - BOUNDS) * frames as f32
}

#[inline(always)]
fn larger_or_nan(a: f32, b: f32) -> f32 {
    if (b > a) | b.is_nan() { b } else { a }
}

/// Upper bounds that are looked at together.
const CHUNK: usize = 16;

vectorise! {
    /// The largest of every [`CHUNK`] values; NaN stays.
    fn largest(values: &[f32], out: &mut [f32; STRIP / CHUNK]) {
        for (values, out) in values.chunks(CHUNK).zip(out) {
            let mut lanes = [f32::NEG_INFINITY; CHUNK];
            lanes.iter_mut().zip(values).for_each(|(lane, &x)| *lane = x);
            let mut half = CHUNK / 2;
            while half > 0 {
                for l in 0..half {
                    lanes[l] = larger_or_nan(lanes[l], lanes[l + half]);
                }
                half /= 2;
            }
            *out = lanes[0];
        }
    }
}

/// A frame of the query among the frames of a set so far.
struct Row {
    /// No most similar frame has a score below this.
    threshold: f32,
    /// Upper bounds and frames.
    list: Vec<(f32, u32)>,
}

impl Row {
    fn new() -> Self {
        Self { threshold: f32::NEG_INFINITY, list: vec![] }
    }

    /// Takes the upper bounds of frames from `first` on; `lower`: from the position of a frame among these and its upper bound. False where a
    /// bound is none.
    fn offer(&mut self, uppers: &[f32], first: usize, lower: impl Fn(usize, f32) -> f32) -> bool {
        let mut maxima = [f32::NEG_INFINITY; STRIP / CHUNK];
        largest(uppers, &mut maxima);
        let most = maxima.into_iter().fold(f32::NEG_INFINITY, larger_or_nan);
        if !most.is_finite() {
            return false;
        }
        if most < self.threshold {
            return true;
        }
        let chunk = CHUNK * maxima.iter().position(|&x| x == most).unwrap_or(0);
        let column = chunk + uppers[chunk..].iter().position(|&x| x == most).unwrap_or(0);
        let lower = lower(column, most);
        let threshold = larger(self.threshold, lower);
        self.threshold = threshold;
        for (chunk, _) in maxima.iter().enumerate().filter(|&(_, &most)| most >= threshold) {
            let start = chunk * CHUNK;
            for (i, &upper) in uppers.iter().enumerate().skip(start).take(CHUNK) {
                if upper >= threshold {
                    self.list.push((upper, (first + i) as u32));
                }
            }
        }
        lower.is_finite()
    }

    /// The frames that may be the most similar.
    fn open(&self) -> impl Iterator<Item = (f32, u32)> + '_ {
        self.list.iter().filter(|&&(upper, _)| upper >= self.threshold).copied()
    }

    fn clear(&mut self) {
        self.threshold = f32::NEG_INFINITY;
        self.list.clear();
    }
}

/// One query against a group of items, with the memory that this takes.
pub(super) struct Comparison<'a> {
    kernel: &'a Kernel,
    measure: Measure,
    uppers: Vec<f32>,
    rows: Vec<Row>,
    near: Vec<(f32, u32)>,
    pairs: Vec<(usize, u32)>,
    maxima: Vec<f32>,
    /// Pairs so far, and the plain ones that looking at some of them again was worth.
    work: (f32, f32),
    /// The share of these from which the plain comparison is faster.
    pub(super) limit: f32,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(kernel: &'a Kernel, measure: Measure) -> Self {
        let (uppers, rows, near, pairs, maxima) = (vec![], vec![], vec![], vec![], vec![]);
        Self { kernel, measure, uppers, rows, near, pairs, maxima, work: (0.0, 0.0), limit: 1.0 - BOUNDS }
    }

    /// Similarities of the query to the sets between neighbouring `offsets`, which the packed items are; `frames`: their rows. None
    /// where the plain comparison is faster, or a bound is none.
    pub(super) fn run(
        &mut self,
        screen: &Screen,
        query: Rows<'_>,
        items: &Items,
        frames: Rows<'_>,
        offsets: &[usize],
    ) -> Option<Vec<f32>> {
        let height = self.kernel.rows();
        // As many as in the plain comparison: sums are taken over blocks.
        let panels = panels_per_block(self.kernel, frames.width());
        self.uppers.resize(panels * height * STRIP, 0.0);
        self.rows.iter_mut().for_each(Row::clear);
        self.rows.resize_with(panels * height, Row::new);
        self.work = (0.0, 0.0);
        let (rows, columns) = (query.len(), frames.len());
        let mut sums = vec![0.0; offsets.len() - 1];
        for first in (0..rows.div_ceil(height)).step_by(panels) {
            let block = first..rows.div_ceil(height).min(first + panels);
            let block_rows = first * height..rows.min((first + panels) * height);
            let mut set = 0;
            for start in (0..columns).step_by(STRIP) {
                let end = columns.min(start + STRIP);
                let item_panels = start / screen.tile().1..end.div_ceil(screen.tile().1);
                screen.fill(block.clone(), items, item_panels, &mut self.uppers);
                let mut from = start;
                while from < end {
                    let set_end = offsets[set + 1] - offsets[0];
                    let to = end.min(set_end);
                    let rows = self.rows.iter_mut().zip(self.uppers.chunks(STRIP));
                    for (query, (row, uppers)) in block_rows.clone().zip(rows) {
                        let lower = |column, upper| screen.lower(query, items, from + column, upper);
                        if !row.offer(&uppers[from - start..to - start], from, lower) {
                            return None;
                        }
                    }
                    if to == set_end {
                        self.work.0 += (block_rows.len() * (set_end + offsets[0] - offsets[set])) as f32;
                        self.maxima(query, frames, block_rows.clone());
                        sums[set] += self.maxima.iter().map(|&x| f64::from(x)).sum::<f64>();
                        if self.work.1 > self.limit * self.work.0 {
                            return None;
                        }
                        set += 1;
                    }
                    from = to;
                }
            }
        }
        Some(sums.into_iter().map(|sum| (sum / rows as f64) as f32).collect())
    }

    /// The largest scores of some rows with the frames that are open.
    fn maxima(&mut self, query: Rows<'_>, frames: Rows<'_>, rows: Range<usize>) {
        let (kernel, measure) = (self.kernel, self.measure);
        let score = |product, i, frame| measure.score(product, query.square(i), frames.square(frame as usize));
        // Products in any order of sums are off by at most this share of the norms; scores rise with products.
        let share = 2.0 * (frames.width() as f32 + 64.0) * f32::EPSILON;
        self.pairs.clear();
        for (i, row) in self.rows.iter_mut().enumerate().take(rows.len()) {
            self.near.clear();
            self.near.extend(row.open());
            row.clear();
            if self.near.len() > 1 {
                let i = rows.start + i;
                let (mut least, q) = (f32::NEG_INFINITY, query.row(i));
                // The one that looks best first: its score excludes more than its bound does.
                let first =
                    (1..self.near.len()).fold(0, |best, j| if self.near[j].0 > self.near[best].0 { j } else { best });
                self.near.swap(0, first);
                for (upper, frame) in &mut self.near {
                    if *upper < least {
                        continue;
                    }
                    let close = product(q, frames.row(*frame as usize));
                    let norms = (query.longest(i) * frames.longest(*frame as usize)) as f32;
                    let off = share * norms + f32::MIN_POSITIVE;
                    *upper = score(close + off, i, *frame);
                    least = larger(least, score(close - off, i, *frame));
                    self.work.1 += CLOSER;
                }
                self.near.retain(|&(upper, _)| upper >= least);
            }
            self.pairs.extend(self.near.iter().map(|&(_, frame)| (i, frame)));
        }
        self.work.1 += SCORE * self.pairs.len() as f32;
        self.maxima.clear();
        self.maxima.resize(rows.len(), f32::NEG_INFINITY);
        for chosen in self.pairs.chunks(Kernel::PAIRS) {
            let products = kernel.products(std::array::from_fn(|j| {
                let (i, frame) = chosen[j.min(chosen.len() - 1)];
                (query.row(rows.start + i), frames.row(frame as usize))
            }));
            for (&(i, frame), product) in chosen.iter().zip(products) {
                self.maxima[i] = larger(self.maxima[i], score(product, rows.start + i, frame));
            }
        }
    }
}
