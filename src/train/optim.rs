use std::collections::BTreeMap;

use dfdx::prelude::{Gradients, HasShape, Shape, Tensor};
use serde::{Deserialize, Serialize};

use super::state_dict::{StateDict, StateTensor, StateValues};
use crate::blocks::{Parameters, Path, Role, VisitorMut};
use crate::ops::{self, OpError, OpsDevice};

/// Parameters whose names start with a prefix, and what is different for them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterGroup {
    /// Start of the names, for example `MMENs.verb.`.
    pub prefix: String,
    /// Their learning rate; the optimizer's own where absent.
    #[serde(default)]
    pub learning_rate: Option<f32>,
    /// Their momentum; the optimizer's own where absent.
    #[serde(default)]
    pub momentum: Option<f32>,
    /// Whether they stay as they are.
    #[serde(default)]
    pub frozen: bool,
}

/// Options of [`Sgd`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SgdConfig {
    /// Step size.
    pub learning_rate: f32,
    /// Share of the last step that is kept.
    pub momentum: f32,
    /// Exceptions; the first group whose prefix fits a name applies.
    pub groups: Vec<ParameterGroup>,
}

impl Default for SgdConfig {
    /// The published recipe: 0.01 and 0.9.
    fn default() -> Self {
        Self { learning_rate: 0.01, momentum: 0.9, groups: vec![] }
    }
}

/// Stochastic gradient descent with momentum (see [`ops::sgd_momentum`]) and parameter groups.
#[derive(Debug, Clone)]
pub struct Sgd<D: OpsDevice> {
    config: SgdConfig,
    rate_factor: f32,
    velocities: BTreeMap<String, Tensor<(usize,), f32, D>>,
}

impl<D: OpsDevice> Sgd<D> {
    /// A fresh optimizer: all velocities zero.
    pub fn new(config: SgdConfig) -> Self {
        Self { config, rate_factor: 1.0, velocities: BTreeMap::new() }
    }

    /// Multiplies every learning rate of the steps to come (a [`Schedule`](super::Schedule)).
    pub fn set_rate_factor(&mut self, factor: f32) {
        self.rate_factor = factor;
    }

    /// Updates every trained parameter with its gradient. A parameter that received none has a zero gradient.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    pub fn step(&mut self, model: &mut impl Parameters<D>, gradients: Gradients<f32, D>) -> Result<(), OpError> {
        struct Update<'a, D: OpsDevice> {
            sgd: &'a mut Sgd<D>,
            gradients: Gradients<f32, D>,
        }

        impl<D: OpsDevice> VisitorMut<D> for Update<'_, D> {
            type Error = OpError;

            fn tensor<S: Shape>(&mut self, path: &Path, role: Role, p: &mut Tensor<S, f32, D>) -> Result<(), OpError> {
                if role != Role::Trained {
                    return Ok(());
                }
                let name = path.to_string();
                let config = &self.sgd.config;
                let group = config.groups.iter().find(|group| name.starts_with(&group.prefix));
                if group.is_some_and(|group| group.frozen) {
                    return Ok(());
                }
                let learning_rate = group.and_then(|group| group.learning_rate).unwrap_or(config.learning_rate);
                let learning_rate = learning_rate * self.sgd.rate_factor;
                let momentum = group.and_then(|group| group.momentum).unwrap_or(config.momentum);
                let velocity = match self.sgd.velocities.entry(name) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => {
                        let n = p.shape().num_elements();
                        entry.insert(ops::to_tensor(p.device(), vec![0.0; n], (n,))?)
                    }
                };
                ops::sgd_momentum(p, &mut self.gradients, velocity, learning_rate, momentum)
            }

            fn counter(&mut self, _: &Path, _: &mut u64) -> Result<(), OpError> {
                Ok(())
            }
        }

        model.visit_mut(&Path::ROOT, &mut Update { sgd: self, gradients })
    }

    /// The velocities by parameter name, on the host.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    pub fn state(&self) -> Result<StateDict, OpError> {
        self.velocities
            .iter()
            .map(|(name, velocity)| {
                let values = ops::to_vec(velocity)?;
                Ok((name.clone(), StateTensor { shape: vec![values.len()], values: StateValues::F32(values) }))
            })
            .collect()
    }

    /// Restores what [`Sgd::state`] gave.
    ///
    /// # Errors
    /// [`OpError::Device`] only. A velocity of the wrong size is found by the next [`Sgd::step`].
    pub fn restore(&mut self, device: &D, state: StateDict) -> Result<(), OpError> {
        self.velocities.clear();
        for (name, entry) in state {
            if let StateValues::F32(values) = entry.values {
                let n = values.len();
                self.velocities.insert(name, ops::to_tensor(device, values, (n,))?);
            }
        }
        Ok(())
    }
}
