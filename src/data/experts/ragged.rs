//! Matrices of one width in one buffer.

use crate::matrix::{MatrixView, ShapeError};

/// Matrices of one width but of different numbers of rows, one after the other in one buffer: no allocation per matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Ragged {
    width: usize,
    values: Vec<f32>,
    /// Row behind the last of each matrix.
    ends: Vec<usize>,
}

impl Ragged {
    /// No matrices yet.
    pub fn new(width: usize) -> Self {
        Self { width, values: vec![], ends: vec![] }
    }

    /// Columns of every matrix.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of matrices.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no matrices.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends a matrix, of 0 rows or more.
    ///
    /// # Errors
    /// [`ShapeError`] when its width is another; nothing is appended then.
    pub fn push(&mut self, matrix: MatrixView<'_, f32>) -> Result<(), ShapeError> {
        if matrix.cols() != self.width {
            return Err(ShapeError { rows: matrix.rows(), cols: self.width, len: matrix.as_slice().len() });
        }
        self.values.extend_from_slice(matrix.as_slice());
        self.ends.push(self.rows() + matrix.rows());
        Ok(())
    }

    /// Rows of all matrices together.
    pub fn rows(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Matrix `index`, `None` beyond the last.
    pub fn get(&self, index: usize) -> Option<MatrixView<'_, f32>> {
        let (start, end) = (self.start(index)?, *self.ends.get(index)?);
        MatrixView::new(self.values.get(start * self.width..end * self.width)?, end - start, self.width).ok()
    }

    fn start(&self, index: usize) -> Option<usize> {
        if index == 0 { Some(0) } else { self.ends.get(index - 1).copied() }
    }

    /// Keeps the matrices that `keep` wants, in place.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let (mut start, mut kept_rows, mut kept) = (0, 0, 0);
        for index in 0..self.ends.len() {
            let end = self.ends[index];
            if keep(index) {
                self.values.copy_within(start * self.width..end * self.width, kept_rows * self.width);
                kept_rows += end - start;
                self.ends[kept] = kept_rows;
                kept += 1;
            }
            start = end;
        }
        self.ends.truncate(kept);
        self.values.truncate(kept_rows * self.width);
        self.values.shrink_to_fit();
    }

    /// Joins neighbours: the new matrix `i` ends where the old matrix `ends[i] - 1` did. No value is moved.
    pub(super) fn join(&mut self, ends: &[usize]) {
        let end_row = |&end: &usize| if end == 0 { 0 } else { self.ends.get(end - 1).copied().unwrap_or(0) };
        self.ends = ends.iter().map(end_row).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ragged() -> Ragged {
        let mut ragged = Ragged::new(2);
        for (rows, values) in [(1, &[1., 2.][..]), (0, &[]), (2, &[3., 4., 5., 6.]), (1, &[7., 8.])] {
            ragged.push(MatrixView::new(values, rows, 2).unwrap()).unwrap();
        }
        ragged
    }

    fn lists(ragged: &Ragged) -> Vec<&[f32]> {
        (0..ragged.len()).map(|i| ragged.get(i).unwrap().as_slice()).collect()
    }

    #[test]
    fn matrices_come_back() {
        assert_eq!(lists(&ragged()), [&[1., 2.][..], &[], &[3., 4., 5., 6.], &[7., 8.]]);
        assert!(ragged().get(4).is_none() && Ragged::new(2).get(0).is_none());
        assert!(ragged().push(MatrixView::new(&[1.; 3], 1, 3).unwrap()).is_err());
    }

    #[test]
    fn some_are_kept() {
        let mut ragged = ragged();
        ragged.retain(|i| i != 0);
        assert_eq!(lists(&ragged), [&[][..], &[3., 4., 5., 6.], &[7., 8.]]);
    }

    #[test]
    fn neighbours_are_joined() {
        let mut ragged = ragged();
        ragged.join(&[0, 3, 3, 4]);
        assert_eq!(lists(&ragged), [&[][..], &[1., 2., 3., 4., 5., 6.], &[], &[7., 8.]]);
    }
}
