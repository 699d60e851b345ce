mod composed;
mod cpu;

pub use composed::select_rows as composed;

use dfdx::prelude::{Device, Dim, HasShape, Tape, Tensor};

use super::{OpError, OpsDevice};

/// Devices that can compute [`select_rows`].
pub trait SelectRowsKernel: Device<f32> {
    /// See [`select_rows`]; row `frozen` receives no gradient. Every index is in range.
    fn select_rows<B: Dim, E: Dim, T: Tape<f32, Self>>(
        x: Tensor<(B, E), f32, Self, T>,
        rows: &[usize],
        frozen: Option<usize>,
    ) -> Result<Tensor<(usize, E), f32, Self, T>, OpError> {
        composed(x, rows, frozen)
    }
}

/// Picks rows, in any order and any number of times; the gradients of a row that is picked several times add up.
///
/// # Shapes
/// `x`: `(B, E)`; result: `(rows.len(), E)`.
///
/// # Errors
/// [`OpError::Index`] when an index is out of range.
pub fn select_rows<B: Dim, E: Dim, D: OpsDevice, T: Tape<f32, D>>(
    x: Tensor<(B, E), f32, D, T>,
    rows: &[usize],
) -> Result<Tensor<(usize, E), f32, D, T>, OpError> {
    let expected = x.shape().0.size();
    if let Some(row) = rows.iter().find(|row| **row >= expected) {
        return Err(OpError::Index { op: "select rows", index: *row, rows: expected });
    }
    D::select_rows(x, rows, None)
}
