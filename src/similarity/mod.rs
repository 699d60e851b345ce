//! Exact similarities of two sets of embeddings, as a full matrix or as the best k per query.
//!
//! [`inner_product`], [`cosine`] and [`euclidean`] fill an N x M matrix; [`top_k`] streams over it tile by tile and never holds it. Larger
//! always means more alike. Both walk the same tiles with the same matrix product, so their scores agree in every bit, and tiles depend on
//! the shapes alone: results do not depend on the number of threads.

mod top_k;

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use crate::gemm::{Operand, Threads, gemm};
use crate::matrix::{Matrix, MatrixView};
pub use top_k::{TopK, top_k};

/// How two embeddings are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// `a · b`.
    InnerProduct,
    /// `a · b / (max(|a|, 1e-12) max(|b|, 1e-12))`: norms are clamped from below, as in PyTorch's `normalize`, so that a zero row has
    /// similarity 0 to everything.
    Cosine,
    /// `-|a - b|²`, never positive. Computed as `2 a·b - |a|² - |b|²`, so the absolute error is of the order of the rounding of `|a|²` and
    /// `|b|²`: rows that are very close to each other compared with their norms are not resolved.
    NegativeSquaredEuclidean,
}

/// Which of the two sets of embeddings is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first set.
    Queries,
    /// The second set.
    Items,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Queries => "queries",
            Self::Items => "items",
        })
    }
}

/// Why a similarity has no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SimilarityError {
    /// Embeddings of different sizes.
    #[error("queries have {queries} dimensions, items {items}")]
    Dimensions {
        /// Size of a query.
        queries: usize,
        /// Size of an item.
        items: usize,
    },
    /// An embedding holds NaN or an infinity.
    #[error("row {row} of the {side}, dimension {dimension} is {value}, not a finite number")]
    NonFinite {
        /// Set.
        side: Side,
        /// Row within the set.
        row: usize,
        /// Dimension.
        dimension: usize,
        /// The value found.
        value: f32,
    },
    /// Norms so large that a similarity could exceed f32.
    #[error("the largest norms, {queries:e} (queries) and {items:e} (items), may overflow a 32-bit similarity")]
    Overflow {
        /// Largest norm of a query.
        queries: f64,
        /// Largest norm of an item.
        items: f64,
    },
    /// `k` must be between 1 and the number of items.
    #[error("k is {k}: it must be between 1 and the number of items, {items}")]
    K {
        /// The value given.
        k: usize,
        /// Number of items.
        items: usize,
    },
    /// The matrix to fill has another shape than the result.
    #[error("the result is {}x{}, the matrix to fill {}x{}", .wanted.0, .wanted.1, .given.0, .given.1)]
    Result {
        /// Rows and columns of the result.
        wanted: (usize, usize),
        /// Rows and columns given.
        given: (usize, usize),
    },
    /// Too many items for 32-bit indices, or a result too large for memory to address.
    #[error("{queries} queries and {items} items are too many")]
    TooMany {
        /// Number of queries.
        queries: usize,
        /// Number of items.
        items: usize,
    },
}

/// Inner products of all pairs, [`Measure::InnerProduct`].
///
/// # Shapes
/// `queries`: N x D, `items`: M x D; result: N x M.
///
/// # Errors
/// [`SimilarityError`]: dimensions that differ, values that are not finite, norms that may overflow.
pub fn inner_product(queries: MatrixView<'_, f32>, items: MatrixView<'_, f32>) -> Result<Matrix<f32>, SimilarityError> {
    similarity(queries, items, Measure::InnerProduct)
}

/// Cosine similarities of all pairs, [`Measure::Cosine`]. Shapes and errors as [`inner_product`].
///
/// # Errors
/// As [`inner_product`].
pub fn cosine(queries: MatrixView<'_, f32>, items: MatrixView<'_, f32>) -> Result<Matrix<f32>, SimilarityError> {
    similarity(queries, items, Measure::Cosine)
}

/// Negative squared distances of all pairs, [`Measure::NegativeSquaredEuclidean`]. Shapes as [`inner_product`].
///
/// # Errors
/// As [`inner_product`].
pub fn euclidean(queries: MatrixView<'_, f32>, items: MatrixView<'_, f32>) -> Result<Matrix<f32>, SimilarityError> {
    similarity(queries, items, Measure::NegativeSquaredEuclidean)
}

