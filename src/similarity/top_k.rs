//! The best k items per query, without the full matrix.

use std::ops::{ControlFlow, Range};

use rayon::prelude::*;

use super::embeddings::Chosen;
use super::exact::{Exact, Pairs};
use super::kernel::Kernel;
use super::screen::{Candidates, Centre, Items, Screen};
use super::walk::Block;
use super::{Embeddings, LargestNorm, Measure, SimilarityError, room};
use crate::matrix::Matrix;

/// The best k items of every query, best first.
#[derive(Debug, Clone, PartialEq)]
pub struct TopK {
    /// Item numbers, N x k.
    pub indices: Matrix<u32>,
    /// Their similarities, N x k, falling along each row.
    pub scores: Matrix<f32>,
}

/// The best `k` items of every query; equal scores by ascending item number.
///
/// Exact: the same as sorting every row of [`similarity`](super::similarity()) and taking the head, in every bit. The items are read in
/// blocks, and may be larger than memory: beyond the result there are the packed queries, a block of packed items and candidates of
/// each query ([module](super)); those that may be among the best are read again, and all of them where there are too many. For `k` near
/// the number of items sorting the full matrix is faster.
///
/// # Shapes
/// `queries`: N x D, `items`: M x D; results: N x k.
///
/// # Errors
/// [`SimilarityError`]: `k` is 0 or exceeds M, dimensions that differ, values that are not finite, norms that may overflow, too many items.
pub fn top_k(
    queries: impl Embeddings,
    items: impl Embeddings,
    measure: Measure,
    k: usize,
) -> Result<TopK, SimilarityError> {
    top_k_with_progress(queries, items, measure, k, |_, _| ControlFlow::Continue(()))
}

