use std::num::NonZeroU32;

use dfdx::prelude::{Gradients, Shape, Tensor};
use serde::{Deserialize, Serialize};

use super::{Flat, Kept, ParameterGroup, RuleOptimizer, StepContext, UpdateRule, flat};
use crate::ops::{self, AdamMoments, OpError, OpsDevice, Rectification, RectifiedStep, Unrectified};

/// Options of [`RAdam`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RAdamConfig {
    /// α.
    pub learning_rate: f32,
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε, beside the uncorrected root.
    pub eps: f32,
    /// λ of the decoupled weight decay, `θ ← θ − α λ θ` before the step.
    pub weight_decay: f32,
    /// When steps are adaptive.
    pub rectification: Rectification,
    /// What they are before.
    pub unrectified: Unrectified,
    /// Exceptions; the first group whose pattern fits a name applies.
    pub groups: Vec<ParameterGroup>,
}

impl Default for RAdamConfig {
    /// Those of the authors' program: 0.001, 0.9, 0.999, 1e-8, no decay, adaptive from n ≥ 5 on.
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            rectification: Rectification::AtLeastFive,
            unrectified: Unrectified::Momentum,
            groups: vec![],
        }
    }
}

/// Rectified Adam (see [`ops::rectified_adam`]). The authors' `PlainRAdam` computes the same numbers without a cache of coefficients.
pub type RAdam<D> = RuleOptimizer<D, RAdamConfig>;

impl<D: OpsDevice> UpdateRule<D> for RAdamConfig {
    type Kept = AdamMoments<D>;

    fn groups(&self) -> &[ParameterGroup] {
        &self.groups
    }

    fn learning_rate(&self) -> f32 {
        self.learning_rate
    }

    fn update<S: Shape>(
        &mut self,
        step: &StepContext<'_>,
        parameter: &mut Tensor<S, f32, D>,
        gradients: &mut Gradients<f32, D>,
        kept: &mut AdamMoments<D>,
    ) -> Result<(), OpError> {
        let rectified = RectifiedStep {
            number: step.number,
            learning_rate: step.learning_rate(self.learning_rate),
            beta1: step.momentum(self.beta1),
            beta2: self.beta2,
            eps: self.eps,
            weight_decay: step.weight_decay(self.weight_decay),
            rectification: self.rectification,
            unrectified: self.unrectified,
        };
        ops::rectified_adam(parameter, gradients, kept, rectified)
    }
}

/// How [`Ranger`] looks ahead.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LookAhead {
    /// Every so many steps.
    pub steps: NonZeroU32,
    /// Share of the way that the slow weights go.
    pub alpha: f32,
}

impl Default for LookAhead {
    /// 6 steps, half of the way.
    fn default() -> Self {
        Self { steps: NonZeroU32::MIN.saturating_add(5), alpha: 0.5 }
    }
}

/// Options of [`Ranger`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RangerConfig {
    /// α of the fast weights.
    pub learning_rate: f32,
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε, beside the uncorrected root.
    pub eps: f32,
    /// λ of the decoupled weight decay, `θ ← θ − α λ θ` before the step.
    pub weight_decay: f32,
    /// When steps are adaptive.
    pub rectification: Rectification,
    /// What they are before.
    pub unrectified: Unrectified,
    /// The slow weights.
    pub look_ahead: LookAhead,
    /// Exceptions; the first group whose pattern fits a name applies.
    pub groups: Vec<ParameterGroup>,
}

impl Default for RangerConfig {
    /// Those of the published program: 0.001, 0.95, 0.999, 1e-5, no decay, adaptive from n > 5 on, look-ahead every 6 steps by 0.5.
    fn default() -> Self {
        let RAdamConfig { learning_rate, beta2, weight_decay, unrectified, groups, .. } = RAdamConfig::default();
        Self {
            learning_rate,
            beta1: 0.95,
            beta2,
            eps: 1e-5,
            weight_decay,
            rectification: Rectification::AboveFive,
            unrectified,
            look_ahead: LookAhead::default(),
            groups,
        }
    }
}

/// Ranger (Wright 2019): rectified Adam inside [look-ahead](ops::look_ahead). The slow weights start where the parameters are before the
/// first step.
pub type Ranger<D> = RuleOptimizer<D, RangerConfig>;

/// What [`Ranger`] keeps for a parameter.
#[derive(Debug, Clone)]
pub struct RangerState<D: OpsDevice> {
    moments: AdamMoments<D>,
    slow: Flat<D>,
}

impl<D: OpsDevice> Kept<D> for RangerState<D> {
    const ENTRIES: &'static [&'static str] = &["first_moment", "second_moment", "slow_weights"];

    fn initial<S: Shape>(parameter: &Tensor<S, f32, D>) -> Result<Self, OpError> {
        let slow = flat(parameter.device(), ops::to_vec(parameter)?)?;
        Ok(Self { moments: AdamMoments::initial(parameter)?, slow })
    }

    fn save(&self) -> Result<Vec<Vec<f32>>, OpError> {
        let mut entries = self.moments.save()?;
        entries.push(ops::to_vec(&self.slow)?);
        Ok(entries)
    }

    fn load(device: &D, mut entries: Vec<Vec<f32>>) -> Result<Self, OpError> {
        let slow = flat(device, entries.pop().unwrap_or_default())?;
        Ok(Self { moments: AdamMoments::load(device, entries)?, slow })
    }
}

impl<D: OpsDevice> UpdateRule<D> for RangerConfig {
    type Kept = RangerState<D>;

    fn groups(&self) -> &[ParameterGroup] {
        &self.groups
    }

    fn learning_rate(&self) -> f32 {
        self.learning_rate
    }

    fn update<S: Shape>(
        &mut self,
        step: &StepContext<'_>,
        parameter: &mut Tensor<S, f32, D>,
        gradients: &mut Gradients<f32, D>,
        kept: &mut RangerState<D>,
    ) -> Result<(), OpError> {
        let rectified = RectifiedStep {
            number: step.number,
            learning_rate: step.learning_rate(self.learning_rate),
            beta1: step.momentum(self.beta1),
            beta2: self.beta2,
            eps: self.eps,
            weight_decay: step.weight_decay(self.weight_decay),
            rectification: self.rectification,
            unrectified: self.unrectified,
        };
        ops::rectified_adam(parameter, gradients, &mut kept.moments, rectified)?;
        if step.number.is_multiple_of(self.look_ahead.steps.get()) {
            ops::look_ahead(parameter, &mut kept.slow, self.look_ahead.alpha)?;
        }
        Ok(())
    }
}
