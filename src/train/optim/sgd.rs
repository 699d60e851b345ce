use dfdx::prelude::{Gradients, Shape, Tensor};
use serde::{Deserialize, Serialize};

use super::{Flat, Kept, ParameterGroup, RuleOptimizer, StepContext, UpdateRule, flat, zeros};
use crate::ops::{self, OpError, OpsDevice};

/// Options of [`Sgd`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SgdConfig {
    /// Step size.
    pub learning_rate: f32,
    /// Share of the last step that is kept.
    pub momentum: f32,
    /// Exceptions; the first group whose pattern fits a name applies.
    pub groups: Vec<ParameterGroup>,
}

impl Default for SgdConfig {
    /// PyTorch's: 1e-3, without momentum.
    fn default() -> Self {
        Self { learning_rate: 1e-3, momentum: 0.0, groups: vec![] }
    }
}

/// Stochastic gradient descent with momentum (see [`ops::sgd_momentum`]).
pub type Sgd<D> = RuleOptimizer<D, SgdConfig>;

/// What [`Sgd`] keeps for a parameter.
#[derive(Debug, Clone)]
pub struct Velocity<D: OpsDevice>(Flat<D>);

impl<D: OpsDevice> Kept<D> for Velocity<D> {
    const ENTRIES: &'static [&'static str] = &[""];

    fn initial<S: Shape>(parameter: &Tensor<S, f32, D>) -> Result<Self, OpError> {
        Ok(Self(zeros(parameter)?))
    }

    fn save(&self) -> Result<Vec<Vec<f32>>, OpError> {
        Ok(vec![ops::to_vec(&self.0)?])
    }

    fn load(device: &D, entries: Vec<Vec<f32>>) -> Result<Self, OpError> {
        Ok(Self(flat(device, entries.into_iter().next().unwrap_or_default())?))
    }
}

impl<D: OpsDevice> UpdateRule<D> for SgdConfig {
    type Kept = Velocity<D>;

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
        kept: &mut Velocity<D>,
    ) -> Result<(), OpError> {
        let momentum = step.group.and_then(|group| group.momentum).unwrap_or(self.momentum);
        ops::sgd_momentum(parameter, gradients, &mut kept.0, step.learning_rate(self.learning_rate), momentum)
    }
}
