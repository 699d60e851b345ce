use dfdx::prelude::{Gradients, Shape, Tensor};
use serde::{Deserialize, Serialize};

use super::{Kept, ParameterGroup, RuleOptimizer, StepContext, UpdateRule};
use crate::ops::{self, AdamMoments, AdamStep, MomentUpdate, OpError, OpsDevice, StepProjection, WeightDecay};

/// Options of [`Swats`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SwatsConfig {
    /// α of the steps of Adam.
    pub learning_rate: f32,
    /// β₁, and the momentum of the steps of stochastic gradient descent.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε, beside the corrected root.
    pub eps: f32,
    /// λ of the penalty in the loss.
    pub weight_decay: f32,
    /// Relative difference between a scale and its corrected mean at which the optimizer switches.
    pub tolerance: f64,
    /// Exceptions; the first group whose pattern fits a name applies. A learning rate of a group is that of its steps of Adam.
    pub groups: Vec<ParameterGroup>,
}

impl Default for SwatsConfig {
    /// Those of the common program: 0.001, 0.9, 0.999, ε of 0.001, no decay, a tolerance of 1e-6.
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-3,
            weight_decay: 0.0,
            tolerance: 1e-6,
            groups: vec![],
        }
    }
}

/// The rule of [`Swats`]: its options, and the rate of stochastic gradient descent once it has switched.
#[derive(Debug, Clone, PartialEq)]
pub struct SwatsRule {
    config: SwatsConfig,
    sgd_rate: Option<f32>,
}

impl From<SwatsConfig> for SwatsRule {
    fn from(config: SwatsConfig) -> Self {
        Self { config, sgd_rate: None }
    }
}

impl SwatsRule {
    /// The rate of stochastic gradient descent (before the factor of a schedule); `None` as long as steps are those of Adam.
    pub fn sgd_rate(&self) -> Option<f32> {
        self.sgd_rate
    }
}

/// Adam that switches to stochastic gradient descent (Keskar & Socher, *Improving Generalization Performance by Switching from Adam to
/// SGD*, 2017, algorithm 1). With p the step that Adam takes, at its step t,
///
/// ```text
/// γ = pᵀp / −pᵀg      λ ← β₂ λ + (1 − β₂) γ      Λ = λ / (1 − β₂ᵗ)
/// switch when t > 1, Λ > 0 and |Λ − γ| ≤ 1e-8 + tolerance · |γ|
/// from then on:  v ← β₁ v + g      θ ← θ − (1 − β₁) Λ v
/// ```
///
/// As in the common PyTorch program, every tensor has its own λ, and the first that meets the criterion switches all of them (the paper
/// takes p and g of all parameters together, and an absolute difference of 1e-9). That program multiplies its velocity by 1 − β₁ in every
/// step by mistake; here it is the paper's. A schedule goes on from where it is: Λ is divided by its factor at the switch.
pub type Swats<D> = RuleOptimizer<D, SwatsRule>;

/// What [`Swats`] keeps for a parameter.
#[derive(Debug, Clone)]
pub struct SwatsState<D: OpsDevice> {
    /// Those of Adam; after the switch the first is the velocity.
    moments: AdamMoments<D>,
    /// λ.
    scale: f32,
    /// Whether the first moment is the velocity.
    switched: bool,
}

impl<D: OpsDevice> Kept<D> for SwatsState<D> {
    const ENTRIES: &'static [&'static str] = &["first_moment", "second_moment", "scale_and_phase"];

    fn size(entry: &str, parameter: usize) -> usize {
        if entry == "scale_and_phase" { 2 } else { parameter }
    }

    fn initial<S: Shape>(parameter: &Tensor<S, f32, D>) -> Result<Self, OpError> {
        Ok(Self { moments: AdamMoments::initial(parameter)?, scale: 0.0, switched: false })
    }

    fn save(&self) -> Result<Vec<Vec<f32>>, OpError> {
        let mut entries = self.moments.save()?;
        entries.push(vec![self.scale, f32::from(u8::from(self.switched))]);
        Ok(entries)
    }

    fn load(device: &D, mut entries: Vec<Vec<f32>>) -> Result<Self, OpError> {
        let numbers = entries.pop().unwrap_or_default();
        let [scale, phase] = numbers[..] else {
            let (expected, got) = (2, numbers.len());
            return Err(OpError::Shape { op: "swats", what: "scale and phase", expected, got });
        };
        Ok(Self { moments: AdamMoments::load(device, entries)?, scale, switched: phase != 0.0 })
    }
}

impl SwatsRule {
    /// Advances λ and says whether it is steady.
    fn switches(&self, number: u32, scale: &mut f32, by: StepProjection) -> Option<f64> {
        if by.along_gradient == 0.0 {
            return None;
        }
        let beta2 = self.config.beta2;
        let gamma = by.squared_length / -by.along_gradient;
        *scale = (beta2 * f64::from(*scale) + (1.0 - beta2) * gamma) as f32;
        let mean = f64::from(*scale) / (1.0 - beta2.powf(f64::from(number)));
        let steady = (mean - gamma).abs() <= 1e-8 + self.config.tolerance * gamma.abs();
        (number > 1 && mean > 0.0 && steady).then_some(mean)
    }
}

impl<D: OpsDevice> UpdateRule<D> for SwatsRule {
    type Kept = SwatsState<D>;

    const NUMBER: Option<&'static str> = Some("sgd_rate");

    fn groups(&self) -> &[ParameterGroup] {
        &self.config.groups
    }

    fn learning_rate(&self) -> f32 {
        self.config.learning_rate
    }

    fn update<S: Shape>(
        &mut self,
        step: &StepContext<'_>,
        parameter: &mut Tensor<S, f32, D>,
        gradients: &mut Gradients<f32, D>,
        kept: &mut SwatsState<D>,
    ) -> Result<(), OpError> {
        let beta1 = step.momentum(self.config.beta1);
        if let Some(rate) = self.sgd_rate {
            let old = if kept.switched { beta1 as f32 } else { 0.0 };
            kept.switched = true;
            let by = MomentUpdate {
                first: (old, 1.0),
                second: (1.0, 0.0),
                penalty: step.weight_decay(self.config.weight_decay),
                decay: 0.0,
                rate: ((1.0 - beta1) * f64::from(rate)) as f32 * step.rate_factor,
                eps: None,
            };
            return ops::moment_update(parameter, gradients, &mut kept.moments, by);
        }
        let adam = AdamStep {
            number: step.number,
            learning_rate: step.learning_rate(self.config.learning_rate),
            beta1,
            beta2: self.config.beta2,
            eps: self.config.eps,
            weight_decay: WeightDecay::Penalty(step.weight_decay(self.config.weight_decay)),
        };
        let by = ops::moment_update_projecting(parameter, gradients, &mut kept.moments, adam.update()?)?;
        if let Some(rate) = self.switches(step.number, &mut kept.scale, by) {
            self.sgd_rate = Some((rate / f64::from(step.rate_factor)) as f32);
        }
        Ok(())
    }

    fn number(&self) -> Option<f32> {
        self.sgd_rate
    }

    fn restore_number(&mut self, number: Option<f32>) {
        self.sgd_rate = number;
    }
}
