mod composed;
mod cpu;

pub use composed::sgd_momentum as composed;

use dfdx::prelude::{Device, Gradients, HasShape, Shape, Tensor};

use super::{OpError, OpsDevice, check_option, check_size};

/// Devices that can apply [`sgd_momentum`].
pub trait SgdKernel: Device<f32> {
    /// See [`sgd_momentum`].
    fn sgd_momentum<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        velocity: &mut Tensor<(usize,), f32, Self>,
        learning_rate: f32,
        momentum: f32,
    ) -> Result<(), OpError> {
        composed(parameter, gradients, velocity, learning_rate, momentum)
    }
}

/// One step of stochastic gradient descent with momentum, as PyTorch defines it (dampening 0, no Nesterov):
/// `v ← momentum · v + g`, `θ ← θ − learning_rate · v`.
///
/// A parameter without a gradient counts as having a zero gradient.
///
/// # Shapes
/// `parameter`: any; `velocity`: its values in row-major order.
///
/// # Errors
/// [`OpError::Shape`] when the number of values differs, [`OpError::Option`] for a learning rate or momentum that is not finite.
pub fn sgd_momentum<S: Shape, D: OpsDevice>(
    parameter: &mut Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
    velocity: &mut Tensor<(usize,), f32, D>,
    learning_rate: f32,
    momentum: f32,
) -> Result<(), OpError> {
    check_option("sgd", learning_rate.is_finite(), "the learning rate is not a finite number")?;
    check_option("sgd", momentum.is_finite(), "the momentum is not a finite number")?;
    check_size("sgd", "velocity", parameter.shape().num_elements(), velocity.shape().0)?;
    D::sgd_momentum(parameter, gradients, velocity, learning_rate, momentum)
}
