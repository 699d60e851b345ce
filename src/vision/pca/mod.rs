mod file;
mod fit;

use std::path::PathBuf;

use super::norm::normalise;
use crate::formats::ndarray::ArrayError;
use crate::formats::npy::NpyError;
use crate::gemm::{Operand, Threads, product};
use crate::matrix::{Matrix, MatrixView, ShapeError};

/// Why there is no principal component analysis, or it does not fit.
#[derive(Debug, thiserror::Error)]
pub enum PcaError {
    /// Fewer points, or dimensions, than components that are asked for.
    #[error("{components} components of {points} points of {width} dimensions: too few for a covariance of that rank")]
    TooFew {
        /// Components asked for.
        components: usize,
        /// Points.
        points: usize,
        /// Dimensions of a point.
        width: usize,
    },
    /// More components than there are, or none.
    #[error("{wanted} components are asked for, there are {there}")]
    Components {
        /// Asked for.
        wanted: usize,
        /// There.
        there: usize,
    },
    /// Points of another width.
    #[error("points have {got} dimensions, the components {expected}")]
    Width {
        /// Of the components.
        expected: usize,
        /// Of the points.
        got: usize,
    },
    /// A value that is NaN or infinite.
    #[error("value {column} of point {row} is not finite")]
    NotFinite {
        /// The point, counted from 0.
        row: usize,
        /// The dimension, counted from 0.
        column: usize,
    },
    /// There is no memory for a matrix.
    #[error("a {rows} x {columns} matrix takes more memory than can be had")]
    Memory {
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// The algorithm for eigenvalues did not end.
    #[error("the eigenvalues do not converge")]
    NoConvergence,
    /// Parts of different sizes.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// No acceptable `.npz` file.
    #[error(transparent)]
    Npz(#[from] NpyError),
    /// An array of the file is missing.
    #[error("{}: no array {name:?}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The array.
        name: &'static str,
    },
    /// An array of the file is of another kind or size, or has values that are not finite.
    #[error("{}: array {name:?}: {source}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// The array.
        name: &'static str,
        /// What is wrong with it.
        source: ArrayError,
    },
    /// The file cannot be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Principal components of `D`-dimensional points, as the published code of TCA trains and stores them.
///
/// `Σ U = U diag(λ)` with the covariance `Σ` (divided by `n − 1`): the columns of `U` have unit length, eigenvalues below 1e-9 count as 1e-9.
/// The largest eigenvalues stand first, **unless all components are kept: then the smallest stand first**, as published. Signs are arbitrary; here
/// the largest entry of a column by magnitude is positive.
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    directions: Matrix<f32>,
    variances: Vec<f32>,
    mean: Vec<f32>,
}

/// A [`Pca`] as the affine map that it is, `y = W x + b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    weight: Matrix<f32>,
    bias: Vec<f32>,
}

impl Pca {
    /// Finds the components of points, one in each row. Sums are f64, the same for any number of threads.
    ///
    /// Where there are fewer points than dimensions, `V` and `λ` are those of the points' inner products divided by `n − 1`, and
    /// `U = Xᵀ V diag(λ)^-½ / √(n − 1)` with the centred points `X`. Memory is that of about four square matrices of f64, time grows with the
    /// third power of their size: minutes for 3,840.
    ///
    /// # Errors
    /// [`PcaError::TooFew`] for more components than points or dimensions and for fewer than two points, [`PcaError::Components`] for none,
    /// [`PcaError::NotFinite`], [`PcaError::Memory`], [`PcaError::NoConvergence`].
    pub fn fit(points: MatrixView<f32>, components: usize) -> Result<Self, PcaError> {
        fit::fit(points, components)
    }

    /// `U`, `(D, k)`.
    pub fn directions(&self) -> &Matrix<f32> {
        &self.directions
    }

    /// `λ`, `(k,)`.
    pub fn variances(&self) -> &[f32] {
        &self.variances
    }

    /// Mean of the points, `(D,)`.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// `Uᵀ μ`, `(k,)`: the mean's own components.
    pub fn projected_mean(&self) -> Vec<f32> {
        self.dot_mean().into_iter().map(|value| value as f32).collect()
    }

    fn dot_mean(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.directions.cols()];
        for (d, mean) in self.mean.iter().enumerate() {
            let terms = sums.iter_mut().zip(self.directions.row(d));
            terms.for_each(|(sum, u)| *sum += f64::from(*u) * f64::from(*mean));
        }
        sums
    }

    /// The map to the first `components`: `W = Uᵀ` and `b = −Uᵀ μ`, each row divided by `√λ` where it whitens, so that the training points get
    /// the identity as covariance.
    ///
    /// # Errors
    /// [`PcaError::Components`] for more components than there are, and for none.
    pub fn projection(&self, components: usize, whiten: bool) -> Result<Projection, PcaError> {
        let there = self.directions.cols();
        if components == 0 || components > there {
            return Err(PcaError::Components { wanted: components, there });
        }
        let scale = |k: usize| if whiten { 1.0 / f64::from(self.variances[k]).sqrt() } else { 1.0 };
        let scaled = |k: usize, d: usize| (f64::from(self.directions.row(d)[k]) * scale(k)) as f32;
        let weight = Matrix::from_fn(components, self.directions.rows(), scaled);
        let bias = self.dot_mean().into_iter().take(components).enumerate().map(|(k, dot)| (-dot * scale(k)) as f32);
        Ok(Projection { weight, bias: bias.collect() })
    }
}

impl Projection {
    /// `W`, `(k, D)`.
    pub fn weight(&self) -> &Matrix<f32> {
        &self.weight
    }

    /// `b`, `(k,)`.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// `y / max(‖y‖, 1e-12)` of every row.
    ///
    /// # Shapes
    /// `(n, D)` to `(n, k)`.
    ///
    /// # Errors
    /// [`PcaError::Width`], [`PcaError::NotFinite`].
    pub fn apply(&self, points: MatrixView<f32>) -> Result<Matrix<f32>, PcaError> {
        let (count, width, components) = (points.rows(), self.weight.cols(), self.weight.rows());
        if points.cols() != width {
            return Err(PcaError::Width { expected: width, got: points.cols() });
        }
        check_finite(points)?;
        let weight = Operand::new(self.weight.as_slice(), components, width).t();
        let mut projected = product(Operand::new(points.as_slice(), count, width), weight, Threads::All);
        for row in projected.chunks_exact_mut(components) {
            row.iter_mut().zip(&self.bias).for_each(|(value, bias)| *value += bias);
            normalise(row);
        }
        Ok(Matrix::new(projected, count, components)?)
    }
}

fn check_finite(points: MatrixView<f32>) -> Result<(), PcaError> {
    match points.as_slice().iter().position(|value| !value.is_finite()) {
        Some(i) => Err(PcaError::NotFinite { row: i / points.cols(), column: i % points.cols() }),
        None => Ok(()),
    }
}
