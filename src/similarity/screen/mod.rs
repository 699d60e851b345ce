//! Certified screening: integer products bound every score, so that few have to be computed.
//!
//! An item `x` is stored less a centre `m`, rounded to 8 bits with a scale of its own, and a query `q` less a multiple of a direction `w`:
//!
//! ```text
//! x = m + β b + r_x        b: integers in -127..=127, |r_x| <= ρ_x, |x - m| <= N_x
//! q = t w + α a + r_q      a: the same,               |r_q| <= ρ_q
//! q·x = q·m + t w·(x - m) + αβ a·b + (αa·r_x + r_q·(x - m))
//! ```
//!
//! The first term is one number per query, `w·(x - m)` one per item, `a·b` a sum of integers, and by Cauchy and Schwarz the bracket is at most
//! `|αa| ρ_x + ρ_q N_x`. The f32 score of [`exact`](super::exact) differs from `q·x` by at most `γ |q||x|`, `γ` being `u = 2^-24` times about the
//! number of dimensions D; with the rounding of the terms above (also below `γ` times the norms involved) every score lies within
//!
//! ```text
//! e = |αa| ρ_x + (ρ_q + γ G) N_x + γ |q||m| + tiny,   G = |q| + |t w| + |αa|,  γ = 2 (D + 64) u
//! ```
//!
//! of its estimate. A negative squared distance is twice the product less the squared norms of both, so twice the error, and `16 u` of the
//! squared norms for rounding. `tiny` covers sums of subnormal numbers. Any `m` and `w` are right; those near the means of the items and of the queries
//! make rows short and bounds narrow. An estimate that is not finite bounds nothing and excludes nothing.
//!
//! Where integers have no faster instructions than floats ([`Kernel::integer`]), nothing is screened. AVX2 alone is such a case: its
//! products of 8-bit integers take three instructions per 32, those of f32 one per 8, at half the precision for want of a bit.

mod candidates;
mod packed;

use std::ops::Range;

use rayon::prelude::*;

use super::exact::check_sizes;
use super::kernel::{INTEGER_COLUMNS, Kernel, Query, ROUNDING};
use super::panels::{self, collect};
use super::rows::{Memory, Rows};
use super::walk::{Comparison, STRIP, Walk};
use super::{Embeddings, LargestNorm, Measure, Side, SimilarityError};
use crate::processor::vectorise;
pub(super) use candidates::Candidates;
use packed::Rounding;
pub(super) use packed::{Centre, Items};

/// Packed queries whose scores with items are bounded from above.
pub(super) struct Screen<'a> {
    kernel: Kernel,
    measure: Measure,
    centre: &'a Centre,
    /// Panels of as many queries as a tile has rows, four dimensions of each side by side.
    words: Vec<u32>,
    queries: Vec<Query>,
    largest: LargestNorm,
}

impl<'a> Screen<'a> {
    /// Whether embeddings of this width can be screened.
    pub(super) fn takes(kernel: Kernel, width: usize) -> bool {
        kernel.integer.is_some() && Items::hold(width)
    }

    /// Whether screening is faster, without prepared items, than taking all scores.
    pub(super) fn pays(kernel: Kernel, queries: &impl Embeddings, items: &impl Embeddings, k: usize) -> bool {
        let enough = queries.rows() >= 16 && items.rows() / 64 >= k.max(64) && items.cols() >= 64;
        enough && Self::takes(kernel, items.cols())
    }

    /// The walk of some queries, checked, over items.
    pub(super) fn walk(
        kernel: Kernel,
        queries: &impl Embeddings,
        items: &impl Embeddings,
        measure: Measure,
        centre: &'a Centre,
    ) -> Result<Walk<Self>, SimilarityError> {
        check_sizes(queries, items)?;
        let screen = Self::new(kernel, queries, 0..queries.rows(), measure, centre, true)?;
        Ok(Walk::new(screen, queries.cols()))
    }

