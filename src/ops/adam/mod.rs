mod composed;
mod cpu;
mod rectified;

pub use composed::{moment_update as composed, moment_update_projecting as composed_projecting};
pub use rectified::{Rectification, RectifiedStep, Unrectified, rectified_adam};

use dfdx::prelude::{Device, Gradients, HasShape, Shape, Tensor};

use super::{OpError, OpsDevice, check_option, check_size};

/// Devices that can apply [`moment_update`], of which [`adam`] and [`rectified_adam`] are made.
pub trait AdamKernel: Device<f32> {
    /// See [`moment_update`].
    fn moment_update<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        moments: &mut AdamMoments<Self>,
        by: MomentUpdate,
    ) -> Result<(), OpError> {
        composed(parameter, gradients, moments, by)
    }

    /// See [`moment_update_projecting`].
    fn moment_update_projecting<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        moments: &mut AdamMoments<Self>,
        by: MomentUpdate,
    ) -> Result<StepProjection, OpError> {
        composed_projecting(parameter, gradients, moments, by)
    }
}

/// Running moments of one parameter's gradient, its values in row-major order.
#[derive(Debug, Clone)]
pub struct AdamMoments<D: Device<f32>> {
    /// Mean of the gradient, `(N,)`.
    pub first: Tensor<(usize,), f32, D>,
    /// Mean of its square, `(N,)`.
    pub second: Tensor<(usize,), f32, D>,
}

/// The numbers of a step that Adam and its relatives have in common:
///
/// ```text
/// g ← g + penalty θ      m ← β₁ m + γ₁ g      v ← β₂ v + γ₂ g²      d = m / (√v + ε), or m without ε
/// θ ← θ − decay θ − rate d
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MomentUpdate {
    /// β₁ and γ₁.
    pub first: (f32, f32),
    /// β₂ and γ₂.
    pub second: (f32, f32),
    /// Weight of the parameter in the gradient.
    pub penalty: f32,
    /// Share of the parameter that is taken off.
    pub decay: f32,
    /// Factor of the direction d.
    pub rate: f32,
    /// ε; the direction is `m` itself where absent.
    pub eps: Option<f32>,
}

/// A step `p = −rate d` seen from the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StepProjection {
    /// `pᵀ p`.
    pub squared_length: f64,
    /// `pᵀ g`.
    pub along_gradient: f64,
}

/// How weight decay enters.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum WeightDecay {
    /// `g ← g + λ θ`: a penalty in the loss, which the moments see (`torch.optim.Adam`).
    Penalty(f32),
    /// `θ ← θ − α λ θ` beside the step (Loshchilov & Hutter 2019; `torch.optim.AdamW`).
    Decoupled(f32),
}

impl WeightDecay {
    /// λ.
    pub fn strength(self) -> f32 {
        let (Self::Penalty(lambda) | Self::Decoupled(lambda)) = self;
        lambda
    }

    /// The same kind of another strength.
    pub fn with(self, lambda: f32) -> Self {
        match self {
            Self::Penalty(_) => Self::Penalty(lambda),
            Self::Decoupled(_) => Self::Decoupled(lambda),
        }
    }
}

/// The numbers of one step of [`adam`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Number of this step, from 1: the bias correction.
    pub number: u32,
    /// α.
    pub learning_rate: f32,
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε, outside the root.
    pub eps: f32,
    /// λ.
    pub weight_decay: WeightDecay,
}

/// Refuses options of a step that would make every parameter NaN.
fn check_numbers(op: &'static str, [rate, eps, decay]: [f32; 3], [beta1, beta2]: [f64; 2]) -> Result<(), OpError> {
    check_option(op, rate.is_finite(), "the learning rate is not a finite number")?;
    check_option(op, (0.0..1.0).contains(&beta1), "beta1 is not at least 0 and below 1")?;
    check_option(op, (0.0..1.0).contains(&beta2), "beta2 is not at least 0 and below 1")?;
    check_option(op, decay.is_finite(), "the weight decay is not a finite number")?;
    check_option(op, eps.is_finite() && eps >= 0.0, "eps is not a finite number of at least 0")
}

