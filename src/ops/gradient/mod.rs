mod composed;
mod cpu;

pub use composed::{gradient_norm as composed_norm, scale_gradient as composed_scale};

use dfdx::prelude::{
    Backward, Device, Gradients, HasShape, Merge, OwnedTape, PutTape, Shape, SplitTape, Tensor, Trace,
};

use super::{OpError, OpsDevice, device_error};

/// Devices that can look at the gradient of a parameter and change it.
pub trait GradientKernel: Device<f32> {
    /// See [`has_gradient`].
    fn has_gradient<S: Shape>(
        parameter: &Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
    ) -> Result<bool, OpError> {
        Ok(Self::gradient_norm(parameter, gradients)?.is_some())
    }

    /// See [`gradient_norm`].
    fn gradient_norm<S: Shape>(
        parameter: &Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
    ) -> Result<Option<f64>, OpError> {
        composed_norm(parameter, gradients)
    }

    /// See [`scale_gradient`].
    fn scale_gradient<S: Shape>(
        parameter: &Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        factor: f32,
    ) -> Result<(), OpError> {
        composed_scale(parameter, gradients, factor)
    }
}

/// Whether the backward pass left a gradient for a parameter. Of a parameter without values: no.
///
/// Composed of dfdx's operations (on CUDA) a gradient of nothing but zeros counts as none: dfdx does not say whether there is one.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn has_gradient<S: Shape, D: OpsDevice>(
    parameter: &Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
) -> Result<bool, OpError> {
    if parameter.shape().num_elements() == 0 { Ok(false) } else { D::has_gradient(parameter, gradients) }
}

/// The square of the Euclidean norm of a parameter's gradient, not finite where one of its values is not; `None` without a gradient
/// ([`has_gradient`]). One reading pass; the sum is in f64.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn gradient_norm<S: Shape, D: OpsDevice>(
    parameter: &Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
) -> Result<Option<f64>, OpError> {
    if parameter.shape().num_elements() == 0 { Ok(None) } else { D::gradient_norm(parameter, gradients) }
}

/// Multiplies the gradient of a parameter by a factor.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn scale_gradient<S: Shape, D: OpsDevice>(
    parameter: &Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
    factor: f32,
) -> Result<(), OpError> {
    if parameter.shape().num_elements() == 0 { Ok(()) } else { D::scale_gradient(parameter, gradients, factor) }
}

/// Gradients of a loss, added to those of `before` ([`Gradients::leaky`]: none).
///
/// # Errors
/// [`OpError::Device`] only.
pub fn backward<D: Device<f32>>(
    loss: Tensor<(), f32, D, OwnedTape<f32, D>>,
    before: Gradients<f32, D>,
) -> Result<Gradients<f32, D>, OpError> {
    let (loss, tape) = loss.split_tape();
    // dfdx makes a tape of gradients only on some tensor.
    let any: Tensor<(), f32, D> = loss.device().try_zeros().map_err(device_error)?;
    let (_, earlier) = any.traced(before).split_tape();
    loss.put_tape(earlier.merge(tape)).try_backward().map_err(device_error)
}
