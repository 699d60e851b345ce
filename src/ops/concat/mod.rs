mod composed;
mod cpu;

pub use composed::concat as composed;

use dfdx::prelude::{Axes, Axis, Device, Dim, HasAxes, HasShape, Shape, Storage, Tensor};

use super::{OpError, OpsDevice, RecordingTape, check_size};

/// Devices that can compute [`concat()`] and [`concat_along`].
pub trait ConcatKernel: Device<f32> {
    /// See [`concat_along`]. `parts` is not empty, and its sizes fit `shape`.
    fn concat<S: Shape, O: Shape, T: RecordingTape<Self>>(
        parts: Vec<Tensor<S, f32, Self, T>>,
        axis: usize,
        shape: O,
    ) -> Result<Tensor<O, f32, Self, T>, OpError> {
        composed(parts, axis, shape)
    }
}

fn first<S: Shape, D: Storage<f32>, T>(parts: &[Tensor<S, f32, D, T>]) -> Result<S, OpError> {
    let nothing = OpError::TooFew { op: "concat", what: "parts", least: 1, got: 0 };
    parts.first().map(|part| *part.shape()).ok_or(nothing)
}

/// Concatenates the features of several tensors, in order.
///
/// Stable Rust cannot add sizes in types, so the total width is given and checked.
///
/// # Shapes
/// `parts`: each `(B, E)`; result: `(B, W)` with `W` the sum of the widths.
///
/// # Errors
/// [`OpError::Shape`] when `width` is not that sum or the rows disagree, [`OpError::TooFew`] without parts.
pub fn concat<B: Dim, E: Dim, W: Dim, D: OpsDevice, T: RecordingTape<D>>(
    parts: Vec<Tensor<(B, E), f32, D, T>>,
    width: W,
) -> Result<Tensor<(B, W), f32, D, T>, OpError> {
    let rows = first(&parts)?.0;
    concat_along(parts, Axis::<1>, (rows, width))
}

/// Concatenates tensors along any axis, in order: `concat_along(parts, Axis::<0>, shape)` with the shape of the result.
///
/// # Shapes
/// `parts`: alike but for the axis, where their sizes sum to that of `shape`.
///
/// # Errors
/// [`OpError::Shape`] when sizes disagree or `shape` has another number of axes, [`OpError::TooFew`] without parts.
pub fn concat_along<S, O, Ax, D: OpsDevice, T: RecordingTape<D>>(
    parts: Vec<Tensor<S, f32, D, T>>,
    _axis: Ax,
    shape: O,
) -> Result<Tensor<O, f32, D, T>, OpError>
where
    S: Shape + HasAxes<Ax>,
    O: Shape + HasAxes<Ax>,
    Ax: Axes<Array = [isize; 1]>,
{
    first(&parts)?;
    check_size("concat", "number of axes of the result", S::NUM_DIMS, O::NUM_DIMS)?;
    let along = Ax::as_array()[0] as usize;
    for axis in 0..S::NUM_DIMS {
        let mut sizes = parts.iter().map(|part| part.shape().concrete()[axis]);
        let size = shape.concrete()[axis];
        if axis == along {
            check_size("concat", "size of the result along the axis", sizes.sum(), size)?;
        } else {
            sizes.try_for_each(|part| check_size("concat", "another axis of a part", size, part))?;
        }
    }
    D::concat(parts, along, shape)
}
