//! The one loop over all pairs: blocks of scores, handed on while they are in the cache.

use std::ops::{ControlFlow, Range};

use rayon::prelude::*;

use super::{Embeddings, SimilarityError};

/// Columns of a block: enough for a row to repay the call that looks at it. A multiple of the columns of every kernel.
pub(super) const STRIP: usize = 128;

/// Bytes of packed queries that stay in the second-level cache while items stream by.
const QUERY_BYTES: usize = 448 << 10;

/// Most query panels of a block.
const QUERY_PANELS: usize = 16;

/// Bytes of f32 items that are packed at a time per thread, and threads that they are counted for.
const ITEM_BYTES: usize = 4 << 20;
const ITEM_THREADS: usize = 16;

/// Packed queries, and how items are packed and compared with them.
pub(super) trait Comparison: Sync {
    /// Some packed items.
    type Items: Sync;

    /// Rows (queries) and columns (items) of a tile.
    fn tile(&self) -> (usize, usize);

    /// Number of queries.
    fn queries(&self) -> usize;

    /// No item yet.
    fn no_items(&self) -> Self::Items;

    /// Packs rows of `set`, checked, in place of what was in `items`. Of several errors the one that is first in order of rows.
    fn pack(&self, items: &mut Self::Items, set: &impl Embeddings, rows: Range<usize>) -> Result<(), SimilarityError>;

    /// What some panels of queries have with the items in up to [`STRIP`] columns of panels, into rows [`STRIP`] apart. Columns beyond the
    /// last item hold anything.
    fn fill(&self, query_panels: Range<usize>, items: &Self::Items, item_panels: Range<usize>, out: &mut [f32]);
}

/// Scores of neighbouring queries and items.
pub(super) struct Block<'a, T> {
    /// Queries, counted from the first of the task.
    pub(super) rows: usize,
    /// Items of the set.
    pub(super) columns: Range<usize>,
    /// The packed items, and which of them the first column is.
    pub(super) items: (&'a T, usize),
    scores: &'a mut [f32],
}

impl<T> Block<'_, T> {
    /// The rows with their numbers within the task.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[f32])> + use<'_, T> {
        let len = self.columns.len();
        (0..self.rows).map(move |i| (i, &self.scores[i * STRIP..][..len]))
    }

    /// A row that may be changed.
    pub(super) fn row_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.scores[i * STRIP..][..self.columns.len()]
    }

    /// All rows, [`STRIP`] apart.
    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        self.scores
    }
}

/// Query panels of a block, for tiles of so many rows of so many bytes.
pub(super) fn panels_per_block(rows: usize, bytes: usize) -> usize {
    (QUERY_BYTES / (rows * bytes.max(1))).clamp(1, QUERY_PANELS)
}

/// All pairs of some queries with sets of items.
pub(super) struct Walk<C> {
    pub(super) comparison: C,
    /// Query panels of a task.
    panels: usize,
}

impl<C: Comparison> Walk<C> {
    /// `bytes`: those of a packed query.
    pub(super) fn new(comparison: C, bytes: usize) -> Self {
        let (rows, _) = comparison.tile();
        let share = comparison.queries().div_ceil(rows).div_ceil(rayon::current_num_threads()).max(1);
        Self { panels: panels_per_block(rows, bytes).min(share), comparison }
    }

    /// Queries of a task.
    pub(super) fn height(&self) -> usize {
        self.panels * self.comparison.tile().0
    }

    /// Into how many parts the items are best split where there are too few queries for all threads.
    pub(super) fn splits(&self) -> usize {
        let tasks = self.comparison.queries().div_ceil(self.height()).max(1);
        let threads = rayon::current_num_threads();
        if threads == 1 { 1 } else { (4 * threads).div_ceil(tasks) }
    }

    /// A state for every task of [`Walk::blocks`], made from its queries.
    pub(super) fn states<S>(&self, splits: usize, new: impl Fn(Range<usize>) -> S) -> Vec<S> {
        let (height, queries) = (self.height(), self.comparison.queries());
        let task = |first: usize| new(first..queries.min(first + height));
        (0..queries).step_by(height).flat_map(|first| (0..splits).map(move |_| first)).map(task).collect()
    }

    /// Calls `visit` with every block of scores of some rows of `set`, in parallel. They are packed block by block.
    ///
    /// A task is `height` queries (the last has fewer) and one of `splits` parts of every block of items; task `t` has the queries from
    /// `t / splits * height` on and owns `states[t]`. Within a task items ascend. `progress` is called on this thread with the states, the
    /// items done and their number.
    pub(super) fn blocks<S: Send>(
        &self,
        set: &impl Embeddings,
        rows: Range<usize>,
        splits: usize,
        states: &mut [S],
        visit: impl Fn(&mut S, &mut Block<C::Items>) + Sync,
        progress: &mut dyn FnMut(&[S], usize, usize) -> ControlFlow<()>,
    ) -> Result<(), SimilarityError> {
        let (total, width) = (set.rows(), set.cols());
        let bytes = ITEM_BYTES * rayon::current_num_threads().min(ITEM_THREADS);
        let step = (bytes / (width.max(1) * size_of::<f32>())).clamp(STRIP, 1 << 20).next_multiple_of(STRIP);
        let mut items = self.comparison.no_items();
        for start in rows.clone().step_by(step) {
            let end = rows.end.min(start + step);
            self.comparison.pack(&mut items, set, start..end)?;
            self.block(&items, start..end, splits, states, &visit);
            if progress(states, end, total).is_break() {
                return Err(SimilarityError::Cancelled { done: end, total });
            }
        }
        Ok(())
    }

    /// As [`Walk::blocks`], over items that are packed already: `rows` of the set.
    pub(super) fn block<S: Send>(
        &self,
        items: &C::Items,
        rows: Range<usize>,
        splits: usize,
        states: &mut [S],
        visit: impl Fn(&mut S, &mut Block<C::Items>) + Sync,
    ) {
        states.par_iter_mut().enumerate().for_each_init(
            || vec![0.0; self.height() * STRIP],
            |buffer, (task, state)| {
                let part = (task % splits, splits);
                self.task(task / splits, part, items, rows.clone(), buffer, |block| visit(state, block));
            },
        );
    }

    /// One task over one block of packed items.
    fn task(
        &self,
        task: usize,
        (split, splits): (usize, usize),
        items: &C::Items,
        set_rows: Range<usize>,
        buffer: &mut [f32],
        mut visit: impl FnMut(&mut Block<C::Items>),
    ) {
        let ((height, width), queries) = (self.comparison.tile(), self.comparison.queries());
        let query_panels = task * self.panels..queries.div_ceil(height).min((task + 1) * self.panels);
        let rows = (queries - task * self.height()).min(self.height());
        let strips = set_rows.len().div_ceil(STRIP);
        for strip in strips * split / splits..strips * (split + 1) / splits {
            let per_strip = STRIP / width;
            let item_panels = strip * per_strip..set_rows.len().div_ceil(width).min((strip + 1) * per_strip);
            self.comparison.fill(query_panels.clone(), items, item_panels, buffer);
            let first = set_rows.start + strip * STRIP;
            let columns = first..set_rows.end.min(first + STRIP);
            visit(&mut Block { rows, columns, items: (items, strip * STRIP), scores: buffer });
        }
    }
}
