mod composed;
mod cpu;

pub use composed::set_columns as composed;

use dfdx::prelude::{Device, Dim, HasShape, Tensor};

use super::{OpError, OpsDevice, check_size};

/// Devices that can compute [`set_columns`].
pub trait SetColumnsKernel: Device<f32> {
    /// See [`set_columns`]. The sizes agree, and there are at least as many columns as rows.
    fn set_columns<B: Dim, E: Dim, K: Dim>(
        matrix: &mut Tensor<(E, K), f32, Self>,
        first: usize,
        rows: &Tensor<(B, E), f32, Self>,
    ) -> Result<(), OpError> {
        composed(matrix, first, rows)
    }
}

/// Writes rows over the columns of a matrix from `first` on, and goes on at column 0 behind the last: a ring of keys, as the queue of momentum
/// contrast is. No gradient.
///
/// # Shapes
/// `matrix`: `(E, K)`, `rows`: `(B, E)` with `B <= K`.
///
/// # Errors
/// [`OpError::Shape`] when the widths disagree or there are more rows than columns, [`OpError::Index`] for a first column that is none.
pub fn set_columns<B: Dim, E: Dim, K: Dim, D: OpsDevice>(
    matrix: &mut Tensor<(E, K), f32, D>,
    first: usize,
    rows: &Tensor<(B, E), f32, D>,
) -> Result<(), OpError> {
    let ((width, columns), (count, its_width)) = (*matrix.shape(), *rows.shape());
    check_size("set columns", "width of the rows", width.size(), its_width.size())?;
    if count.size() > columns.size() {
        check_size("set columns", "number of rows", columns.size(), count.size())?;
    }
    if first >= columns.size() {
        return Err(OpError::Index { op: "set columns", index: first, rows: columns.size() });
    }
    D::set_columns(matrix, first, rows)
}

/// The same among plain values.
fn write(matrix: &mut [f32], columns: usize, first: usize, rows: &[f32], width: usize) {
    for (dimension, of_all) in matrix.chunks_exact_mut(columns).enumerate() {
        for (row, values) in rows.chunks_exact(width).enumerate() {
            of_all[(first + row) % columns] = values[dimension];
        }
    }
}