/// The weights of the old and the new in a moving average: `β` and `1 − β`.
fn averaging_weights(beta: f64) -> (f32, f32) {
    (beta as f32, (1.0 - beta) as f32)
}

impl AdamStep {
    /// The coefficients of the step, in f64 until the last as PyTorch computes them.
    ///
    /// # Errors
    /// [`OpError::Option`] for step 0 and for options that make no sense.
    pub fn update(&self) -> Result<MomentUpdate, OpError> {
        check_option("adam", self.number > 0, "steps count from 1")?;
        check_numbers("adam", [self.learning_rate, self.eps, self.weight_decay.strength()], [self.beta1, self.beta2])?;
        let missing = |beta: f64| 1.0 - beta.powf(f64::from(self.number));
        let (rate, root) = (f64::from(self.learning_rate) / missing(self.beta1), missing(self.beta2).sqrt());
        let (penalty, decay) = match self.weight_decay {
            WeightDecay::Penalty(lambda) => (lambda, 0.0),
            WeightDecay::Decoupled(lambda) => (0.0, self.learning_rate * lambda),
        };
        // One division instead of two: m / (√v / root + ε) = root m / (√v + root ε).
        let (rate, eps) = ((rate * root) as f32, Some((f64::from(self.eps) * root) as f32));
        Ok(MomentUpdate {
            first: averaging_weights(self.beta1),
            second: averaging_weights(self.beta2),
            penalty,
            decay,
            rate,
            eps,
        })
    }
}

/// One step of Adam (Kingma & Ba 2015, algorithm 1, with ε beside the corrected root as in PyTorch):
/// `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`, `θ ← θ − α/(1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)`.
///
/// One pass over parameter, gradient and moments; nothing is allocated. A parameter without a gradient counts as having a zero gradient.
///
/// # Shapes
/// `parameter`: any, N values; moments: `(N,)`.
///
/// # Errors
/// [`OpError::Shape`] when the number of values differs, [`OpError::Option`] for step 0 and for options that make no sense,
/// [`OpError::Form`] for a parameter whose values do not stand in row-major order.
pub fn adam<S: Shape, D: OpsDevice>(
    parameter: &mut Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
    moments: &mut AdamMoments<D>,
    step: AdamStep,
) -> Result<(), OpError> {
    moment_update(parameter, gradients, moments, step.update()?)
}

/// One step on running moments, as [`MomentUpdate`] has it. One pass over memory; nothing is allocated.
///
/// # Shapes
/// `parameter`: any, N values; moments: `(N,)`.
///
/// # Errors
/// [`OpError::Shape`] when the number of values differs, [`OpError::Form`] for a parameter whose values do not stand in row-major order.
pub fn moment_update<S: Shape, D: OpsDevice>(
    parameter: &mut Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
    moments: &mut AdamMoments<D>,
    by: MomentUpdate,
) -> Result<(), OpError> {
    check(parameter, moments)?;
    D::moment_update(parameter, gradients, moments, by)
}

/// [`moment_update`] that also says how the step lies to the gradient (with the penalty in it). Sums in f64, in a fixed order on the CPU.
///
/// # Shapes
/// As [`moment_update`].
///
/// # Errors
/// As [`moment_update`].
pub fn moment_update_projecting<S: Shape, D: OpsDevice>(
    parameter: &mut Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
    moments: &mut AdamMoments<D>,
    by: MomentUpdate,
) -> Result<StepProjection, OpError> {
    check(parameter, moments)?;
    D::moment_update_projecting(parameter, gradients, moments, by)
}

fn check<S: Shape, D: Device<f32>>(parameter: &Tensor<S, f32, D>, moments: &AdamMoments<D>) -> Result<(), OpError> {
    let values = parameter.shape().num_elements();
    check_size("adam", "first moment", values, moments.first.shape().0)?;
    check_size("adam", "second moment", values, moments.second.shape().0)
}
