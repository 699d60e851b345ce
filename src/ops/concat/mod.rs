mod composed;
mod cpu;

pub use composed::concat as composed;

use dfdx::prelude::{Dim, HasShape, Merge, Storage, Tape, Tensor};

use super::{OpError, check_size};

/// Devices that can compute [`concat()`].
pub trait ConcatKernel: Storage<f32> {
    /// See [`concat()`]. `parts` is not empty and its widths sum to `width`.
    fn concat<B: Dim, E: Dim, W: Dim, T: Tape<f32, Self> + Merge<T>>(
        parts: Vec<Tensor<(B, E), f32, Self, T>>,
        width: W,
    ) -> Result<Tensor<(B, W), f32, Self, T>, OpError>;
}

/// Concatenates the features of several tensors, in order.
///
/// Stable Rust cannot add sizes in types, so the total width is given and checked.
///
/// # Shapes
/// `parts`: each `(B, E)`; result: `(B, W)` with `W` the sum of the widths.
///
/// # Errors
/// [`OpError::Shape`] when `width` is not that sum or the rows disagree, [`OpError::Undefined`] without parts.
pub fn concat<B: Dim, E: Dim, W: Dim, D: ConcatKernel, T: Tape<f32, D> + Merge<T>>(
    parts: Vec<Tensor<(B, E), f32, D, T>>,
    width: W,
) -> Result<Tensor<(B, W), f32, D, T>, OpError> {
    let Some(first) = parts.first() else {
        return Err(OpError::Undefined { op: "concat", reason: "nothing to concatenate" });
    };
    let rows = first.shape().0.size();
    for part in &parts {
        check_size("concat", "rows", rows, part.shape().0.size())?;
    }
    check_size("concat", "width of the result", parts.iter().map(|p| p.shape().1.size()).sum(), width.size())?;
    D::concat(parts, width)
}