/// Similarities of all pairs by a measure chosen at run time.
///
/// # Shapes
/// `queries`: N x D, `items`: M x D; result: N x M.
///
/// # Errors
/// As [`inner_product`].
pub fn similarity(
    queries: MatrixView<'_, f32>,
    items: MatrixView<'_, f32>,
    measure: Measure,
) -> Result<Matrix<f32>, SimilarityError> {
    let (rows, cols) = (queries.rows(), items.rows());
    let too_many = SimilarityError::TooMany { queries: rows, items: cols };
    let len = rows.checked_mul(cols).filter(|&len| len <= isize::MAX as usize / 4).ok_or(too_many.clone())?;
    let mut out = Matrix::new(vec![0.0; len], rows, cols).map_err(|_| too_many)?;
    similarity_into(queries, items, measure, &mut out)?;
    Ok(out)
}

/// [`similarity`] into an existing matrix, which saves allocating a large result again and again.
///
/// # Shapes
/// `queries`: N x D, `items`: M x D; `out`: N x M.
///
/// # Errors
/// As [`inner_product`], and [`SimilarityError::Result`] when `out` has another shape; `out` is then left as it was.
pub fn similarity_into(
    queries: MatrixView<'_, f32>,
    items: MatrixView<'_, f32>,
    measure: Measure,
    out: &mut Matrix<f32>,
) -> Result<(), SimilarityError> {
    let (rows, cols) = (queries.rows(), items.rows());
    if (out.rows(), out.cols()) != (rows, cols) {
        return Err(SimilarityError::Result { wanted: (rows, cols), given: (out.rows(), out.cols()) });
    }
    let operands = Operands::new(queries, items, measure)?;
    let height = query_tile(rows);
    out.as_mut_slice().par_chunks_mut((height * cols).max(1)).enumerate().for_each(|(tile, out)| {
        let span = tile * height..rows.min((tile + 1) * height);
        for start in (0..cols).step_by(ITEM_TILE) {
            operands.tile(span.clone(), start..cols.min(start + ITEM_TILE), &mut out[start..], cols);
        }
    });
    Ok(())
}

/// Items per tile.
const ITEM_TILE: usize = 1024;

/// Queries per tile: enough to repay packing the items (1024 measured 1.2 times as fast as 256), few enough for all threads to have work.
fn query_tile(queries: usize) -> usize {
    queries.div_ceil(16).clamp(16, 1024)
}

/// Two checked sets of embeddings, prepared such that a matrix product leads to the measure.
struct Operands<'a> {
    measure: Measure,
    width: usize,
    queries: Cow<'a, [f32]>,
    items: Cow<'a, [f32]>,
    /// Squared norms, for the distance only.
    query_squares: Vec<f32>,
    item_squares: Vec<f32>,
}

impl<'a> Operands<'a> {
    fn new(
        queries: MatrixView<'a, f32>,
        items: MatrixView<'a, f32>,
        measure: Measure,
    ) -> Result<Self, SimilarityError> {
        if queries.cols() != items.cols() {
            return Err(SimilarityError::Dimensions { queries: queries.cols(), items: items.cols() });
        }
        let (query_norms, item_norms) = (norms(queries, Side::Queries)?, norms(items, Side::Items)?);
        let largest = |norms: &[f64]| norms.iter().fold(0.0_f64, |m, &norm| m.max(norm));
        let (a, b) = (largest(&query_norms), largest(&item_norms));
        // By Cauchy and Schwarz no partial sum exceeds this; half the range leaves room for rounding.
        let bound = match measure {
            Measure::InnerProduct => a * b,
            Measure::Cosine => 1.0,
            Measure::NegativeSquaredEuclidean => (a + b) * (a + b),
        };
        if bound > f64::from(f32::MAX) / 2.0 {
            return Err(SimilarityError::Overflow { queries: a, items: b });
        }
        let prepare = |set: MatrixView<'a, f32>, norms: &[f64]| match measure {
            Measure::Cosine => Cow::Owned(normalise(set, norms)),
            _ => Cow::Borrowed(set.as_slice()),
        };
        let squares = |norms: &[f64]| match measure {
            Measure::NegativeSquaredEuclidean => norms.iter().map(|norm| (norm * norm) as f32).collect(),
            _ => Vec::new(),
        };
        Ok(Self {
            measure,
            width: queries.cols(),
            queries: prepare(queries, &query_norms),
            items: prepare(items, &item_norms),
            query_squares: squares(&query_norms),
            item_squares: squares(&item_norms),
        })
    }

    /// Similarities of some queries and some items, into rows `stride` apart.
    fn tile(&self, queries: Range<usize>, items: Range<usize>, out: &mut [f32], stride: usize) {
        let a = &self.queries[queries.start * self.width..queries.end * self.width];
        let b = &self.items[items.start * self.width..items.end * self.width];
        let (a, b) = (Operand::new(a, queries.len(), self.width), Operand::new(b, items.len(), self.width));
        gemm(a, b.t(), out, stride, false, Threads::One);
        if self.measure == Measure::NegativeSquaredEuclidean {
            let item_squares = &self.item_squares[items];
            for (row, query_square) in out.chunks_mut(stride).zip(&self.query_squares[queries]) {
                for (value, item_square) in row.iter_mut().zip(item_squares) {
                    *value = (2.0 * *value - (query_square + item_square)).min(0.0);
                }
            }
        }
    }
}