    /// Rows of a set as queries, checked; rounded on the calling thread only, unless `parallel`.
    pub(super) fn new(
        kernel: Kernel,
        set: &impl Embeddings,
        rows: Range<usize>,
        measure: Measure,
        centre: &'a Centre,
        parallel: bool,
    ) -> Result<Self, SimilarityError> {
        let (height, width) = (kernel.rows(), set.cols());
        let words = width.div_ceil(4);
        let memory = || SimilarityError::Memory { side: Side::Queries, rows: rows.len(), dimensions: width };
        let len = rows.len().checked_mul(words).ok_or_else(memory)?;
        let (mut panels, mut queries, mut norms) = (Vec::new(), Vec::new(), Vec::new());
        panels.try_reserve_exact(len).map_err(|_| memory())?;
        panels.resize(len, 0);
        queries.try_reserve_exact(rows.len()).map_err(|_| memory())?;
        queries.resize(rows.len(), Query::default());
        let all = panels.par_chunks_mut(height * words).zip(queries.par_chunks_mut(height)).enumerate();
        let all = all.with_min_len(if parallel { 1 } else { usize::MAX });
        let found: Vec<Result<LargestNorm, SimilarityError>> = all
            .map_init(Default::default, |(memory, rounding): &mut (Memory, Rounding), (panel, (words, out))| {
                let first = rows.start + panel * height;
                let chosen = memory.rows(measure, Side::Queries, set, first..first + out.len())?;
                rounding.resize(chosen.len(), width);
                for (r, query) in out.iter_mut().enumerate() {
                    *query = centre.query(measure, r, chosen.row(r), rounding);
                }
                rounding.panel(words, chosen.len(), 0);
                Ok(chosen.largest(first))
            })
            .collect();
        collect(found, &mut norms)?;
        Ok(Self { kernel, measure, centre, words: panels, queries, largest: panels::largest(norms.into_iter()) })
    }

    pub(super) fn measure(&self) -> Measure {
        self.measure
    }

    /// Packs items on the calling thread.
    pub(super) fn round(&self, items: &mut Items, rows: Rows<'_>) -> Result<(), SimilarityError> {
        items.pack_rows(self.centre, rows)
    }

    /// Fails when a score with an item of this norm may leave the range of f32.
    pub(super) fn check(&self, item: LargestNorm) -> Result<(), SimilarityError> {
        self.measure.check(self.largest, item)
    }

    /// The lower bound that belongs to an upper bound: of `query` of all and `column` of all packed items.
    pub(super) fn lower(&self, query: usize, items: &Items, column: usize, upper: f32) -> f32 {
        lower_bound(upper, items.item(column), &self.queries[query], self.measure.ceiling())
    }

    /// [`Screen::lower`] of a row.
    pub(super) fn lowers(&self, query: usize, items: &Strip, uppers: &[f32], out: &mut [f32]) {
        lower_bounds(uppers, items, &self.queries[query], self.measure.ceiling(), out);
    }
}

/// What the error of an item's scores depends on.
#[derive(Clone, Copy)]
struct Item {
    residual: f32,
    norm: f32,
    square: f32,
}

/// The same of up to [`STRIP`] neighbouring items.
pub(super) struct Strip {
    residuals: [f32; STRIP],
    norms: [f32; STRIP],
    squares: [f32; STRIP],
}

/// An upper bound less twice its error.
#[inline(always)]
fn lower_bound(upper: f32, item: Item, query: &Query, ceiling: f32) -> f32 {
    let error = query.per_residual * item.residual + query.per_norm * item.norm;
    let lower = upper - 2.0 * (error + query.slack + ROUNDING * item.square);
    if lower > ceiling { ceiling } else { lower }
}

vectorise! {
    /// [`lower_bound`] of a row.
    fn lower_bounds(uppers: &[f32], items: &Strip, query: &Query, ceiling: f32, out: &mut [f32]) {
        let items = items.residuals.iter().zip(&items.norms).zip(&items.squares);
        for ((&upper, ((&residual, &norm), &square)), out) in uppers.iter().zip(items).zip(out) {
            *out = lower_bound(upper, Item { residual, norm, square }, query, ceiling);
        }
    }
}

impl Comparison for Screen<'_> {
    type Items = Items;

    fn tile(&self) -> (usize, usize) {
        (self.kernel.rows(), INTEGER_COLUMNS)
    }

    fn queries(&self) -> usize {
        self.queries.len()
    }

    fn no_items(&self) -> Items {
        Items::default()
    }

    fn pack(&self, items: &mut Items, set: &impl Embeddings, rows: Range<usize>) -> Result<(), SimilarityError> {
        let mut norms = Vec::new();
        let packed = items.pack(self.measure, self.centre, set, rows, &mut norms);
        norms.iter().try_for_each(|&norm| self.check(norm))?;
        packed
    }

    fn fill(&self, query_panels: Range<usize>, items: &Items, item_panels: Range<usize>, out: &mut [f32]) {
        let height = self.kernel.rows();
        for (j, item_panel) in item_panels.enumerate() {
            let record = items.record(item_panel);
            for (i, panel) in query_panels.clone().enumerate() {
                let queries = &self.queries[panel * height..self.queries.len().min((panel + 1) * height)];
                let words = self.words.len() / self.queries.len();
                let a = &self.words[panel * height * words..][..queries.len() * words];
                self.kernel.bounds(queries, a, record, &mut out[i * height * STRIP + j * INTEGER_COLUMNS..], STRIP);
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
