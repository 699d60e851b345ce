mod composed;
mod cpu;

pub use composed::adam as composed;

use dfdx::prelude::{Device, Gradients, HasShape, Shape, Tensor};

use super::{OpError, check_size};

/// Devices that can apply [`adam`].
pub trait AdamKernel: Device<f32> {
    /// See [`adam`].
    fn adam<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        moments: &mut AdamMoments<Self>,
        step: AdamStep,
    ) -> Result<(), OpError>;
}

/// Running moments of one parameter's gradient, its values in row-major order.
#[derive(Debug, Clone)]
pub struct AdamMoments<D: Device<f32>> {
    /// Mean of the gradient, `(N,)`.
    pub first: Tensor<(usize,), f32, D>,
    /// Mean of its square, `(N,)`.
    pub second: Tensor<(usize,), f32, D>,
}

/// How weight decay enters.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum WeightDecay {
    /// `g ← g + λ θ`: a penalty in the loss, which the moments see (`torch.optim.Adam`).
    Penalty(f32),
    /// `θ ← θ − α λ θ` beside the step (Loshchilov & Hutter 2019; `torch.optim.AdamW`).
    Decoupled(f32),
}

/// The numbers of one step of [`adam`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Number of this step, from 1: the bias correction.
    pub number: u32,
    /// α.
    pub learning_rate: f32,
    /// β₁.
    pub beta1: f32,
    /// β₂.
    pub beta2: f32,
    /// ε, outside the root.
    pub eps: f32,
    /// λ.
    pub weight_decay: WeightDecay,
}

impl AdamStep {
    /// `α / (1 − β₁ᵗ)` and `√(1 − β₂ᵗ)`, in f64 as PyTorch computes them.
    fn corrections(&self) -> (f32, f32) {
        let power = |beta: f32| f64::from(beta).powi(self.number as i32);
        ((f64::from(self.learning_rate) / (1.0 - power(self.beta1))) as f32, (1.0 - power(self.beta2)).sqrt() as f32)
    }

    /// Factor of the parameter and weight of the parameter in the gradient.
    fn decay(&self) -> (f32, f32) {
        match self.weight_decay {
            WeightDecay::Penalty(lambda) => (1.0, lambda),
            WeightDecay::Decoupled(lambda) => (1.0 - self.learning_rate * lambda, 0.0),
        }
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
/// [`OpError::Shape`] when the number of values differs, [`OpError::Undefined`] for step 0 and for a parameter whose values do not stand in
/// row-major order.
pub fn adam<S: Shape, D: AdamKernel>(
    parameter: &mut Tensor<S, f32, D>,
    gradients: &mut Gradients<f32, D>,
    moments: &mut AdamMoments<D>,
    step: AdamStep,
) -> Result<(), OpError> {
    let values = parameter.shape().num_elements();
    check_size("adam", "first moment", values, moments.first.shape().0)?;
    check_size("adam", "second moment", values, moments.second.shape().0)?;
    if step.number == 0 {
        return Err(OpError::Undefined { op: "adam", reason: "steps count from 1" });
    }
    D::adam(parameter, gradients, moments, step)
}
