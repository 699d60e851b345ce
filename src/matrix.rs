//! Row-major matrices: the plain currency between readers, similarity kernels and metrics.
//!
//! Nothing here knows a tensor library, so that any framework's numbers can be evaluated.

/// A buffer whose length does not equal `rows * cols`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {rows} x {cols} matrix wants {} values, got {len}", .rows.saturating_mul(*.cols))]
pub struct ShapeError {
    /// Rows asked for.
    pub rows: usize,
    /// Columns asked for.
    pub cols: usize,
    /// Values given.
    pub len: usize,
}

/// An owned row-major matrix.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix<T> {
    data: Vec<T>,
    rows: usize,
    cols: usize,
}

/// A borrowed row-major matrix.
#[derive(Debug, PartialEq)]
pub struct MatrixView<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
}

impl<T> Clone for MatrixView<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for MatrixView<'_, T> {}

fn check(rows: usize, cols: usize, len: usize) -> Result<(), ShapeError> {
    if rows.checked_mul(cols) == Some(len) { Ok(()) } else { Err(ShapeError { rows, cols, len }) }
}

impl<T> Matrix<T> {
    /// Takes ownership of `rows * cols` values in row-major order.
    ///
    /// # Errors
    /// [`ShapeError`] when the length of `data` is not `rows * cols`.
    pub fn new(data: Vec<T>, rows: usize, cols: usize) -> Result<Self, ShapeError> {
        check(rows, cols, data.len())?;
        Ok(Self { data, rows, cols })
    }

    /// Builds a matrix from a function of row and column.
    pub fn from_fn(rows: usize, cols: usize, mut f: impl FnMut(usize, usize) -> T) -> Self {
        let filled = if cols == 0 { 0 } else { rows };
        let data = (0..filled).flat_map(|i| (0..cols).map(move |j| (i, j))).map(|(i, j)| f(i, j)).collect();
        Self { data, rows, cols }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[T] {
        &self.data[i * self.cols..][..self.cols]
    }

    /// Row `i`, mutable.
    pub fn row_mut(&mut self, i: usize) -> &mut [T] {
        &mut self.data[i * self.cols..][..self.cols]
    }

    /// All values in row-major order.
    pub fn as_slice(&self) -> &[T] {
        &self.data
    }

    /// All values in row-major order, mutable.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// Gives the values back.
    pub fn into_vec(self) -> Vec<T> {
        self.data
    }

    /// A borrowed view of the whole matrix.
    pub fn view(&self) -> MatrixView<'_, T> {
        MatrixView { data: &self.data, rows: self.rows, cols: self.cols }
    }
}

impl<'a, T> MatrixView<'a, T> {
    /// Borrows `rows * cols` values in row-major order.
    ///
    /// # Errors
    /// [`ShapeError`] when the length of `data` is not `rows * cols`.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Result<Self, ShapeError> {
        check(rows, cols, data.len())?;
        Ok(Self { data, rows, cols })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &'a [T] {
        &self.data[i * self.cols..][..self.cols]
    }

    /// All values in row-major order.
    pub fn as_slice(&self) -> &'a [T] {
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_length_is_named() {
        let error = Matrix::new(vec![0.0; 5], 2, 3).unwrap_err();
        assert_eq!(error.to_string(), "a 2 x 3 matrix wants 6 values, got 5");
        assert!(MatrixView::<f32>::new(&[], usize::MAX, 2).is_err());
    }

    #[test]
    fn rows_are_contiguous() {
        let m = Matrix::from_fn(2, 3, |i, j| 10 * i + j);
        assert_eq!(m.row(1), [10, 11, 12]);
        assert_eq!(m.view().row(0), [0, 1, 2]);
    }
}
