//! Scores themselves, in f32: of all pairs by register tiles, or of single pairs, in the same bits.

use std::ops::Range;

use super::kernel::Kernel;
use super::panels::Panels;
use super::rows::Memory;
use super::walk::{Block, Comparison, STRIP, Walk};
use super::{Embeddings, Measure, Side, SimilarityError};

/// Packed queries whose scores with items are taken.
pub(super) struct Exact {
    pub(super) kernel: Kernel,
    measure: Measure,
    queries: Panels,
}

impl Exact {
    /// The walk over all pairs of two sets, checked as far as queries go.
    pub(super) fn walk(
        kernel: Kernel,
        queries: &impl Embeddings,
        items: &impl Embeddings,
        measure: Measure,
    ) -> Result<Walk<Self>, SimilarityError> {
        check_sizes(queries, items)?;
        let mut packed = Panels::new(kernel, Side::Queries);
        packed.pack(queries, 0..queries.rows(), measure, true)?;
        Ok(Walk::new(Self { kernel, measure, queries: packed }, items.cols().saturating_mul(size_of::<f32>())))
    }

    /// Puts the scores of a block of other values in their place; `first`: the first query of the block's task; `panels`: memory for items.
    pub(super) fn scores<T>(
        &self,
        panels: &mut Panels,
        set: &impl Embeddings,
        first: usize,
        block: &mut Block<'_, T>,
    ) -> Result<(), SimilarityError> {
        panels.pack(set, block.columns.clone(), self.measure, false)?;
        let first = first / self.kernel.rows();
        let query_panels = first..first + block.rows.div_ceil(self.kernel.rows());
        self.fill(query_panels, panels, 0..panels.len(), block.values_mut());
        Ok(())
    }
}

/// Fails where two sets cannot be compared, whatever their values.
pub(super) fn check_sizes(queries: &impl Embeddings, items: &impl Embeddings) -> Result<(), SimilarityError> {
    if queries.cols() != items.cols() {
        return Err(SimilarityError::Dimensions { queries: queries.cols(), items: items.cols() });
    }
    check_numbers(queries.rows(), items.rows())
}

/// Fails where there are more rows than indices have values, which have 32 bits.
pub(super) fn check_numbers(queries: usize, items: usize) -> Result<(), SimilarityError> {
    u32::try_from(queries.max(items)).map(|_| ()).map_err(|_| SimilarityError::TooMany { queries, items })
}

impl Comparison for Exact {
    type Items = Panels;

    fn tile(&self) -> (usize, usize) {
        (self.kernel.rows(), self.kernel.columns)
    }

    fn queries(&self) -> usize {
        self.queries.rows().len()
    }

    fn no_items(&self) -> Panels {
        Panels::new(self.kernel, Side::Items)
    }

    fn pack(&self, items: &mut Panels, set: &impl Embeddings, rows: Range<usize>) -> Result<(), SimilarityError> {
        let packed = items.pack(set, rows, self.measure, true);
        // Panel by panel up to the first bad value: the first error in order of rows, however long a block is.
        items.norms.iter().try_for_each(|&norm| self.measure.check(self.queries.largest(), norm))?;
        packed
    }

    fn fill(&self, query_panels: Range<usize>, items: &Panels, item_panels: Range<usize>, out: &mut [f32]) {
        fill(&self.kernel, self.measure, (&self.queries, query_panels), (items, item_panels), out);
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
                *value = measure.score(*value, *query_square, *item_square);
            }
        }
    }
}

/// Scores of single pairs of checked rows: every bit is that of [`fill`].
pub(super) struct Pairs<'a, Q, I> {
    kernel: Kernel,
    measure: Measure,
    queries: &'a Q,
    items: &'a I,
    rows: [[Row; Kernel::PAIRS]; 2],
}

/// Memory for a row.
#[derive(Default)]
struct Row(Memory, Vec<f32>);

impl Row {
    /// Row `i` of a set and, of distances, its squared norm.
    fn get<'a>(
        &'a mut self,
        measure: Measure,
        side: Side,
        set: &'a impl Embeddings,
        i: usize,
    ) -> Result<(&'a [f32], f32), SimilarityError> {
        if measure == Measure::InnerProduct {
            return Ok((set.block(i..i + 1, &mut self.1), 0.0));
        }
        let row = self.0.rows(measure, side, set, i..i + 1)?;
        Ok((row.row(0), row.square(0)))
    }
}

impl<'a, Q: Embeddings, I: Embeddings> Pairs<'a, Q, I> {
    pub(super) fn new(kernel: Kernel, measure: Measure, queries: &'a Q, items: &'a I) -> Self {
        Self { kernel, measure, queries, items, rows: Default::default() }
    }

    /// The items.
    pub(super) fn items(&self) -> &'a I {
        self.items
    }

    /// Calls `visit` with every pair and its score, in the order given.
    pub(super) fn scores(
        &mut self,
        pairs: &[(u32, u32)],
        mut visit: impl FnMut((u32, u32), f32),
    ) -> Result<(), SimilarityError> {
        let measure = self.measure;
        let [left, right] = &mut self.rows;
        for chosen in pairs.chunks(Kernel::PAIRS) {
            let none: (&[f32], f32) = (&[], 0.0);
            let mut both = [[none; Kernel::PAIRS]; 2];
            for (i, (left, right)) in left.iter_mut().zip(right.iter_mut()).enumerate() {
                // The last pair again where there are fewer.
                let (query, item) = chosen[i.min(chosen.len() - 1)];
                both[0][i] = left.get(measure, Side::Queries, self.queries, query as usize)?;
                both[1][i] = right.get(measure, Side::Items, self.items, item as usize)?;
            }
            let products = self.kernel.products(std::array::from_fn(|i| (both[0][i].0, both[1][i].0)));
            for (i, (&pair, &product)) in chosen.iter().zip(&products).enumerate() {
                visit(pair, measure.score(product, both[0][i].1, both[1][i].1));
            }
        }
        Ok(())
    }
}
