//! Relevance matrices in compressed sparse rows.

use std::borrow::Cow;

use crate::matrix::{Matrix, MatrixView};

/// Numbers that are no relevance matrix.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RelevanceError {
    /// Row offsets that do not partition the values.
    #[error("row offsets must rise from 0 to the number of values; offset {index} does not")]
    Offsets {
        /// Position in the offsets.
        index: usize,
    },
    /// As many columns as values are needed.
    #[error("{columns} column numbers for {values} values")]
    Lengths {
        /// Number of column numbers.
        columns: usize,
        /// Number of values.
        values: usize,
    },
    /// A column number out of range, or not larger than the one before it.
    #[error("row {row}: column {column} is out of range, out of order or repeated")]
    Column {
        /// Row.
        row: usize,
        /// Column.
        column: usize,
    },
    /// A relevance that is negative or not finite.
    #[error("relevance at row {row}, column {column} is {value}: it must be finite and not negative")]
    Value {
        /// Row.
        row: usize,
        /// Column.
        column: usize,
        /// The value found.
        value: f64,
    },
    /// More rows or columns than 32-bit numbers can name.
    #[error("{size} items on one side: at most 2^32 - 1 are supported")]
    TooLarge {
        /// Rows or columns.
        size: usize,
    },
}

/// A relevance matrix that stores only its non-zero entries, row by row.
///
/// Entries of a row are in ascending column order; every stored value is finite and positive.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseRelevance {
    offsets: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
    cols: usize,
}

impl SparseRelevance {
    /// Checks and takes compressed sparse rows: row `i` holds `values[offsets[i]..offsets[i + 1]]` at the same range of `columns`. Zeros
    /// are dropped.
    ///
    /// # Errors
    /// [`RelevanceError`], naming the first entry that does not fit.
    pub fn new(cols: usize, offsets: Vec<usize>, columns: Vec<u32>, values: Vec<f64>) -> Result<Self, RelevanceError> {
        if columns.len() != values.len() {
            return Err(RelevanceError::Lengths { columns: columns.len(), values: values.len() });
        }
        if offsets.first() != Some(&0) {
            return Err(RelevanceError::Offsets { index: 0 });
        }
        if let Some(index) = (1..offsets.len()).find(|&i| offsets[i] < offsets[i - 1] || offsets[i] > values.len()) {
            return Err(RelevanceError::Offsets { index });
        }
        if offsets.last() != Some(&values.len()) {
            return Err(RelevanceError::Offsets { index: offsets.len() - 1 });
        }
        let mut builder = Builder::new(offsets.len() - 1, cols)?;
        for (row, span) in offsets.windows(2).enumerate() {
            let mut next = 0;
            for (&column, &value) in columns[span[0]..span[1]].iter().zip(&values[span[0]..span[1]]) {
                let column = column as usize;
                if column < next || column >= cols {
                    return Err(RelevanceError::Column { row, column });
                }
                next = column + 1;
                builder.push(row, column, value)?;
            }
            builder.end_row();
        }
        Ok(builder.finish())
    }

    /// The non-zero entries of a dense matrix.
    ///
    /// # Errors
    /// [`RelevanceError::Value`] for the first entry that is negative or not finite.
    pub fn from_dense(dense: MatrixView<'_, f64>) -> Result<Self, RelevanceError> {
        let mut builder = Builder::new(dense.rows(), dense.cols())?;
        for row in 0..dense.rows() {
            for (column, &value) in dense.row(row).iter().enumerate() {
                builder.push(row, column, value)?;
            }
            builder.end_row();
        }
        Ok(builder.finish())
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Number of stored (non-zero) entries.
    pub fn non_zeros(&self) -> usize {
        self.values.len()
    }

    /// Columns and values of the non-zero entries of row `i`, in ascending column order.
    pub fn row(&self, i: usize) -> (&[u32], &[f64]) {
        let span = self.offsets[i]..self.offsets[i + 1];
        (&self.columns[span.clone()], &self.values[span])
    }

    /// All non-zero values, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The same entries with rows and columns exchanged: the other direction of retrieval.
    pub fn transpose(&self) -> Self {
        let mut offsets = vec![0; self.cols + 1];
        for &column in &self.columns {
            offsets[column as usize + 1] += 1;
        }
        for i in 0..self.cols {
            offsets[i + 1] += offsets[i];
        }
        let mut next = offsets.clone();
        let mut columns = vec![0; self.columns.len()];
        let mut values = vec![0.0; self.values.len()];
        for row in 0..self.rows() {
            let (row_columns, row_values) = self.row(row);
            for (&column, &value) in row_columns.iter().zip(row_values) {
                let slot = &mut next[column as usize];
                columns[*slot] = row as u32;
                values[*slot] = value;
                *slot += 1;
            }
        }
        Self { offsets, columns, values, cols: self.rows() }
    }

    /// The full matrix.
    pub fn to_dense(&self) -> Matrix<f64> {
        let mut dense = Matrix::from_fn(self.rows(), self.cols, |_, _| 0.0);
        for i in 0..self.rows() {
            let (columns, values) = self.row(i);
            let row = dense.row_mut(i);
            for (&column, &value) in columns.iter().zip(values) {
                row[column as usize] = value;
            }
        }
        dense
    }
}

/// Appends entries row by row.
pub(super) struct Builder(SparseRelevance);

impl Builder {
    pub(super) fn new(rows: usize, cols: usize) -> Result<Self, RelevanceError> {
        if let Some(&size) = [rows, cols].iter().find(|&&size| u32::try_from(size).is_err()) {
            return Err(RelevanceError::TooLarge { size });
        }
        Ok(Self(SparseRelevance { offsets: vec![0], columns: Vec::new(), values: Vec::new(), cols }))
    }

