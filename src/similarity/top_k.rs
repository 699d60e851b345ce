//! The best k items per query, without the full matrix.

use rayon::prelude::*;

use super::{ITEM_TILE, Measure, Operands, SimilarityError, query_tile};
use crate::matrix::{Matrix, MatrixView};

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
/// Exact: the same as sorting every row of [`similarity`](super::similarity()) and taking the head, in every bit. Memory beyond the result is
/// one tile of scores and about 2k candidates per query of a tile, per thread. For `k` near the number of items sorting the full matrix is
/// faster.
///
/// # Shapes
/// `queries`: N x D, `items`: M x D; results: N x k.
///
/// # Errors
/// [`SimilarityError`]: `k` is 0 or exceeds M, dimensions that differ, values that are not finite, norms that may overflow, too many items.
pub fn top_k(
    queries: MatrixView<'_, f32>,
    items: MatrixView<'_, f32>,
    measure: Measure,
    k: usize,
) -> Result<TopK, SimilarityError> {
    let (rows, cols) = (queries.rows(), items.rows());
    if k == 0 || k > cols {
        return Err(SimilarityError::K { k, items: cols });
    }
    let too_many = || SimilarityError::TooMany { queries: rows, items: cols };
    if u32::try_from(cols).is_err() {
        return Err(too_many());
    }
    let operands = Operands::new(queries, items, measure)?;
    let len = rows.checked_mul(k).filter(|&len| len <= isize::MAX as usize / 4).ok_or_else(too_many)?;
    let (mut indices, mut scores) = (vec![0; len], vec![0.0; len]);
    let height = query_tile(rows);
    let out = indices.par_chunks_mut(height * k).zip(scores.par_chunks_mut(height * k));
    out.enumerate().for_each(|(tile, (indices, scores))| {
        let span = tile * height..rows.min((tile + 1) * height);
        let mut best: Vec<Best> = span.clone().map(|_| Best::new(k)).collect();
        let mut buffer = vec![0.0; span.len() * ITEM_TILE.min(cols)];
        for start in (0..cols).step_by(ITEM_TILE) {
            let chosen = start..cols.min(start + ITEM_TILE);
            operands.tile(span.clone(), chosen.clone(), &mut buffer, chosen.len());
            for (best, row) in best.iter_mut().zip(buffer.chunks(chosen.len())) {
                best.offer(row, start);
            }
        }
        let rows = indices.chunks_mut(k).zip(scores.chunks_mut(k));
        for (best, (indices, scores)) in best.into_iter().zip(rows) {
            best.write(indices, scores);
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

    fn write(mut self, indices: &mut [u32], scores: &mut [f32]) {
        self.keys.sort_unstable_by(|a, b| b.cmp(a));
        for (key, (index, score)) in self.keys.iter().zip(indices.iter_mut().zip(scores)) {
            (*index, *score) = (!(*key as u32), score_of(*key));
        }
    }
}

/// A number that grows with the score and, for equal scores, falls with the index. -0 becomes 0.
fn key(score: f32, index: u32) -> u64 {
    let bits = (score + 0.0).to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(!index)
}

fn score_of(key: u64) -> f32 {
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
        let none = Matrix::new(vec![], 0, 1).unwrap();
        assert_eq!(top_k(none.view(), items.view(), Measure::Cosine, 1).unwrap().indices.rows(), 0);
    }
}
