use std::ops::Range;

use nalgebra::{DMatrix, SymmetricEigen};

use super::{Pca, PcaError, check_finite};
use crate::gemm::{Operand, Threads, gemm};
use crate::matrix::{Matrix, MatrixView};

/// Eigenvalues below this count as this.
pub(super) const LEAST_VARIANCE: f64 = 1e-9;

/// Steps of the algorithm for each eigenvalue; LAPACK takes 30.
const STEPS: usize = 64;

/// Values that are centred at a time.
const BLOCK: usize = 1 << 22;

pub(super) fn fit(points: MatrixView<f32>, components: usize) -> Result<Pca, PcaError> {
    let (count, width) = (points.rows(), points.cols());
    let size = count.min(width);
    if components == 0 {
        return Err(PcaError::Components { wanted: 0, there: size });
    }
    if components > size || count < 2 {
        return Err(PcaError::TooFew { components, points: count, width });
    }
    check_finite(points)?;
    let mean = mean(points);
    let (variances, mut directions) = if width <= count {
        eigen(covariance(points, &mean)?, width, components)?
    } else {
        by_inner_products(points, &mean, components)?
    };
    orient(&mut directions, components);
    let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect::<Vec<_>>();
    let directions = Matrix::new(narrow(directions), width, components)?;
    Ok(Pca { directions, variances: narrow(variances), mean: narrow(mean) })
}

fn zeros(rows: usize, columns: usize) -> Result<Vec<f64>, PcaError> {
    let mut values = vec![];
    match rows.checked_mul(columns) {
        Some(count) if values.try_reserve_exact(count).is_ok() => values.resize(count, 0.0),
        _ => return Err(PcaError::Memory { rows, columns }),
    }
    Ok(values)
}

fn mean(points: MatrixView<f32>) -> Vec<f64> {
    let mut sums = vec![0.0; points.cols()];
    for row in 0..points.rows() {
        sums.iter_mut().zip(points.row(row)).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums.iter_mut().for_each(|sum| *sum /= points.rows() as f64);
    sums
}

/// Some points minus the mean.
fn centred(points: MatrixView<f32>, mean: &[f64], rows: Range<usize>) -> Vec<f64> {
    let difference = |(value, mean): (&f32, &f64)| f64::from(*value) - mean;
    rows.flat_map(|row| points.row(row).iter().zip(mean).map(difference)).collect()
}

/// `(D, D)`, summed block by block so that few points are in memory in f64.
fn covariance(points: MatrixView<f32>, mean: &[f64]) -> Result<Vec<f64>, PcaError> {
    let (count, width) = (points.rows(), points.cols());
    let (mut sums, rows) = (zeros(width, width)?, (BLOCK / width).max(1));
    for first in (0..count).step_by(rows) {
        let rows = rows.min(count - first);
        let block = centred(points, mean, first..first + rows);
        let block = Operand::new(&block, rows, width);
        gemm(block.t(), block, &mut sums, width, true, Threads::All);
    }
    sums.iter_mut().for_each(|sum| *sum /= (count - 1) as f64);
    Ok(sums)
}

/// Eigenvalues and the directions `(D, k)` by way of the `(n, n)` inner products.
fn by_inner_products(
    points: MatrixView<f32>,
    mean: &[f64],
    components: usize,
) -> Result<(Vec<f64>, Vec<f64>), PcaError> {
    let (count, width) = (points.rows(), points.cols());
    let points = centred(points, mean, 0..count);
    let points = Operand::new(&points, count, width);
    let mut products = zeros(count, count)?;
    gemm(points, points.t(), &mut products, count, false, Threads::All);
    products.iter_mut().for_each(|product| *product /= (count - 1) as f64);
    let (variances, vectors) = eigen(products, count, components)?;
    let mut directions = zeros(width, components)?;
    gemm(points.t(), Operand::new(&vectors, count, components), &mut directions, components, false, Threads::All);
    let scales: Vec<f64> = variances.iter().map(|variance| 1.0 / (variance * (count - 1) as f64).sqrt()).collect();
    for row in directions.chunks_exact_mut(components) {
        row.iter_mut().zip(&scales).for_each(|(value, scale)| *value *= scale);
    }
    Ok((variances, directions))
}

/// Eigenvalues of a symmetric matrix in the published order, floored, and the eigenvectors as columns of `(size, components)`.
fn eigen(matrix: Vec<f64>, size: usize, components: usize) -> Result<(Vec<f64>, Vec<f64>), PcaError> {
    let matrix = DMatrix::from_vec(size, size, matrix);
    let steps = size.saturating_mul(STEPS);
    let eigen = SymmetricEigen::try_new(matrix, f64::EPSILON, steps).ok_or(PcaError::NoConvergence)?;
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*a].total_cmp(&eigen.eigenvalues[*b]));
    if components < size {
        order.reverse();
        order.truncate(components);
    }
    let variances = order.iter().map(|k| eigen.eigenvalues[*k].max(LEAST_VARIANCE)).collect();
    let mut vectors = zeros(size, components)?;
    for (row, values) in vectors.chunks_exact_mut(components).enumerate() {
        values.iter_mut().zip(&order).for_each(|(value, k)| *value = eigen.eigenvectors[(row, *k)]);
    }
    Ok((variances, vectors))
}

/// Gives every column the sign that makes its largest entry by magnitude positive.
fn orient(directions: &mut [f64], components: usize) {
    let mut largest = vec![0.0f64; components];
    for row in directions.chunks_exact(components) {
        for (largest, value) in largest.iter_mut().zip(row) {
            if value.abs() > largest.abs() {
                *largest = *value;
            }
        }
    }
    for row in directions.chunks_exact_mut(components) {
        row.iter_mut().zip(&largest).for_each(|(value, largest)| *value *= largest.signum());
    }
}
