//! Where positives stand among all others, in both directions, from one pass over the blocks of scores.

use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use super::panels::Panels;
use super::walk::{Block, STRIP, Scores, fill};
use super::{Embeddings, LargestNorm, Measure, Side, SimilarityError};
use crate::matrix::MatrixView;
use crate::metrics::standing::{DirectionStandings, Standing, Standings};
use crate::relevance::SparseRelevance;

/// Counts, for every positive, the items that score higher than it and those that score the same: with the rows (queries) as queries and
/// with the columns (items) as queries.
///
/// From the counts [`rank::evaluate_standings`](crate::metrics::rank::evaluate_standings) and
/// [`graded::evaluate_standings`](crate::metrics::graded::evaluate_standings) give what they would give for the matrix of
/// [`similarity`](super::similarity()), without the matrix and without a sort. Every positive costs a comparison with all scores of its row
/// and of its column. This saves time only with very few positives per query: measured on one loaded machine, it took 0.8 of the time of the
/// matrix and its evaluation with one positive per query, and 1.39 of it with eight. With more, what it saves is the memory of the matrix.
///
/// # Shapes
/// `queries`: N x D, `items`: M x D, `positives`: N x M, its non-zero entries.
///
/// # Errors
/// [`SimilarityError`]: positives of another shape, dimensions that differ, values that are not finite, norms that may overflow, more than
/// 2^32 - 1 queries or items.
pub fn standings(
    queries: impl Embeddings,
    items: impl Embeddings,
    measure: Measure,
    positives: &SparseRelevance,
) -> Result<Standings, SimilarityError> {
    let (rows, cols) = (queries.rows(), items.rows());
    if (positives.rows(), positives.cols()) != (rows, cols) {
        let positives = (positives.rows(), positives.cols());
        return Err(SimilarityError::Positives { positives, similarities: (rows, cols) });
    }
    let scores = Scores::new(&queries, &items, measure)?;
    let by_row = Lists::by_row(&scores, &queries, &items, measure, positives)?;
    let by_column = by_row.transpose(cols);
    let column_counts: Vec<Counter> = by_column.entries.iter().map(|_| Counter::default()).collect();

    let (height, splits) = (scores.height(), scores.splits());
    let task = |start: usize| Task::new(&by_row, start..rows.min(start + height));
    let mut tasks: Vec<Task> =
        (0..rows).step_by(height).flat_map(|start| (0..splits).map(move |_| task(start))).collect();
    scores.walk(
        splits,
        &mut tasks,
        |task, block| {
            task.count_rows(&by_row, block);
            count_columns(&by_column, &column_counts, task.rows.start, block);
        },
        &mut |_, _| ControlFlow::Continue(()),
    )?;

    let mut row_counts = Vec::with_capacity(by_row.entries.len());
    for parts in tasks.chunks(splits) {
        let sum = |i| parts.iter().fold(Standing::default(), |sum: Standing, part: &Task| add(sum, part.counts[i]));
        row_counts.extend((0..parts[0].counts.len()).map(sum));
    }
    let column_counts = column_counts.into_iter().map(Counter::into_standing).collect();
    Ok(Standings {
        rows: DirectionStandings::new(positives.clone(), row_counts),
        columns: DirectionStandings::new(positives.transpose(), column_counts),
    })
}

/// A positive: its index among the items of its query, and its score.
#[derive(Clone, Copy)]
struct Entry {
    index: u32,
    score: f32,
}

/// The positives of every query of a direction, in ascending order of index.
struct Lists {
    offsets: Vec<usize>,
    entries: Vec<Entry>,
}

impl Lists {
    /// Scores of all positives, from the same kernel as all others.
    fn by_row<I: Embeddings>(
        scores: &Scores<'_, I>,
        queries: &impl Embeddings,
        items: &impl Embeddings,
        measure: Measure,
        positives: &SparseRelevance,
    ) -> Result<Self, SimilarityError> {
        let (kernel, width) = (scores.kernel(), items.cols());
        let score_row = |(query, item, scratch, chosen, strip): &mut (_, _, _, Vec<f32>, Vec<f32>), row: usize| {
            let query: &mut Panels = query;
            let item: &mut Panels = item;
            query.pack(queries, row..row + 1, measure, false)?;
            let mut entries = Vec::new();
            for columns in positives.row(row).0.chunks(STRIP) {
                chosen.clear();
                for &column in columns {
                    chosen.extend_from_slice(items.block(column as usize..column as usize + 1, scratch));
                }
                let too_many = |_| SimilarityError::TooMany { queries: queries.rows(), items: items.rows() };
                let view = MatrixView::new(chosen, columns.len(), width).map_err(too_many)?;
                item.pack(&view, 0..columns.len(), measure, false).map_err(|error| in_set(error, columns))?;
                measure.check(query.largest(), item.largest()).map_err(|error| in_set(error, columns))?;
                fill(&kernel, measure, (query, 0..1), (item, 0..item.len()), strip);
                entries.extend(columns.iter().zip(&*strip).map(|(&index, &score)| Entry { index, score }));
            }
            Ok(entries)
        };
        let state = || {
            let panels = |side| Panels::new(kernel, side);
            (panels(Side::Queries), panels(Side::Items), Vec::new(), Vec::new(), vec![0.0; kernel.rows() * STRIP])
        };
        let lists: Vec<Result<Vec<Entry>, SimilarityError>> =
            (0..positives.rows()).into_par_iter().map_init(state, score_row).collect();
        let (mut offsets, mut entries) = (vec![0], Vec::with_capacity(positives.non_zeros()));
        for list in lists {
            entries.extend(list?);
            offsets.push(entries.len());
        }
        Ok(Self { offsets, entries })
    }

