mod composed;
mod cpu;

pub use composed::look_ahead as composed;

use dfdx::prelude::{Device, HasShape, Shape, Tensor};

use super::{OpError, OpsDevice, check_option, check_size};

/// Devices that can apply [`look_ahead`].
pub trait LookAheadKernel: Device<f32> {
    /// See [`look_ahead`].
    fn look_ahead<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        slow: &mut Tensor<(usize,), f32, Self>,
        alpha: f32,
    ) -> Result<(), OpError> {
        composed(parameter, slow, alpha)
    }
}

/// Moves the slow weights towards the fast ones and puts the fast ones there (Zhang et al., *Lookahead Optimizer: k steps forward, 1 step
/// back*, NeurIPS 2019, algorithm 1): `φ ← φ + α (θ − φ)`, `θ ← φ`. One pass over memory; nothing is allocated.
///
/// # Shapes
/// `parameter`: any; `slow`: its slow values in row-major order.
///
/// # Errors
/// [`OpError::Shape`] when the number of values differs, [`OpError::Form`] for a parameter whose values do not stand in row-major order,
/// [`OpError::Option`] for an α that is not finite.
pub fn look_ahead<S: Shape, D: OpsDevice>(
    parameter: &mut Tensor<S, f32, D>,
    slow: &mut Tensor<(usize,), f32, D>,
    alpha: f32,
) -> Result<(), OpError> {
    check_option("look-ahead", alpha.is_finite(), "alpha is not a finite number")?;
    check_size("look-ahead", "slow weights", parameter.shape().num_elements(), slow.shape().0)?;
    D::look_ahead(parameter, slow, alpha)
}
