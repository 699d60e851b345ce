//! Chamfer similarity of sets of frames, without the frame by frame matrix.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::kernel::Kernel;
use super::panels::{self, Panels};
use super::walk::{STRIP, fill, panels_per_block};
use super::{Embeddings, Measure, Side, SimilarityError, zeros};
use crate::matrix::Matrix;

/// Bytes of packed frames that a thread compares with all queries before it packs the next: so many that the last, partly filled panel
/// does not matter.
const GROUP_BYTES: usize = 8 << 20;

/// Sets of frames of different lengths: the frames of all sets, one after the other, and where each set starts.
#[derive(Debug, Clone, Copy)]
pub struct FrameSets<'a, E> {
    pub(super) frames: E,
    offsets: &'a [usize],
}

impl<'a, E: Embeddings> FrameSets<'a, E> {
    /// `frames`: all frames, one row each; `offsets`: set `i` is the rows `offsets[i]..offsets[i + 1]`, so that there is one offset more than
    /// there are sets.
    ///
    /// # Errors
    /// [`SimilarityError::Offsets`] when they do not rise from 0 to the number of frames.
    pub fn new(frames: E, offsets: &'a [usize]) -> Result<Self, SimilarityError> {
        let total = frames.rows();
        let error = |index| SimilarityError::Offsets { index, frames: total };
        if offsets.first() != Some(&0) {
            return Err(error(0));
        }
        if let Some(index) = (1..offsets.len()).find(|&i| offsets[i] < offsets[i - 1]) {
            return Err(error(index));
        }
        if offsets.last() != Some(&total) { Err(error(offsets.len() - 1)) } else { Ok(Self { frames, offsets }) }
    }

    /// Number of sets.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of a set.
    pub(super) fn rows(&self, set: usize) -> Range<usize> {
        self.offsets[set]..self.offsets[set + 1]
    }

    pub(super) fn check(&self, side: Side) -> Result<(), SimilarityError> {
        match (0..self.len()).find(|&set| self.rows(set).is_empty()) {
            Some(set) => Err(SimilarityError::EmptySet { side, set }),
            None => Ok(()),
        }
    }

    /// Neighbouring sets with about `rows` rows together.
    pub(super) fn groups(&self, rows: usize) -> Vec<Range<usize>> {
        let mut groups = Vec::new();
        let mut start = 0;
        for end in 1..=self.len() {
            if end == self.len() || self.offsets[end + 1] - self.offsets[start] > rows {
                groups.push(start..end);
                start = end;
            }
        }
        groups
    }
}

/// Chamfer similarities of all pairs of sets: the mean over the frames of the query of the most similar frame of the item,
///
/// ```text
/// C(q, v) = 1 / |q| Σ_{x ∈ q} max_{y ∈ v} s(x, y)
/// ```
///
/// with the frame similarity `s` of `measure`. Not symmetric. As in Kordopatis-Zilos et al., *ViSiL*, ICCV 2019, and Shao et al., *Temporal
/// Context Aggregation for Video Retrieval with Contrastive Learning*, WACV 2021, who take inner products of unit vectors.
///
/// Maxima are those of [`similarity`](super::similarity()) in every bit; their mean is taken in f64, in a fixed order. No matrix of frame
/// similarities exists beyond a strip of it in the cache. Memory beyond the result: the packed queries, and for each thread 8 MiB of packed
/// items, or one item where it is larger.
///
/// # Shapes
/// `queries`: N sets of frames of D dimensions, `items`: M sets; result: N x M.
///
/// # Errors
/// [`SimilarityError`]: dimensions that differ, an empty set, values that are not finite, norms that may overflow.
pub fn chamfer<Q: Embeddings, I: Embeddings>(
    queries: FrameSets<'_, Q>,
    items: FrameSets<'_, I>,
    measure: Measure,
) -> Result<Matrix<f32>, SimilarityError> {
    all_pairs(queries, items, measure, false)
}

/// Chamfer similarities averaged over both directions, `(C(q, v) + C(v, q)) / 2`, from one pass over the frames. See [`chamfer`].
///
/// # Shapes
/// As [`chamfer`].
///
/// # Errors
/// As [`chamfer`].
pub fn symmetric_chamfer<Q: Embeddings, I: Embeddings>(
    queries: FrameSets<'_, Q>,
    items: FrameSets<'_, I>,
    measure: Measure,
) -> Result<Matrix<f32>, SimilarityError> {
    all_pairs(queries, items, measure, true)
}

fn all_pairs<Q: Embeddings, I: Embeddings>(
    queries: FrameSets<'_, Q>,
    items: FrameSets<'_, I>,
    measure: Measure,
    symmetric: bool,
) -> Result<Matrix<f32>, SimilarityError> {
    let (width, given) = (items.frames.cols(), queries.frames.cols());
    if given != width {
        return Err(SimilarityError::Dimensions { queries: given, items: width });
    }
    queries.check(Side::Queries)?;
    items.check(Side::Items)?;
    let out = Mutex::new(zeros(queries.len(), items.len())?);

    let kernel = Kernel::best();
    let pack = |set| {
        let mut panels = Panels::new(kernel, Side::Queries);
        panels.pack(&queries.frames, queries.rows(set), measure, false).map(|()| panels)
    };
    let packed: Vec<Result<Panels, _>> = (0..queries.len()).into_par_iter().map(pack).collect();
    let packed = packed.into_iter().collect::<Result<Vec<_>, _>>()?;
    let largest = panels::largest(packed.iter().map(Panels::largest));

    let groups = items.groups(GROUP_BYTES / (width.max(1) * size_of::<f32>()));
    let scratch = || (Panels::new(kernel, Side::Items), Comparison::new(&kernel, measure, symmetric));
    let compare = |(panels, comparison): &mut (Panels, Comparison), group: &Range<usize>| {
        let rows = items.offsets[group.start]..items.offsets[group.end];
        panels.pack(&items.frames, rows, measure, false)?;
        measure.check(largest, panels.largest())?;
        let offsets = &items.offsets[group.start..=group.end];
        for (query, frames) in packed.iter().enumerate() {
            let values = comparison.run(frames, panels, offsets);
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            out.row_mut(query)[group.clone()].copy_from_slice(&values);
        }
        Ok(())
    };
    // Collected, so that the first error in order of items is found on any number of threads.
    let results: Vec<Result<(), _>> = groups.par_iter().map_init(scratch, compare).collect();
    results.into_iter().collect::<Result<(), _>>()?;
    Ok(out.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// One query against a group of items, with the memory that this takes.
struct Comparison<'a> {
    kernel: &'a Kernel,
    measure: Measure,
    symmetric: bool,
    scores: Vec<f32>,
    row_maxima: Vec<f32>,
    column_maxima: Vec<f32>,
}

impl<'a> Comparison<'a> {
    fn new(kernel: &'a Kernel, measure: Measure, symmetric: bool) -> Self {
        Self { kernel, measure, symmetric, scores: vec![], row_maxima: vec![], column_maxima: vec![] }
    }

    /// Similarities of the query to the sets between neighbouring `offsets`, which the packed items are.
    fn run(&mut self, query: &Panels, items: &Panels, offsets: &[usize]) -> Vec<f32> {
        let panels = panels_per_block(self.kernel, items.width());
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
fn larger(a: f32, b: f32) -> f32 {
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
