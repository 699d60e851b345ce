//! The best k items per query, without the full matrix.

use std::ops::ControlFlow;

use rayon::prelude::*;

use super::walk::Scores;
use super::{Embeddings, Measure, SimilarityError, room};
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
/// Exact: the same as sorting every row of [`similarity`](super::similarity()) and taking the head, in every bit. The items are read once, in
/// blocks, and may be larger than memory: beyond the result there are the packed queries, a block of packed items and about 2k candidates
/// per query ([module](super)). For `k` near the number of items sorting the full matrix is faster.
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

/// [`top_k`] that calls `progress(done, total)` after every block of items and stops when it breaks.
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
    let (rows, cols) = (queries.rows(), items.rows());
    if k == 0 || k > cols {
        return Err(SimilarityError::K { k, items: cols });
    }
    let too_many = || SimilarityError::TooMany { queries: rows, items: cols };
    // An index and a score.
    let len = room::<(u32, f32)>(rows, k).ok_or_else(too_many)?;
    let scores = Scores::new(&queries, &items, measure)?;
    let (height, splits) = (scores.height(), scores.splits());
    let heights = (0..rows).step_by(height).map(|start| height.min(rows - start));
    let new = |height| (0..height).map(|_| Best::new(k)).collect::<Vec<_>>();
    let mut tasks: Vec<_> = heights.flat_map(|height| (0..splits).map(move |_| new(height))).collect();
    scores.walk(
        splits,
        &mut tasks,
        |best, block| block.iter().for_each(|(i, scores)| best[i].offer(scores, block.columns.start)),
        &mut progress,
    )?;

    let (mut indices, mut scores) = (vec![0; len], vec![0.0; len]);
    let out = indices.par_chunks_mut(height * k).zip(scores.par_chunks_mut(height * k));
    out.zip(tasks.par_chunks_mut(splits)).for_each(|((indices, scores), parts)| {
        for (i, (indices, scores)) in indices.chunks_mut(k).zip(scores.chunks_mut(k)).enumerate() {
            let keys = parts.iter_mut().flat_map(|part| std::mem::take(&mut part[i].keys)).collect();
            write(keys, indices, scores);
        }
    });
    let matrix_error = |_| too_many();
    Ok(TopK {
        indices: Matrix::new(indices, rows, k).map_err(matrix_error)?,
        scores: Matrix::new(scores, rows, k).map_err(matrix_error)?,
    })
}

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
fn key(score: f32, index: u32) -> u64 {
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
