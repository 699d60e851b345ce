use dfdx::prelude::{Gradients, Shape, Tensor};
use serde::{Deserialize, Serialize};

use super::{AdamMoments, MomentUpdate, averaging_weights, check_numbers, moment_update};
use crate::ops::{OpError, OpsDevice, check_option};

/// From which length n of the approximated average on a step of [`rectified_adam`] is adaptive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Rectification {
    /// n > 4, as in the paper: the variance exists.
    AboveFour,
    /// n ≥ 5, as in the authors' program.
    AtLeastFive,
    /// n > 5, as in `torch.optim.RAdam` and in Ranger.
    AboveFive,
}

/// What a step of [`rectified_adam`] is before it is adaptive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Unrectified {
    /// A step along the corrected mean of the gradient, as in the paper.
    #[default]
    Momentum,
    /// No step: only the moments and the weight decay advance (`degenerated_to_sgd=False` of the authors' program).
    Still,
}

/// The numbers of one step of [`rectified_adam`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RectifiedStep {
    /// Number of this step, from 1.
    pub number: u32,
    /// α.
    pub learning_rate: f32,
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε, beside the root of the uncorrected second moment.
    pub eps: f32,
    /// λ of the decoupled weight decay.
    pub weight_decay: f32,
    /// When the step is adaptive.
    pub rectification: Rectification,
    /// What it is before.
    pub unrectified: Unrectified,
}

impl RectifiedStep {
    /// The coefficients of the step, in f64 until the last.
    ///
    /// # Errors
    /// [`OpError::Option`] for step 0 and for options that make no sense.
    pub fn update(&self) -> Result<MomentUpdate, OpError> {
        check_option("rectified adam", self.number > 0, "steps count from 1")?;
        let betas = [self.beta1, self.beta2];
        check_numbers("rectified adam", [self.learning_rate, self.eps, self.weight_decay], betas)?;
        let (t, alpha) = (f64::from(self.number), f64::from(self.learning_rate));
        let (power1, power2) = (self.beta1.powf(t), self.beta2.powf(t));
        let longest = 2.0 / (1.0 - self.beta2) - 1.0;
        let length = longest - 2.0 * t * power2 / (1.0 - power2);
        let adaptive = match self.rectification {
            Rectification::AboveFour => length > 4.0,
            Rectification::AtLeastFive => length >= 5.0,
            Rectification::AboveFive => length > 5.0,
        };
        let ratio = (length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length);
        let rate = match (adaptive, self.unrectified) {
            (true, _) => alpha * ((1.0 - power2) * ratio).sqrt() / (1.0 - power1),
            (false, Unrectified::Momentum) => alpha / (1.0 - power1),
            (false, Unrectified::Still) => 0.0,
        };
        Ok(MomentUpdate {
            first: averaging_weights(self.beta1),
            second: averaging_weights(self.beta2),
            penalty: 0.0,
            decay: (alpha * f64::from(self.weight_decay)) as f32,
            rate: rate as f32,
            eps: adaptive.then_some(self.eps),
        })
    }
}

/// One step of rectified Adam (Liu et al., *On the Variance of the Adaptive Learning Rate and Beyond*, ICLR 2020, algorithm 2), with
/// decoupled weight decay:
///
/// ```text
/// m ← β₁ m + (1 − β₁) g      v ← β₂ v + (1 − β₂) g²      θ ← θ − α λ θ
/// n∞ = 2/(1 − β₂) − 1        n = n∞ − 2 t β₂ᵗ/(1 − β₂ᵗ)
/// adaptive:  θ ← θ − α ρ m/(√v + ε),   ρ² = (1 − β₂ᵗ) (n − 4)(n − 2) n∞ / ((n∞ − 4)(n∞ − 2) n) / (1 − β₁ᵗ)²
/// else:      θ ← θ − α m/(1 − β₁ᵗ)
/// ```
///
/// As in the authors' program, ε stands beside the root of the UNCORRECTED second moment (the paper has none). One pass over memory; nothing
/// is allocated.
///
/// # Shapes
/// `parameter`: any, N values; moments: `(N,)`.
///
/// # Errors
/// [`OpError::Shape`] when the number of values differs, [`OpError::Option`] for step 0 and for options that make no sense,
/// [`OpError::Form`] for a parameter whose values do not stand in row-major order.
pub fn rectified_adam<S: Shape, D: OpsDevice>(
    parameter: &mut Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
    moments: &mut AdamMoments<D>,
    step: RectifiedStep,
) -> Result<(), OpError> {
    moment_update(parameter, gradients, moments, step.update()?)
}
