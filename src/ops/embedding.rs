use dfdx::prelude::{Dim, HasShape, ReshapeTo, Tape, Tensor};

use super::{OpError, OpsDevice, Rows, check_size, device_error};

/// Looks up one row of a table for every index; the gradients of a row that is looked up several times add up, in the order
/// of the indices.
///
/// The row `padding` is looked up like any other, but receives no gradient (PyTorch's `padding_idx`).
///
/// # Shapes
/// `table`: `(V, E)`; `indices` in row-major order and result: `shape`, with and without its last axis `E`.
///
/// # Errors
/// [`OpError::Shape`] when there are not as many indices as `shape` says or its last axis is not that of the table,
/// [`OpError::Index`] when an index (or `padding`) is out of range.
pub fn embedding<V: Dim, S: Rows, D: OpsDevice, T: Tape<f32, D>>(
    table: Tensor<(V, S::Last), f32, D, T>,
    indices: &[usize],
    shape: S,
    padding: Option<usize>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    let (rows, width) = *table.shape();
    check_size("embedding", "indices", shape.rows(), indices.len())?;
    check_size("embedding", "width of the result", width.size(), shape.last().size())?;
    if let Some(index) = indices.iter().copied().chain(padding).find(|index| *index >= rows.size()) {
        return Err(OpError::Index { op: "embedding", index, rows: rows.size() });
    }
    D::select_rows(table, indices, padding)?.try_reshape_like(&shape).map_err(device_error)
}
