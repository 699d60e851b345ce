use dfdx::prelude::{Gradients, Shape, Tensor};
use serde::{Deserialize, Serialize};

use super::{Kept, ParameterGroup, RuleOptimizer, StepContext, UpdateRule, flat, zeros};
use crate::ops::{self, AdamMoments, AdamStep, OpError, OpsDevice, WeightDecay};

/// Options of [`Adam`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamConfig {
    /// α.
    pub learning_rate: f32,
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε, beside the corrected root.
    pub eps: f32,
    /// Weight decay: `Penalty(λ)` is Adam's in PyTorch, `Decoupled(λ)` that of AdamW.
    pub weight_decay: WeightDecay,
    /// Steps over which the learning rate rises: step t has `t / warm_up` of it until it is reached, as in the AdamW that comes with the
    /// published RAdam (which adds 1e-8 to the rate of those steps, and has ε beside the uncorrected root).
    pub warm_up: u32,
    /// Exceptions; the first group whose pattern fits a name applies.
    pub groups: Vec<ParameterGroup>,
}

impl Default for AdamConfig {
    /// Those of the paper and of PyTorch: 0.001, 0.9, 0.999, 1e-8, no decay, no warm-up.
    fn default() -> Self {
        let weight_decay = WeightDecay::Penalty(0.0);
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay, warm_up: 0, groups: vec![] }
    }
}

/// Adam (see [`ops::adam`]), with the weight decay of Adam or AdamW and with linear warm-up.
pub type Adam<D> = RuleOptimizer<D, AdamConfig>;

impl<D: OpsDevice> Kept<D> for AdamMoments<D> {
    const ENTRIES: &'static [&'static str] = &["first_moment", "second_moment"];

    fn initial<S: Shape>(parameter: &Tensor<S, f32, D>) -> Result<Self, OpError> {
        Ok(Self { first: zeros(parameter)?, second: zeros(parameter)? })
    }

    fn save(&self) -> Result<Vec<Vec<f32>>, OpError> {
        Ok(vec![ops::to_vec(&self.first)?, ops::to_vec(&self.second)?])
    }

    fn load(device: &D, entries: Vec<Vec<f32>>) -> Result<Self, OpError> {
        let mut entries = entries.into_iter();
        let mut next = || flat(device, entries.next().unwrap_or_default());
        Ok(Self { first: next()?, second: next()? })
    }
}

impl<D: OpsDevice> UpdateRule<D> for AdamConfig {
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
        let risen = if step.number < self.warm_up { step.number as f32 / self.warm_up as f32 } else { 1.0 };
        let step = AdamStep {
            number: step.number,
            learning_rate: step.learning_rate(self.learning_rate) * risen,
            beta1: step.momentum(self.beta1),
            beta2: self.beta2,
            eps: self.eps,
            weight_decay: self.weight_decay.with(step.weight_decay(self.weight_decay.strength())),
        };
        ops::adam(parameter, gradients, kept, step)
    }
}
