//! Where rows of embeddings come from: matrices of f32, f16 or bf16, memory-mapped files, or a type of your own.

use std::ops::Range;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::matrix::{Matrix, MatrixView};

/// Rows of embeddings, read block by block as f32.
///
/// Kernels pack blocks of rows for themselves, so a set may be larger than memory and needs no f32 copy of the whole.
pub trait Embeddings: Sync {
    /// Number of rows.
    fn rows(&self) -> usize;

    /// Dimensions of a row.
    fn cols(&self) -> usize;

    /// Some rows, one after the other: either borrowed, or written into `scratch` (whose old contents mean nothing) and borrowed from
    /// there. Called with ranges inside the rows, from several threads, possibly several times for the same row, which must then have the
    /// same values. The result must hold `rows.len() * self.cols()` values.
    fn block<'a>(&'a self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32];
}

impl<T: Embeddings> Embeddings for &T {
    fn rows(&self) -> usize {
        (**self).rows()
    }

    fn cols(&self) -> usize {
        (**self).cols()
    }

    fn block<'a>(&'a self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        (**self).block(rows, scratch)
    }
}

impl<E: Element> Embeddings for MatrixView<'_, E> {
    fn rows(&self) -> usize {
        MatrixView::rows(self)
    }

    fn cols(&self) -> usize {
        MatrixView::cols(self)
    }

    fn block<'a>(&'a self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        widened(self.as_slice(), MatrixView::cols(self), rows, scratch)
    }
}

impl<E: Element> Embeddings for Matrix<E> {
    fn rows(&self) -> usize {
        Matrix::rows(self)
    }

    fn cols(&self) -> usize {
        Matrix::cols(self)
    }

    fn block<'a>(&'a self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        widened(self.as_slice(), Matrix::cols(self), rows, scratch)
    }
}

/// Rows of a matrix of this width.
fn widened<'a, E: Element>(values: &'a [E], width: usize, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32] {
    E::widen(&values[rows.start * width..rows.end * width], scratch)
}

/// Some rows of a set.
pub(super) struct Chosen<'a, E> {
    pub(super) set: &'a E,
    pub(super) rows: Vec<u32>,
}

impl<E: Embeddings> Embeddings for Chosen<'_, E> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn cols(&self) -> usize {
        self.set.cols()
    }

    fn block<'a>(&'a self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        scratch.clear();
        let mut row = Vec::new();
        for &i in &self.rows[rows] {
            scratch.extend_from_slice(self.set.block(i as usize..i as usize + 1, &mut row));
        }
        scratch
    }
}

/// A number that embeddings may be stored in: f32, f16 or bf16. Similarities are computed in f32 whatever the storage. Sealed.
pub trait Element: Copy + Send + Sync + private::Sealed {
    /// The values as f32, borrowed where they are f32 already.
    fn widen<'a>(values: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32];
}

impl Element for f32 {
    fn widen<'a>(values: &'a [Self], _: &'a mut Vec<f32>) -> &'a [f32] {
        values
    }
}

impl Element for f16 {
    fn widen<'a>(values: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32] {
        widen_half(values, scratch)
    }
}

impl Element for bf16 {
    fn widen<'a>(values: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32] {
        widen_half(values, scratch)
    }
}

fn widen_half<'a, T>(values: &[T], scratch: &'a mut Vec<f32>) -> &'a [f32]
where
    [T]: HalfFloatSliceExt,
{
    scratch.resize(values.len(), 0.0);
    values.convert_to_f32_slice(scratch);
    scratch
}

mod private {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::f16 {}
    impl Sealed for half::bf16 {}
}