    fn row(&self, query: usize) -> &[Entry] {
        &self.entries[self.offsets[query]..self.offsets[query + 1]]
    }

    /// The same positives by column.
    fn transpose(&self, columns: usize) -> Self {
        let mut offsets = vec![0; columns + 1];
        self.entries.iter().for_each(|entry| offsets[entry.index as usize + 1] += 1);
        (0..columns).for_each(|column| offsets[column + 1] += offsets[column]);
        let mut next = offsets.clone();
        let mut entries = vec![Entry { index: 0, score: 0.0 }; self.entries.len()];
        for row in 0..self.offsets.len() - 1 {
            for entry in self.row(row) {
                let slot = &mut next[entry.index as usize];
                entries[*slot] = Entry { index: row as u32, score: entry.score };
                *slot += 1;
            }
        }
        Self { offsets, entries }
    }
}

/// Names the row of the whole set instead of that among the chosen ones.
fn in_set(error: SimilarityError, chosen: &[u32]) -> SimilarityError {
    match error {
        SimilarityError::NonFinite { side, row, dimension, value } => {
            SimilarityError::NonFinite { side, row: chosen[row] as usize, dimension, value }
        }
        SimilarityError::Overflow { query, item } => {
            SimilarityError::Overflow { query, item: LargestNorm { row: chosen[item.row] as usize, ..item } }
        }
        other => other,
    }
}

fn add(a: Standing, b: Standing) -> Standing {
    Standing {
        greater: a.greater + b.greater,
        equal_before: a.equal_before + b.equal_before,
        equal_after: a.equal_after + b.equal_after,
    }
}

/// Some rows, and the counts of their positives.
struct Task {
    rows: Range<usize>,
    counts: Vec<Standing>,
}

impl Task {
    fn new(lists: &Lists, rows: Range<usize>) -> Self {
        let counts = vec![Standing::default(); lists.offsets[rows.end] - lists.offsets[rows.start]];
        Self { rows, counts }
    }

    fn count_rows(&mut self, lists: &Lists, block: &Block) {
        let first = lists.offsets[self.rows.start];
        for (i, scores) in block.iter() {
            let row = self.rows.start + i;
            let counts = &mut self.counts[lists.offsets[row] - first..lists.offsets[row + 1] - first];
            for (entry, count) in lists.row(row).iter().zip(counts) {
                let index = entry.index as usize;
                let (before, after) =
                    scores.split_at(index.clamp(block.columns.start, block.columns.end) - block.columns.start);
                let after = if block.columns.contains(&index) { &after[1..] } else { after };
                let (before, after) = (compare(before, entry.score), compare(after, entry.score));
                let here = Standing { greater: before.0 + after.0, equal_before: before.1, equal_after: after.1 };
                *count = add(*count, here);
            }
        }
    }
}

/// How many scores are greater, and how many equal.
fn compare(scores: &[f32], than: f32) -> (u32, u32) {
    let count = |(greater, equal), &x: &f32| (greater + u32::from(x > than), equal + u32::from(x == than));
    scores.iter().fold((0, 0), count)
}

/// A [`Standing`] that several threads add to. Sums of integers do not depend on the order.
#[derive(Default)]
struct Counter {
    greater: AtomicU32,
    equal_before: AtomicU32,
    equal_after: AtomicU32,
}

impl Counter {
    fn into_standing(self) -> Standing {
        Standing {
            greater: self.greater.into_inner(),
            equal_before: self.equal_before.into_inner(),
            equal_after: self.equal_after.into_inner(),
        }
    }
}

/// Counts over the rows of a block: first the first positive of every column side by side, then the second, and so on.
fn count_columns(lists: &Lists, counts: &[Counter], first_row: usize, block: &Block) {
    let offsets = &lists.offsets[block.columns.start..=block.columns.end];
    let levels = offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
    for level in 0..levels {
        // No score exceeds or equals infinity: columns with fewer positives count nothing.
        let (mut scores, mut indices) = ([f32::INFINITY; STRIP], [0_u32; STRIP]);
        let of_level = |pair: &[usize]| Some(pair[0] + level).filter(|&entry| entry < pair[1]);
        for (column, entry) in offsets.windows(2).map(of_level).enumerate() {
            let Some(entry) = entry else { continue };
            (scores[column], indices[column]) = (lists.entries[entry].score, lists.entries[entry].index);
        }
        let (mut greater, mut before, mut after) = ([0_u32; STRIP], [0_u32; STRIP], [0_u32; STRIP]);
        for (i, row) in block.iter() {
            let i = (first_row + i) as u32;
            for (column, &x) in row.iter().enumerate().take(STRIP) {
                let equal = x == scores[column];
                greater[column] += u32::from(x > scores[column]);
                before[column] += u32::from(equal & (i < indices[column]));
                after[column] += u32::from(equal & (i > indices[column]));
            }
        }
        for (column, entry) in offsets.windows(2).map(of_level).enumerate() {
            let Some(entry) = entry else { continue };
            counts[entry].greater.fetch_add(greater[column], Ordering::Relaxed);
            counts[entry].equal_before.fetch_add(before[column], Ordering::Relaxed);
            counts[entry].equal_after.fetch_add(after[column], Ordering::Relaxed);
        }
    }
}
