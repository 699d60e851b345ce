use std::ops::Deref;

use crate::matrix::Matrix;

/// A value that is NaN or infinite where none may be.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("row {row}, column {column} is {value}")]
pub struct NotFinite {
    /// Its row.
    pub row: usize,
    /// Its column.
    pub column: usize,
    /// The value.
    pub value: f32,
}

/// A matrix whose values were found to be finite: features are looked through once, where they are made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FiniteMatrix(Matrix<f32>);

impl FiniteMatrix {
    /// Looks through the values.
    ///
    /// # Errors
    /// [`NotFinite`], the first one.
    pub fn new(matrix: Matrix<f32>) -> Result<Self, NotFinite> {
        match matrix.as_slice().iter().position(|value| !value.is_finite()) {
            None => Ok(Self(matrix)),
            Some(at) => {
                let (row, column) = (at / matrix.cols(), at % matrix.cols());
                Err(NotFinite { row, column, value: matrix.as_slice()[at] })
            }
        }
    }

    /// The matrix, to be changed.
    pub fn into_matrix(self) -> Matrix<f32> {
        self.0
    }
}

impl Deref for FiniteMatrix {
    type Target = Matrix<f32>;

    fn deref(&self) -> &Matrix<f32> {
        &self.0
    }
}

impl TryFrom<Matrix<f32>> for FiniteMatrix {
    type Error = NotFinite;

    fn try_from(matrix: Matrix<f32>) -> Result<Self, NotFinite> {
        Self::new(matrix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_finite_is_named() {
        let matrix = |value| Matrix::new(vec![1.0, 2.0, 3.0, value], 2, 2).unwrap();
        assert_eq!(*FiniteMatrix::new(matrix(4.0)).unwrap(), matrix(4.0));
        assert_eq!(FiniteMatrix::new(matrix(f32::NAN)).unwrap_err().to_string(), "row 1, column 1 is NaN");
        let infinite = FiniteMatrix::new(matrix(f32::NEG_INFINITY)).unwrap_err();
        assert_eq!(infinite, NotFinite { row: 1, column: 1, value: f32::NEG_INFINITY });
        assert!(FiniteMatrix::new(Matrix::default()).is_ok());
    }
}