    pub(super) fn push(&mut self, row: usize, column: usize, value: f64) -> Result<(), RelevanceError> {
        if !(value.is_finite() && value >= 0.0) {
            return Err(RelevanceError::Value { row, column, value });
        }
        if value > 0.0 {
            self.0.columns.push(column as u32);
            self.0.values.push(value);
        }
        Ok(())
    }

    pub(super) fn end_row(&mut self) {
        self.0.offsets.push(self.0.values.len());
    }

    pub(super) fn finish(self) -> SparseRelevance {
        self.0
    }
}

/// Anything that holds the relevance of every column to every row: a dense matrix of f64 or a [`SparseRelevance`].
pub trait Relevance {
    /// The non-zero entries; a dense matrix is read once and its non-zero entries copied.
    ///
    /// # Errors
    /// [`RelevanceError::Value`] for an entry that is negative or not finite.
    fn sparse(&self) -> Result<Cow<'_, SparseRelevance>, RelevanceError>;
}

impl Relevance for SparseRelevance {
    fn sparse(&self) -> Result<Cow<'_, SparseRelevance>, RelevanceError> {
        Ok(Cow::Borrowed(self))
    }
}

impl Relevance for MatrixView<'_, f64> {
    fn sparse(&self) -> Result<Cow<'_, SparseRelevance>, RelevanceError> {
        SparseRelevance::from_dense(*self).map(Cow::Owned)
    }
}

impl Relevance for Matrix<f64> {
    fn sparse(&self) -> Result<Cow<'_, SparseRelevance>, RelevanceError> {
        SparseRelevance::from_dense(self.view()).map(Cow::Owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> SparseRelevance {
        SparseRelevance::new(3, vec![0, 2, 2, 3], vec![0, 2, 1], vec![1.0, 0.5, 0.25]).unwrap()
    }

    #[test]
    fn dense_and_transposed_forms() {
        let dense = Matrix::new(vec![1.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.25, 0.0], 3, 3).unwrap();
        assert_eq!(example().to_dense(), dense);
        assert_eq!(SparseRelevance::from_dense(dense.view()).unwrap(), example());
        assert_eq!(example().transpose().row(2), (&[0][..], &[0.5][..]));
        assert_eq!(example().transpose().transpose(), example());
        assert_eq!((example().rows(), example().cols(), example().non_zeros()), (3, 3, 3));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let build = |offsets: &[usize], columns: &[u32], value: f64| {
            SparseRelevance::new(2, offsets.to_vec(), columns.to_vec(), vec![value; columns.len()])
        };
        assert_eq!(build(&[0, 2], &[0, 0], 1.0), Err(RelevanceError::Column { row: 0, column: 0 }));
        assert_eq!(build(&[0, 1], &[2], 1.0), Err(RelevanceError::Column { row: 0, column: 2 }));
        assert_eq!(build(&[0, 1], &[1], -1.0), Err(RelevanceError::Value { row: 0, column: 1, value: -1.0 }));
        assert!(matches!(build(&[0, 1], &[1], f64::NAN), Err(RelevanceError::Value { .. })));
        assert_eq!(build(&[], &[], 1.0), Err(RelevanceError::Offsets { index: 0 }));
        assert_eq!(build(&[0, 2, 1], &[0], 1.0), Err(RelevanceError::Offsets { index: 1 }));
        assert_eq!(build(&[0], &[0], 1.0), Err(RelevanceError::Offsets { index: 0 }));
        assert_eq!(build(&[0, 1], &[1], 0.0).unwrap().non_zeros(), 0);
        let lengths = SparseRelevance::new(2, vec![0, 1], vec![0], vec![]);
        assert_eq!(lengths, Err(RelevanceError::Lengths { columns: 1, values: 0 }));
    }
}
