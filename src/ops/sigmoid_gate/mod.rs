mod composed;
mod cpu;

pub use composed::sigmoid_gate as composed;

use dfdx::prelude::{Device, HasShape, Merge, Shape, Tensor};

use super::{LayerTape, OpError, OpsDevice, RecordingTape, check_sizes};

/// Devices that can compute [`sigmoid_gate`].
pub trait SigmoidGateKernel: Device<f32> {
    /// See [`sigmoid_gate`].
    fn sigmoid_gate<S: Shape, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        value: Tensor<S, f32, Self, T>,
        gate: Tensor<S, f32, Self, R>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed(value, gate)
    }
}

/// Gates values elementwise: `y = value ⊙ σ(gate)` (a gated linear unit whose halves are given apart).
///
/// # Shapes
/// `value`, `gate` and result: the same shape.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree.
pub fn sigmoid_gate<S: Shape, D: OpsDevice, T: RecordingTape<D> + Merge<R>, R: LayerTape<D>>(
    value: Tensor<S, f32, D, T>,
    gate: Tensor<S, f32, D, R>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    check_sizes("sigmoid gate", "size of the gate", value.shape(), gate.shape())?;
    D::sigmoid_gate(value, gate)
}
