//! Exact similarities of two sets of embeddings: as a full matrix, as the best k per query, as the standings of known positives, or
//! between sets of frames.
//!
//! | function | result | memory beyond it |
//! |---|---|---|
//! | [`inner_product`], [`cosine`], [`euclidean`], [`similarity()`] | N x M matrix | packed queries, one block of items |
//! | [`top_k`] | best k items of every query | the same |
//! | [`standings()`] | ranks of positives, both directions | the same, counts |
//! | [`chamfer`], [`symmetric_chamfer`] | N x M matrix over sets of frames | the same |
//! | [`TemporalNetwork`] | one pair of videos, the order of frames counts | the links |
//! | [`Gallery`] | items prepared for many searches | a copy in 8 bits, in memory or mapped |
//!
//! Larger always means more alike. Embeddings are rows of f32, f16 or bf16 ([`Element`]), in memory or mapped from a file
//! ([`MappedEmbeddings`]), or any type with [`Embeddings`]; sums are taken in f32, in the order of the dimensions. The packed queries take 4
//! bytes per dimension and query, a block of items 4 MiB for each thread (at most 64 MiB): galleries of items may be larger than memory.
//!
//! With the feature `cuda`, module `cuda` has top-k and chamfer similarity for NVIDIA GPUs.
//!
//! Where the processor multiplies 8-bit integers faster than floats (VNNI of x86-64), the best k, standings and chamfer similarities come from
//! integer products that bound all scores and from the few scores that these leave open (module `screen`): with the same results in every
//! bit. A query takes a quarter of its bytes more then, and up to 48 KiB of candidates; items that stay open are read again.
//!
//! A score depends on its two rows and the processor's instructions alone. So all functions agree on it in every bit, and results do not
//! depend on the number of threads.

mod alignment;
mod chamfer;
#[cfg(feature = "cuda")]
pub mod cuda;
mod embeddings;
mod error;
mod exact;
mod gallery;
mod kernel;
mod mapped;
mod panels;
mod published;
mod rows;
mod screen;
mod standings;
mod top_k;
mod walk;

use std::ops::ControlFlow;

use crate::matrix::Matrix;
pub use alignment::{TemporalNetwork, dp_as_published};
pub use chamfer::{FrameSets, chamfer, symmetric_chamfer};
pub use embeddings::{Element, Embeddings};
pub use error::{LargestNorm, Side, SimilarityError};
use exact::Exact;
pub use gallery::{Gallery, GalleryError};
use kernel::Kernel;
pub use mapped::{MapError, MappedEmbeddings, Precision};
pub use published::{cosine_as_published, euclidean_per_item};
pub use standings::standings;
pub use top_k::{TopK, top_k, top_k_with_progress};

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

impl Measure {
    /// Fails when a similarity of rows with these norms may leave the range of f32.
    fn check(self, query: LargestNorm, item: LargestNorm) -> Result<(), SimilarityError> {
        let (queries, items) = (query.norm, item.norm);
        // By Cauchy and Schwarz no partial sum exceeds this; half the range leaves room for rounding.
        let bound = match self {
            Self::InnerProduct => queries * items,
            Self::Cosine => 1.0,
            Self::NegativeSquaredEuclidean => (queries + items) * (queries + items),
        };
        if bound > f64::from(f32::MAX) / 2.0 { Err(SimilarityError::Overflow { query, item }) } else { Ok(()) }
    }

    /// The score of two rows from their product and, of distances, their squared norms.
    fn score(self, product: f32, query_square: f32, item_square: f32) -> f32 {
        if self == Self::NegativeSquaredEuclidean {
            (2.0 * product - (query_square + item_square)).min(self.ceiling())
        } else {
            product
        }
    }

    /// No score is larger.
    fn ceiling(self) -> f32 {
        if self == Self::NegativeSquaredEuclidean { 0.0 } else { f32::INFINITY }
    }

    /// By what rows with this norm are scaled before products are taken, where they are.
    fn scale(self, norm: f64) -> Option<Scale> {
        (self == Self::Cosine).then(|| Scale(1.0 / norm.max(1e-12)))
    }
}

/// A factor of a row.
#[derive(Clone, Copy)]
struct Scale(f64);

impl Scale {
    fn of(self, x: f32) -> f32 {
        (f64::from(x) * self.0) as f32
    }
}

/// Inner products of all pairs, [`Measure::InnerProduct`].
///
/// # Shapes
/// `queries`: N x D, `items`: M x D; result: N x M.
///
/// # Errors
/// [`SimilarityError`]: dimensions that differ, values that are not finite, norms that may overflow.
pub fn inner_product(queries: impl Embeddings, items: impl Embeddings) -> Result<Matrix<f32>, SimilarityError> {
    similarity(queries, items, Measure::InnerProduct)
}

/// Cosine similarities of all pairs, [`Measure::Cosine`]. Shapes and errors as [`inner_product`].
///
/// # Errors
/// As [`inner_product`].
pub fn cosine(queries: impl Embeddings, items: impl Embeddings) -> Result<Matrix<f32>, SimilarityError> {
    similarity(queries, items, Measure::Cosine)
}

