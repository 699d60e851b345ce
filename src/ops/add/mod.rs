mod composed;
mod cpu;

pub use composed::add as composed;

use dfdx::prelude::{Device, HasShape, Merge, Shape, Tensor};

use super::{LayerTape, OpError, OpsDevice, RecordingTape, check_sizes};

/// Devices that can compute [`add`].
pub trait AddKernel: Device<f32> {
    /// See [`add`].
    fn add<S: Shape, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        a: Tensor<S, f32, Self, T>,
        b: Tensor<S, f32, Self, R>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed(a, b)
    }
}

/// Sum of two tensors, as in a residual connection: `y = a + b`.
///
/// # Shapes
/// `a`, `b` and result: the same shape.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree.
pub fn add<S: Shape, D: OpsDevice, T: RecordingTape<D> + Merge<R>, R: LayerTape<D>>(
    a: Tensor<S, f32, D, T>,
    b: Tensor<S, f32, D, R>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    check_sizes("add", "size of the second term", a.shape(), b.shape())?;
    D::add(a, b)
}