/// [`top_k`] that calls `progress(done, total)` after every block of items and stops when it breaks. Where all items are
/// read a second time, counting starts again.
///
/// # Shapes
/// As [`top_k`].
///
/// # Errors
/// As [`top_k`], and [`SimilarityError::Cancelled`] when `progress` breaks.
pub fn top_k_with_progress(
    queries: impl Embeddings,
    items: impl Embeddings,
    measure: Measure,
    k: usize,
    mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<TopK, SimilarityError> {
    let kernel = Kernel::best();
    if Screen::pays(kernel, &queries, &items, k) {
        let centre = Centre::of(measure, &queries, &items);
        screened(kernel, &queries, &items, measure, k, (&centre, None), &mut progress)
    } else {
        plain(kernel, &queries, &items, measure, k, &mut progress)
    }
}

pub(super) type Progress<'a> = &'a mut dyn FnMut(usize, usize) -> ControlFlow<()>;

/// A result to be filled.
fn zeros(queries: usize, items: usize, k: usize) -> Result<TopK, SimilarityError> {
    if k == 0 || k > items {
        return Err(SimilarityError::K { k, items });
    }
    let too_many = || SimilarityError::TooMany { queries, items };
    // An index and a score.
    let len = room::<(u32, f32)>(queries, k).ok_or_else(too_many)?;
    let (indices, scores) = (vec![0; len], vec![0.0; len]);
    Ok(TopK {
        indices: Matrix::new(indices, queries, k).map_err(|_| too_many())?,
        scores: Matrix::new(scores, queries, k).map_err(|_| too_many())?,
    })
}

/// By all scores.
pub(super) fn plain(
    kernel: Kernel,
    queries: &impl Embeddings,
    items: &impl Embeddings,
    measure: Measure,
    k: usize,
    progress: Progress,
) -> Result<TopK, SimilarityError> {
    let mut top = zeros(queries.rows(), items.rows(), k)?;
    let walk = Exact::walk(kernel, queries, items, measure)?;
    let splits = walk.splits();
    let mut tasks = walk.states(splits, |rows| rows.map(|_| Best::new(k)).collect::<Vec<_>>());
    walk.blocks(
        items,
        0..items.rows(),
        splits,
        &mut tasks,
        |best, block| block.iter().for_each(|(i, scores)| best[i].offer(scores, block.columns.start)),
        &mut |_, done, total| progress(done, total),
    )?;
    let len = walk.height() * k;
    let out = top.indices.as_mut_slice().par_chunks_mut(len).zip(top.scores.as_mut_slice().par_chunks_mut(len));
    out.zip(tasks.par_chunks_mut(splits)).for_each(|((indices, scores), parts)| {
        for (i, (indices, scores)) in indices.chunks_mut(k).zip(scores.chunks_mut(k)).enumerate() {
            let keys = parts.iter_mut().flat_map(|part| std::mem::take(&mut part[i].keys)).collect();
            write(keys, indices, scores);
        }
    });
    Ok(top)
}

/// By bounds of all scores, and those scores that these leave open; queries that bounds do not help, by all scores. Items that are packed
/// already are all of `items`, and come with their largest norm.
pub(super) fn screened(
    kernel: Kernel,
    queries: &impl Embeddings,
    items: &impl Embeddings,
    measure: Measure,
    k: usize,
    (centre, prepared): (&Centre, Option<(&Items, LargestNorm)>),
    progress: Progress,
) -> Result<TopK, SimilarityError> {
    let (rows, cols) = (queries.rows(), items.rows());
    let mut top = zeros(rows, cols, k)?;
    let walk = Screen::walk(kernel, queries, items, measure, centre)?;
    let (screen, splits) = (&walk.comparison, walk.splits());
    let limit = (cols / 32).min(MOST_CANDIDATES).max(16 * k);
    let new = |rows: Range<usize>| (rows.start, rows.map(|_| Candidates::new(k, limit)).collect());
    let mut tasks: Vec<(usize, Vec<Candidates>)> = walk.states(splits, new);
    let visit = |(first, candidates): &mut (usize, Vec<Candidates>), block: &mut Block<Items>| {
        let (items, start) = block.items;
        for (i, uppers) in block.iter() {
            let query = *first + i;
            let lower = |column, upper| screen.lower(query, items, start + column, upper);
            candidates[i].offer(uppers, block.columns.start, lower);
        }
    };
    if let Some((packed, largest)) = prepared {
        screen.check(largest)?;
        walk.block(packed, 0..cols, splits, &mut tasks, visit);
    } else {
        let mut hopeless = false;
        let result = walk.blocks(items, 0..cols, splits, &mut tasks, visit, &mut |tasks, done, total| {
            let failed: usize = tasks.iter().map(|(_, part)| part.iter().filter(|query| query.failed()).count()).sum();
            hopeless = 2 * failed > splits * rows;
            if hopeless { ControlFlow::Break(()) } else { progress(done, total) }
        });
        if hopeless {
            return plain(kernel, queries, items, measure, k, progress);
        }
        result?;
    }

    let len = walk.height() * k;
    let out = top.indices.as_mut_slice().par_chunks_mut(len).zip(top.scores.as_mut_slice().par_chunks_mut(len));
    let left: Vec<Result<Vec<u32>, SimilarityError>> = out
        .zip(tasks.par_chunks_mut(splits))
        .map_init(
            || Pairs::new(kernel, measure, queries, items),
            |pairs, ((indices, scores), parts)| {
                let mut left = Vec::new();
                for (i, (indices, scores)) in indices.chunks_mut(k).zip(scores.chunks_mut(k)).enumerate() {
                    let mut all = Candidates::new(k, usize::MAX);
                    parts.iter_mut().for_each(|(_, part)| all.append(std::mem::take(&mut part[i])));
                    let query = (parts[0].0 + i) as u32;
                    match all.best(query, pairs)? {
                        Some(keys) => write(keys, indices, scores),
                        None => left.push(query),
                    }
                }
                Ok(left)
            },
        )
        .collect();
    let left: Vec<Vec<u32>> = left.into_iter().collect::<Result<_, _>>()?;
    let left = Chosen { set: queries, rows: left.concat() };
    if !left.rows.is_empty() {
        let found = plain(kernel, &left, items, measure, k, progress)?;
        for (i, &query) in left.rows.iter().enumerate() {
            top.indices.row_mut(query as usize).copy_from_slice(found.indices.row(i));
            top.scores.row_mut(query as usize).copy_from_slice(found.scores.row(i));
        }
    }
    Ok(top)
}

/// Candidates that a query may keep beyond 16 k: their scores, taken one by one, take less time than all.
const MOST_CANDIDATES: usize = 4096;

/// Candidates of one query. A score enters when it exceeds the k-th best seen at the last pruning; items come in ascending order, so an
/// equal score has lost already.
struct Best {
    keys: Vec<u64>,
    k: usize,
    threshold: f32,
}

impl Best {
    const LANES: usize = 16;

    fn new(k: usize) -> Self {
        Self { keys: Vec::new(), k, threshold: f32::NEG_INFINITY }
    }

    fn offer(&mut self, scores: &[f32], first: usize) {
        for (chunk, scores) in scores.chunks(Self::LANES).enumerate() {
            // Without a branch, so that it vectorises; hits are rare once the threshold has risen.
            if !scores.iter().fold(false, |any, &score| any | (score > self.threshold)) {
                continue;
            }
            for (i, &score) in scores.iter().enumerate() {
                if score > self.threshold {
                    self.keys.push(key(score, (first + chunk * Self::LANES + i) as u32));
                }
            }
            if self.keys.len() >= 2 * self.k + 4 * Self::LANES {
                self.prune();
            }
        }
    }

    fn prune(&mut self) {
        let (_, worst, _) = self.keys.select_nth_unstable_by(self.k - 1, |a, b| b.cmp(a));
        self.threshold = score_of(*worst);
        self.keys.truncate(self.k);
    }
}

/// The best of the candidates, in order.
fn write(mut keys: Vec<u64>, indices: &mut [u32], scores: &mut [f32]) {
    keys.sort_unstable_by(|a, b| b.cmp(a));
    for (key, (index, score)) in keys.iter().zip(indices.iter_mut().zip(scores)) {
        (*index, *score) = (item_of(*key), score_of(*key));
    }
}

/// A number that grows with the score and, for equal scores, falls with the index. -0 becomes 0.
pub(super) fn key(score: f32, index: u32) -> u64 {
    let bits = (score + 0.0).to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(!index)
}

pub(super) fn item_of(key: u64) -> u32 {
    !(key as u32)
}

pub(super) fn score_of(key: u64) -> f32 {
    let ordered = (key >> 32) as u32;
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::screen::tests::{KINDS, MEASURES, kernels, rows};

    #[test]
    fn keys_order_scores_then_indices() {
        let ordered = [(2.5, 7), (0.0, 0), (-0.0, 1), (0.0, 2), (-1e-40, 0), (-3.0, 1)];
        assert!(ordered.windows(2).all(|pair| key(pair[0].0, pair[0].1) > key(pair[1].0, pair[1].1)));
        assert!(ordered.iter().all(|&(score, index)| score_of(key(score, index)) == score));
    }

    #[test]
    fn ties_by_ascending_index() {
        let queries = Matrix::new(vec![1.0, -1.0], 2, 1).unwrap();
        let items = Matrix::new(vec![0.0, 2.0, 1.0, 2.0, 1.0], 5, 1).unwrap();
        let top = top_k(queries.view(), items.view(), Measure::InnerProduct, 4).unwrap();
        assert_eq!(top.indices.as_slice(), [1, 3, 2, 4, 0, 2, 4, 1]);
        assert_eq!(top.scores.as_slice(), [2.0, 2.0, 1.0, 1.0, 0.0, -1.0, -1.0, -2.0]);
    }

    #[test]
    fn screening_changes_no_bit() {
        for kernel in kernels() {
            for (kind, measure) in KINDS.iter().flat_map(|kind| MEASURES.map(|measure| (kind, measure))) {
                for (width, k, threads) in [(5, 1, 1), (70, 10, 3), (64, 40, 2)] {
                    let (queries, items) = (rows(kind, 33, width, 7), rows(kind, 3000, width, 8));
                    let (queries, items) = (queries.view(), items.view());
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let mut go_on = |_, _| ControlFlow::Continue(());
                    let want = plain(kernel, &queries, &items, measure, k, &mut go_on).unwrap();
                    let centre = Centre::of(measure, &queries, &items);
                    let got = pool.install(|| {
                        let mut go_on = |_, _| ControlFlow::Continue(());
                        screened(kernel, &queries, &items, measure, k, (&centre, None), &mut go_on).unwrap()
                    });
                    assert_eq!(got.indices, want.indices, "{kind} {measure:?} {width}");
                    let bits = |top: &TopK| top.scores.as_slice().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(&got), bits(&want), "{kind} {measure:?} {width}");
                }
            }
        }
    }

    #[test]
    fn k_must_fit() {
        let items = Matrix::new(vec![0.0, 2.0], 2, 1).unwrap();
        for k in [0, 3] {
            let error = top_k(items.view(), items.view(), Measure::Cosine, k).unwrap_err();
            assert_eq!(error, SimilarityError::K { k, items: 2 });
        }
        let none = Matrix::<f32>::new(vec![], 0, 1).unwrap();
        assert_eq!(top_k(none.view(), items.view(), Measure::Cosine, 1).unwrap().indices.rows(), 0);
    }
}