/// Negative squared distances of all pairs, [`Measure::NegativeSquaredEuclidean`]. Shapes as [`inner_product`].
///
/// # Errors
/// As [`inner_product`].
pub fn euclidean(queries: impl Embeddings, items: impl Embeddings) -> Result<Matrix<f32>, SimilarityError> {
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
    queries: impl Embeddings,
    items: impl Embeddings,
    measure: Measure,
) -> Result<Matrix<f32>, SimilarityError> {
    let (rows, cols) = (queries.rows(), items.rows());
    let mut out = zeros(rows, cols)?;
    similarity_into(queries, items, measure, &mut out)?;
    Ok(out)
}

/// The number of values of a matrix that there is memory for. Asking for memory that is zero already (`vec![0; n]`) aborts where there is
/// none, so it is asked for once before.
fn room<T>(rows: usize, cols: usize) -> Option<usize> {
    let len = rows.checked_mul(cols)?;
    Vec::<T>::new().try_reserve_exact(len).ok().map(|()| len)
}

/// A result to be filled.
fn zeros(queries: usize, items: usize) -> Result<Matrix<f32>, SimilarityError> {
    let too_many = || SimilarityError::TooMany { queries, items };
    let len = room::<f32>(queries, items).ok_or_else(too_many)?;
    Matrix::new(vec![0.0; len], queries, items).map_err(|_| too_many())
}

/// [`similarity`] into an existing matrix, which saves allocating a large result again and again.
///
/// # Shapes
/// `queries`: N x D, `items`: M x D; `out`: N x M.
///
/// # Errors
/// As [`inner_product`], and [`SimilarityError::Result`] when `out` has another shape. After an error the contents of `out` are
/// unspecified.
pub fn similarity_into(
    queries: impl Embeddings,
    items: impl Embeddings,
    measure: Measure,
    out: &mut Matrix<f32>,
) -> Result<(), SimilarityError> {
    let (rows, cols) = (queries.rows(), items.rows());
    if (out.rows(), out.cols()) != (rows, cols) {
        return Err(SimilarityError::Result { wanted: (rows, cols), given: (out.rows(), out.cols()) });
    }
    let walk = Exact::walk(Kernel::best(), &queries, &items, measure)?;
    let mut blocks: Vec<_> = out.as_mut_slice().chunks_mut((walk.height() * cols).max(1)).collect();
    walk.blocks(
        &items,
        0..cols,
        1,
        &mut blocks,
        |out, block| {
            for (i, row) in block.iter() {
                out[i * cols..][block.columns.clone()].copy_from_slice(row);
            }
        },
        &mut |_, _, _| ControlFlow::Continue(()),
    )
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
        let error = inner_product(a.view(), matrix(2, &[1.0, 1.0, 3e38, 0.0]).view()).unwrap_err().to_string();
        let named = "row 0 of the queries with a norm of 4.24264";
        assert!(error.starts_with(named) && error.contains(" and row 1 of the items with a norm of 3.0000"), "{error}");
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
    fn more_than_there_is_room_for_is_refused() {
        struct Absurd(usize, usize);
        impl Embeddings for Absurd {
            fn rows(&self) -> usize {
                self.0
            }

            fn cols(&self) -> usize {
                self.1
            }

            fn block<'a>(&'a self, _: std::ops::Range<usize>, _: &'a mut Vec<f32>) -> &'a [f32] {
                unreachable!("nothing is read")
            }
        }
        let none = Matrix::<f32>::new(vec![], usize::MAX, 0).unwrap();
        let few = Matrix::<f32>::new(vec![], 0, 0).unwrap();
        assert!(matches!(inner_product(none.view(), few.view()), Err(SimilarityError::TooMany { .. })));
        assert!(matches!(inner_product(few.view(), none.view()), Err(SimilarityError::TooMany { .. })));
        assert!(matches!(top_k(none.view(), none.view(), Measure::Cosine, 1), Err(SimilarityError::TooMany { .. })));
        let wide = |rows| Absurd(rows, usize::MAX);
        for rows in [1, 2, 4_000_000_000] {
            let error = top_k(wide(rows), wide(1), Measure::Cosine, 1).unwrap_err();
            assert!(matches!(error, SimilarityError::Memory { .. } | SimilarityError::TooMany { .. }), "{error}");
        }
        let error = inner_product(wide(1), wide(1)).unwrap_err().to_string();
        assert_eq!(error, "1 rows of 18446744073709551615 dimensions, of the queries, do not fit into memory");
        assert_eq!(Matrix::from_fn(usize::MAX, 0, |_, _| 0).as_slice(), [0; 0], "and at once");
    }

    #[test]
    fn empty_shapes_are_legal() {
        let (none, some) = (Matrix::<f32>::new(vec![], 0, 3).unwrap(), matrix(2, &[1.0; 6]));
        assert_eq!(inner_product(none.view(), some.view()).unwrap().cols(), 2);
        assert_eq!(inner_product(some.view(), none.view()).unwrap().rows(), 2);
        let flat = Matrix::<f32>::new(vec![], 2, 0).unwrap();
        assert_eq!(euclidean(flat.view(), flat.view()).unwrap().as_slice(), [0.0; 4]);
    }
}
