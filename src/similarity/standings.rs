//! Where positives stand among all others, in both directions, from one pass over the blocks of scores.

use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use super::exact::{Exact, Pairs, fill};
use super::kernel::Kernel;
use super::panels::Panels;
use super::screen::{Centre, Items, Screen};
use super::walk::{Block, STRIP};
use super::{Embeddings, LargestNorm, Measure, Side, SimilarityError};
use crate::matrix::MatrixView;
use crate::metrics::standing::{DirectionStandings, Standing, Standings};
use crate::processor::vectorise;
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
    let kernel = Kernel::best();
    let centre = Screen::pays(kernel, &queries, &items, 1).then(|| Centre::of(measure, &queries, &items));
    count(kernel, &queries, &items, measure, positives, centre.as_ref().map(|centre| (centre, None)))
}

/// By bounds of the scores where there is a centre of them; items that are packed already are all of `items`, and come with their largest norm.
pub(super) fn count(
    kernel: Kernel,
    queries: &impl Embeddings,
    items: &impl Embeddings,
    measure: Measure,
    positives: &SparseRelevance,
    centre: Option<(&Centre, Option<(&Items, LargestNorm)>)>,
) -> Result<Standings, SimilarityError> {
    let (rows, cols) = (queries.rows(), items.rows());
    if (positives.rows(), positives.cols()) != (rows, cols) {
        let positives = (positives.rows(), positives.cols());
        return Err(SimilarityError::Positives { positives, similarities: (rows, cols) });
    }
    let exact = Exact::walk(kernel, queries, items, measure)?;
    let by_row = Lists::by_row(kernel, queries, items, measure, positives)?;
    let by_column = by_row.transpose(cols);
    let lists = (&by_row, &by_column);
    let column_counts: Vec<Counter> = by_column.entries.iter().map(|_| Counter::default()).collect();
    let mut row_counts = vec![Standing::default(); by_row.entries.len()];

    let mut done = 0;
    if let Some((centre, prepared)) = centre {
        let walk = Screen::walk(kernel, queries, items, measure, centre)?;
        let splits = walk.splits();
        let pairs = || Pairs::new(kernel, measure, queries, items);
        let mut tasks = walk.states(splits, |rows| Open::new(Task::new(&by_row, rows), pairs(), kernel));
        let visit = |open: &mut Open<_, _>, block: &mut Block<'_, Items>| {
            open.close(&walk.comparison, &exact.comparison, lists, &column_counts, block);
            open.task.count_rows(&by_row, block);
            count_columns(&by_column, &column_counts, open.task.rows.start, block);
        };
        if let Some((packed, largest)) = prepared {
            walk.comparison.check(largest)?;
            walk.block(packed, 0..cols, splits, &mut tasks, visit);
            done = cols;
        } else {
            // A few items first: bounds may leave most blocks open.
            for rows in [0..cols.min(PROBE), cols.min(PROBE)..cols] {
                let end = rows.end;
                let walked = walk.blocks(items, rows, splits, &mut tasks, visit, &mut |tasks, end, _| {
                    done = end;
                    let all_scores: usize = tasks.iter().map(|open| open.all_scores).sum();
                    let blocks = end.div_ceil(STRIP) * (tasks.len() / splits);
                    if 2 * all_scores > blocks { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
                match walked {
                    Err(SimilarityError::Cancelled { .. }) => break,
                    walked => walked?,
                }
                done = end;
            }
        }
        tasks.par_iter_mut().for_each(|open| open.score(lists, &column_counts));
        tasks.iter_mut().find_map(|open| open.error.take()).map_or(Ok(()), Err)?;
        tasks.iter().for_each(|open| open.task.add_to(&by_row, &mut row_counts));
    }
    if done < cols {
        let splits = exact.splits();
        let mut tasks = exact.states(splits, |rows| Task::new(&by_row, rows));
        let visit = |task: &mut Task, block: &mut Block<'_, Panels>| {
            task.count_rows(&by_row, block);
            count_columns(&by_column, &column_counts, task.rows.start, block);
        };
        exact.blocks(items, done..cols, splits, &mut tasks, visit, &mut |_, _, _| ControlFlow::Continue(()))?;
        tasks.iter().for_each(|task| task.add_to(&by_row, &mut row_counts));
    }
    let column_counts = column_counts.into_iter().map(Counter::into_standing).collect();
    Ok(Standings {
        rows: DirectionStandings::new(positives.clone(), row_counts),
        columns: DirectionStandings::new(positives.transpose(), column_counts),
    })
}

/// Items that are looked at to see whether bounds help.
const PROBE: usize = 1024;

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
    fn by_row(
        kernel: Kernel,
        queries: &impl Embeddings,
        items: &impl Embeddings,
        measure: Measure,
        positives: &SparseRelevance,
    ) -> Result<Self, SimilarityError> {
        let width = items.cols();
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

    /// The scores of the first positive of every query in `rows`, at most [`STRIP`], then of the second, and so on, and which entries they are.
    /// No score exceeds or equals infinity, which queries with fewer positives have.
    fn levels(&self, rows: &Range<usize>) -> impl Iterator<Item = ([f32; STRIP], Vec<Option<usize>>)> + '_ {
        let offsets = &self.offsets[rows.start..=rows.end];
        let most = offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        (0..most).map(move |level| {
            let of_level = |pair: &[usize]| Some(pair[0] + level).filter(|&entry| entry < pair[1]);
            let entries: Vec<Option<usize>> = offsets.windows(2).map(of_level).collect();
            let mut scores = [f32::INFINITY; STRIP];
            for (score, entry) in scores.iter_mut().zip(&entries) {
                *score = entry.map_or(f32::INFINITY, |entry| self.entries[entry].score);
            }
            (scores, entries)
        })
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

    /// Adds its counts to those of all positives.
    fn add_to(&self, lists: &Lists, all: &mut [Standing]) {
        let all = &mut all[lists.offsets[self.rows.start]..lists.offsets[self.rows.end]];
        all.iter_mut().zip(&self.counts).for_each(|(sum, &count)| *sum = add(*sum, count));
    }

    fn count_rows<T>(&mut self, lists: &Lists, block: &Block<'_, T>) {
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

/// A task that has bounds instead of scores, and pairs that these leave open.
struct Open<'a, Q, I> {
    task: Task,
    pairs: Pairs<'a, Q, I>,
    open: Vec<(u32, u32)>,
    /// For blocks that leave so many pairs open that all scores are faster, and how many there were.
    panels: Panels,
    all_scores: usize,
    /// Lower bounds of a row, and which pairs of a block are open.
    lowers: Vec<f32>,
    flags: Vec<bool>,
    error: Option<SimilarityError>,
}

impl<'a, Q: Embeddings, I: Embeddings> Open<'a, Q, I> {
    /// Pairs that are kept before their scores are taken.
    const KEPT: usize = 1 << 12;

    fn new(task: Task, pairs: Pairs<'a, Q, I>, kernel: Kernel) -> Self {
        let (open, lowers, flags) = (vec![], vec![0.0; STRIP], vec![]);
        Self { task, pairs, open, panels: Panels::new(kernel, Side::Items), all_scores: 0, lowers, flags, error: None }
    }

    /// Makes values of a block of upper bounds that compare with all positives as the scores do. Open pairs become the lowest of values, which
    /// counts nothing, and are kept.
    fn close(
        &mut self,
        screen: &Screen,
        exact: &Exact,
        lists: (&Lists, &Lists),
        counts: &[Counter],
        block: &mut Block<'_, Items>,
    ) {
        let (columns, first) = (block.columns.clone(), self.task.rows.start);
        self.flags.clear();
        self.flags.resize(block.rows * STRIP, false);
        let parameters = block.items.0.strip(block.items.1);
        let levels: Vec<[f32; STRIP]> = lists.1.levels(&columns).map(|(scores, _)| scores).collect();
        for (i, uppers) in block.iter() {
            let (lowers, flags) = (&mut self.lowers[..uppers.len()], &mut self.flags[i * STRIP..][..uppers.len()]);
            screen.lowers(first + i, &parameters, uppers, lowers);
            lists.0.row(first + i).iter().for_each(|entry| between(uppers, lowers, &[entry.score; STRIP], flags));
            levels.iter().for_each(|scores| between(uppers, lowers, scores, flags));
        }
        let open = self.flags.iter().filter(|&&open| open).count();
        // A score by itself takes as long as some twenty in a tile.
        if open * 16 > block.rows * columns.len() {
            self.all_scores += 1;
            if let Err(error) = exact.scores(&mut self.panels, self.pairs.items(), first, block) {
                self.error.get_or_insert(error);
            }
            return;
        }
        if open == 0 {
            return;
        }
        for i in 0..block.rows {
            let flags = &self.flags[i * STRIP..][..columns.len()];
            let row = block.row_mut(i);
            for (column, _) in flags.iter().enumerate().filter(|&(_, &open)| open) {
                row[column] = f32::NEG_INFINITY;
                self.open.push(((first + i) as u32, (columns.start + column) as u32));
            }
        }
        if self.open.len() >= Self::KEPT {
            self.score(lists, counts);
        }
    }

    /// Counts the pairs that are kept by their scores.
    fn score(&mut self, (by_row, by_column): (&Lists, &Lists), counts: &[Counter]) {
        let first = by_row.offsets[self.task.rows.start];
        let task = &mut self.task;
        let scored = self.pairs.scores(&self.open, |(row, column), score| {
            let standing = |entry: &Entry, other: u32| Standing {
                greater: u32::from(score > entry.score),
                equal_before: u32::from(score == entry.score && other < entry.index),
                equal_after: u32::from(score == entry.score && other > entry.index),
            };
            let start = by_row.offsets[row as usize] - first;
            for (at, entry) in by_row.row(row as usize).iter().enumerate() {
                if entry.index != column {
                    task.counts[start + at] = add(task.counts[start + at], standing(entry, column));
                }
            }
            let start = by_column.offsets[column as usize];
            for (at, entry) in by_column.row(column as usize).iter().enumerate() {
                if entry.index != row {
                    counts[start + at].add(standing(entry, row));
                }
            }
        });
        self.open.clear();
        if let Err(error) = scored {
            self.error.get_or_insert(error);
        }
    }
}

vectorise! {
    /// Marks the places where a score between the bounds may be above another or below it.
    fn between(uppers: &[f32], lowers: &[f32], scores: &[f32], open: &mut [bool]) {
        for (((&upper, &lower), &score), open) in uppers.iter().zip(lowers).zip(scores).zip(open) {
            // NaN is no bound: it is not below, and not above.
            let closed = (upper < score) | (lower > score);
            *open |= !closed;
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
    fn add(&self, count: Standing) {
        self.greater.fetch_add(count.greater, Ordering::Relaxed);
        self.equal_before.fetch_add(count.equal_before, Ordering::Relaxed);
        self.equal_after.fetch_add(count.equal_after, Ordering::Relaxed);
    }

    fn into_standing(self) -> Standing {
        Standing {
            greater: self.greater.into_inner(),
            equal_before: self.equal_before.into_inner(),
            equal_after: self.equal_after.into_inner(),
        }
    }
}

/// Counts over the rows of a block: first the first positive of every column side by side, then the second, and so on.
fn count_columns<T>(lists: &Lists, counts: &[Counter], first_row: usize, block: &Block<'_, T>) {
    for (scores, entries) in lists.levels(&block.columns) {
        let index = |entry: &Option<usize>| entry.map_or(0, |entry| lists.entries[entry].index);
        let mut indices = [0; STRIP];
        indices.iter_mut().zip(&entries).for_each(|(to, entry)| *to = index(entry));
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
        for (column, entry) in entries.iter().enumerate() {
            let Some(entry) = *entry else { continue };
            let (greater, equal_before, equal_after) = (greater[column], before[column], after[column]);
            counts[entry].add(Standing { greater, equal_before, equal_after });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::similarity::screen::tests::{KINDS, MEASURES, kernels, rows};

    #[test]
    fn bounds_change_no_count() {
        for kernel in kernels() {
            for (kind, measure) in KINDS.iter().flat_map(|kind| MEASURES.map(|measure| (kind, measure))) {
                let (queries, mut items) = (rows(kind, 60, 70, 5), rows(kind, 700, 70, 6));
                // Some queries are among the items, so that positives stand high, and ties.
                for i in 0..30 {
                    items.row_mut(7 * i).copy_from_slice(queries.row(i));
                    items.row_mut(7 * i + 3).copy_from_slice(queries.row(i));
                }
                let positive = |i: usize, j: usize| f64::from(u8::from(j == 7 * i || (i + j).is_multiple_of(401)));
                let positives = SparseRelevance::from_dense(Matrix::from_fn(60, 700, positive).view()).unwrap();
                let (queries, items) = (queries.view(), items.view());
                let want = count(kernel, &queries, &items, measure, &positives, None).unwrap();
                let centre = Centre::of(measure, &queries, &items);
                let got = count(kernel, &queries, &items, measure, &positives, Some((&centre, None))).unwrap();
                assert_eq!(got, want, "{kind} {measure:?}");
            }
        }
    }
}
