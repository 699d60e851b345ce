//! The one loop over all pairs: blocks of scores, handed on while they are in the cache.

use std::ops::{ControlFlow, Range};

use rayon::prelude::*;

use super::kernel::Kernel;
use super::panels::Panels;
use super::{Embeddings, Measure, Side, SimilarityError};

/// Columns of a block: enough for a row to repay the call that looks at it. A multiple of the columns of every kernel.
pub(super) const STRIP: usize = 128;

/// Bytes of packed queries that stay in the second-level cache while items stream by.
const QUERY_BYTES: usize = 448 << 10;

/// Most query panels of a block.
const QUERY_PANELS: usize = 16;

/// Bytes of packed items per thread, and threads that they are counted for.
const ITEM_BYTES: usize = 4 << 20;
const ITEM_THREADS: usize = 16;

/// Scores of neighbouring queries and items.
pub(super) struct Block<'a> {
    /// Queries, counted from the first of the task.
    pub(super) rows: usize,
    /// Items.
    pub(super) columns: Range<usize>,
    scores: &'a [f32],
}

impl<'a> Block<'a> {
    /// The rows with their numbers within the task.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &'a [f32])> + use<'a> {
        let (scores, len) = (self.scores, self.columns.len());
        (0..self.rows).map(move |i| (i, &scores[i * STRIP..][..len]))
    }
}

/// Scores of some panels of queries with up to [`STRIP`] items, into rows [`STRIP`] apart. Columns beyond the last item hold anything.
pub(super) fn fill(
    kernel: &Kernel,
    measure: Measure,
    (queries, query_panels): (&Panels, Range<usize>),
    (items, item_panels): (&Panels, Range<usize>),
    out: &mut [f32],
) {
    for (j, item_panel) in item_panels.clone().enumerate() {
        let (_, b) = items.panel(item_panel);
        for (i, query_panel) in query_panels.clone().enumerate() {
            let (rows, a) = queries.panel(query_panel);
            kernel.tile(rows, a, b, &mut out[i * kernel.rows() * STRIP + j * kernel.columns..], STRIP);
        }
    }
    if measure == Measure::NegativeSquaredEuclidean {
        let item_squares = &items.squares[item_panels.start * kernel.columns..];
        let query_squares = &queries.squares[query_panels.start * kernel.rows()..];
        let height = query_panels.len() * kernel.rows();
        for (row, query_square) in out.chunks_mut(STRIP).zip(query_squares).take(height) {
            for (value, item_square) in row.iter_mut().zip(item_squares) {
                *value = (2.0 * *value - (query_square + item_square)).min(0.0);
            }
        }
    }
}

/// Query panels of a block, for embeddings of a width.
pub(super) fn panels_per_block(kernel: &Kernel, width: usize) -> usize {
    (QUERY_BYTES / (kernel.rows() * width.max(1) * size_of::<f32>())).clamp(1, QUERY_PANELS)
}

/// All pairs of two sets, checked as far as queries go; the items are read while walking.
pub(super) struct Scores<'a, I> {
    kernel: Kernel,
    measure: Measure,
    queries: Panels,
    items: &'a I,
    /// Query panels of a task.
    panels: usize,
}

impl<'a, I: Embeddings> Scores<'a, I> {
    pub(super) fn new(queries: &impl Embeddings, items: &'a I, measure: Measure) -> Result<Self, SimilarityError> {
        if queries.cols() != items.cols() {
            return Err(SimilarityError::Dimensions { queries: queries.cols(), items: items.cols() });
        }
        // Indices have 32 bits.
        if u32::try_from(queries.rows().max(items.rows())).is_err() {
            return Err(SimilarityError::TooMany { queries: queries.rows(), items: items.rows() });
        }
        let kernel = Kernel::best();
        let mut packed = Panels::new(kernel, Side::Queries);
        packed.pack(queries, 0..queries.rows(), measure, true)?;
        let share = packed.len().div_ceil(rayon::current_num_threads()).max(1);
        let panels = panels_per_block(&kernel, items.cols()).min(share);
        Ok(Self { kernel, measure, queries: packed, items, panels })
    }

    pub(super) fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Queries of a task.
    pub(super) fn height(&self) -> usize {
        self.panels * self.kernel.rows()
    }

    /// Into how many parts the items are best split where there are too few queries for all threads.
    pub(super) fn splits(&self) -> usize {
        let tasks = self.queries.len().div_ceil(self.panels).max(1);
        let threads = rayon::current_num_threads();
        if threads == 1 { 1 } else { (4 * threads).div_ceil(tasks) }
    }

    /// Calls `visit` with every block of scores, in parallel.
    ///
    /// A task is `height` queries (the last has fewer) and one of `splits` parts of every block of items; task `t` has the queries from
    /// `t / splits * height` on and owns `states[t]`. Within a task items ascend. `progress` is called on this thread with the items done
    /// and their number.
    pub(super) fn walk<S: Send>(
        &self,
        splits: usize,
        states: &mut [S],
        visit: impl Fn(&mut S, &Block) + Sync,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<(), SimilarityError> {
        let (total, width) = (self.items.rows(), self.items.cols());
        let bytes = ITEM_BYTES * rayon::current_num_threads().min(ITEM_THREADS);
        let step = (bytes / (width.max(1) * size_of::<f32>())).clamp(STRIP, 1 << 20).next_multiple_of(STRIP);
        let (largest, mut items) = (self.queries.largest(), Panels::new(self.kernel, Side::Items));
        for start in (0..total).step_by(step) {
            let end = total.min(start + step);
            let packed = items.pack(self.items, start..end, self.measure, true);
            // Panel by panel up to the first bad value: the first error in order of rows, however long a block is.
            items.norms.iter().try_for_each(|&norm| self.measure.check(largest, norm))?;
            packed?;
            let tasks = states.par_iter_mut().enumerate();
            tasks.for_each_init(
                || vec![0.0; self.height() * STRIP],
                |buffer, (task, state)| {
                    self.task(task / splits, (task % splits, splits), &items, buffer, |block| visit(state, block))
                },
            );
            if progress(end, total).is_break() {
                return Err(SimilarityError::Cancelled { done: end, total });
            }
        }
        Ok(())
    }

    /// One task over one block of packed items.
    fn task(
        &self,
        task: usize,
        (split, splits): (usize, usize),
        items: &Panels,
        buffer: &mut [f32],
        mut visit: impl FnMut(&Block),
    ) {
        let query_panels = task * self.panels..self.queries.len().min((task + 1) * self.panels);
        let rows = (self.queries.rows().len() - task * self.height()).min(self.height());
        let strips = items.rows().len().div_ceil(STRIP);
        for strip in strips * split / splits..strips * (split + 1) / splits {
            let per_strip = STRIP / self.kernel.columns;
            let item_panels = strip * per_strip..items.len().min((strip + 1) * per_strip);
            fill(&self.kernel, self.measure, (&self.queries, query_panels.clone()), (items, item_panels), buffer);
            let first = items.rows().start + strip * STRIP;
            visit(&Block { rows, columns: first..items.rows().end.min(first + STRIP), scores: buffer });
        }
    }
}