/// Euclidean norm of every row, in f64, where squares of f32 cannot overflow.
fn norms(set: MatrixView<'_, f32>, side: Side) -> Result<Vec<f64>, SimilarityError> {
    let norm = |row: usize| {
        // Independent lanes, so that the sum vectorises.
        let mut lanes = [0.0; 8];
        for chunk in set.row(row).chunks(lanes.len()) {
            lanes.iter_mut().zip(chunk).for_each(|(sum, &x)| *sum += f64::from(x) * f64::from(x));
        }
        lanes.iter().sum::<f64>().sqrt()
    };
    let norms: Vec<f64> = (0..set.rows()).into_par_iter().map(norm).collect();
    let Some(row) = norms.iter().position(|norm| !norm.is_finite()) else { return Ok(norms) };
    let (dimension, value) = set.row(row).iter().enumerate().find(|(_, x)| !x.is_finite()).unwrap_or((0, &f32::NAN));
    Err(SimilarityError::NonFinite { side, row, dimension, value: *value })
}

/// Rows divided by `max(norm, 1e-12)`.
fn normalise(set: MatrixView<'_, f32>, norms: &[f64]) -> Vec<f32> {
    let scaled = |row: usize| {
        let scale = 1.0 / norms[row].max(1e-12);
        set.row(row).iter().map(move |&x| (f64::from(x) * scale) as f32)
    };
    (0..set.rows()).flat_map(scaled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, values: &[f32]) -> Matrix<f32> {
        Matrix::new(values.to_vec(), rows, values.len() / rows).unwrap()
    }

    #[test]
    fn values_by_hand() {
        let (a, b) = (matrix(2, &[3.0, 4.0, 0.0, 0.0]), matrix(3, &[1.0, 0.0, 0.0, 2.0, 3.0, 4.0]));
        assert_eq!(inner_product(a.view(), b.view()).unwrap().as_slice(), [3.0, 8.0, 25.0, 0.0, 0.0, 0.0]);
        assert_eq!(euclidean(a.view(), b.view()).unwrap().as_slice(), [-20.0, -13.0, 0.0, -1.0, -4.0, -25.0]);
        let cosine = cosine(a.view(), b.view()).unwrap();
        for (got, want) in cosine.as_slice().iter().zip([0.6, 0.8, 1.0, 0.0, 0.0, 0.0]) {
            approx::assert_abs_diff_eq!(*got, want, epsilon = 1e-6);
        }
    }

    #[test]
    fn huge_and_tiny_rows_have_a_cosine() {
        let a = matrix(3, &[3e38, 3e38, 1e-30, 0.0, 1.0, 1.0]);
        let cosine = cosine(a.view(), a.view()).unwrap();
        approx::assert_abs_diff_eq!(cosine.row(0)[2], 1.0, epsilon = 1e-6);
        // The norm of row 1 is below 1e-12 and clamped.
        approx::assert_abs_diff_eq!(cosine.row(1)[1], 0.0, epsilon = 1e-30);
        assert!(matches!(inner_product(a.view(), a.view()), Err(SimilarityError::Overflow { .. })));
    }

    #[test]
    fn bad_input_is_named() {
        let (a, mut b) = (matrix(2, &[1.0; 4]), matrix(2, &[1.0; 4]));
        let narrow = matrix(4, &[1.0; 4]);
        let error = inner_product(a.view(), narrow.view()).unwrap_err();
        assert_eq!(error.to_string(), "queries have 2 dimensions, items 1");
        let error = similarity_into(a.view(), b.view(), Measure::Cosine, &mut matrix(1, &[0.0; 4])).unwrap_err();
        assert_eq!(error.to_string(), "the result is 2x2, the matrix to fill 1x4");
        b.row_mut(1)[0] = f32::NEG_INFINITY;
        let error = cosine(a.view(), b.view()).unwrap_err();
        assert_eq!(error.to_string(), "row 1 of the items, dimension 0 is -inf, not a finite number");
    }

    #[test]
    fn empty_shapes_are_legal() {
        let (none, some) = (Matrix::new(vec![], 0, 3).unwrap(), matrix(2, &[1.0; 6]));
        assert_eq!(inner_product(none.view(), some.view()).unwrap().cols(), 2);
        assert_eq!(inner_product(some.view(), none.view()).unwrap().rows(), 2);
        let flat = Matrix::new(vec![], 2, 0).unwrap();
        assert_eq!(euclidean(flat.view(), flat.view()).unwrap().as_slice(), [0.0; 4]);
    }
}
