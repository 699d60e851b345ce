mod composed;
mod cpu;

pub use composed::permute as composed;

use dfdx::prelude::{Axes, Device, PermuteShapeTo, Shape, Tape, Tensor};

use super::{OpError, OpsDevice};

/// Devices that can compute [`permute`].
pub trait PermuteKernel: Device<f32> {
    /// See [`permute`].
    fn permute<S: Shape + PermuteShapeTo<O, Ax>, O: Shape, Ax: Axes, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
    ) -> Result<Tensor<O, f32, Self, T>, OpError> {
        composed::<S, O, Ax, Self, T>(x)
    }
}

/// Moves values so that axis `k` of the result is axis `axes[k]` of the input: `permute(x, Axes3::<0, 2, 1>)` transposes matrices.
///
/// dfdx's own `permute` changes strides alone, and whatever comes next pays for them; this one writes the new order, tile by tile.
///
/// # Shapes
/// Any; the result has the same axes in the new order.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn permute<S: Shape + PermuteShapeTo<O, Ax>, O: Shape, Ax: Axes, D: OpsDevice, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    _axes: Ax,
) -> Result<Tensor<O, f32, D, T>, OpError> {
    D::permute::<S, O, Ax, T>(x)
}
