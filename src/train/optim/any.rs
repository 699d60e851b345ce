use dfdx::prelude::Gradients;
use serde::{Deserialize, Serialize};

use super::{
    Adam, AdamConfig, Optimizer, ParameterGroup, RAdam, RAdamConfig, Ranger, RangerConfig, RestoreError, Sgd,
    SgdConfig, Swats, SwatsConfig,
};
use crate::blocks::Parameters;
use crate::ops::{OpError, OpsDevice};
use crate::train::StateDict;

/// An optimizer with its options, as a configuration names it: `Ranger((learning_rate: 0.1, weight_decay: 0.001))` in RON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum OptimizerConfig {
    /// [`Sgd`].
    Sgd(SgdConfig),
    /// [`Adam`].
    Adam(AdamConfig),
    /// [`RAdam`].
    RAdam(RAdamConfig),
    /// [`Ranger`].
    Ranger(RangerConfig),
    /// [`Swats`].
    Swats(SwatsConfig),
}

/// An option of an optimizer that is out of range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("optimizer: {field} is {value}, expected {expected}")]
pub struct OptimizerConfigError {
    /// The option.
    pub field: &'static str,
    /// Its value.
    pub value: f64,
    /// The range.
    pub expected: &'static str,
}

/// `field`, its value, and the range that it must be in.
type Check = (&'static str, f64, Range);

#[derive(Clone, Copy)]
enum Range {
    /// Finite and at least 0.
    NotNegative,
    /// Finite and above 0.
    Positive,
    /// In [0, 1).
    Share,
    /// In [0, 1].
    Part,
    /// Nothing else.
    Zero,
}

impl Range {
    fn check(self, field: &'static str, value: f64) -> Result<(), OptimizerConfigError> {
        let (fits, expected) = match self {
            Self::NotNegative => (value >= 0.0 && value.is_finite(), "a finite number, at least 0"),
            Self::Positive => (value > 0.0 && value.is_finite(), "a finite number above 0"),
            Self::Share => ((0.0..1.0).contains(&value), "at least 0 and below 1"),
            Self::Part => ((0.0..=1.0).contains(&value), "between 0 and 1"),
            Self::Zero => (value == 0.0, "0: this optimizer has no weight decay"),
        };
        if fits { Ok(()) } else { Err(OptimizerConfigError { field, value, expected }) }
    }
}

fn adam_checks(learning_rate: f32, beta1: f64, beta2: f64, eps: f32, weight_decay: f32) -> Vec<Check> {
    vec![
        ("learning_rate", learning_rate.into(), Range::NotNegative),
        ("beta1", beta1, Range::Share),
        ("beta2", beta2, Range::Share),
        ("eps", eps.into(), Range::Positive),
        ("weight_decay", weight_decay.into(), Range::NotNegative),
    ]
}

impl OptimizerConfig {
    /// The optimizer, fresh.
    ///
    /// # Errors
    /// [`OptimizerConfigError`] for the first option that is out of range.
    pub fn build<D: OpsDevice>(&self) -> Result<AnyOptimizer<D>, OptimizerConfigError> {
        self.check()?;
        Ok(match self.clone() {
            Self::Sgd(config) => AnyOptimizer::Sgd(Sgd::new(config)),
            Self::Adam(config) => AnyOptimizer::Adam(Adam::new(config)),
            Self::RAdam(config) => AnyOptimizer::RAdam(RAdam::new(config)),
            Self::Ranger(config) => AnyOptimizer::Ranger(Ranger::new(config)),
            Self::Swats(config) => AnyOptimizer::Swats(Swats::new(config)),
        })
    }

    /// The learning rate of parameters without a group.
    pub fn learning_rate(&self) -> f32 {
        match self {
            Self::Sgd(c) => c.learning_rate,
            Self::Adam(c) => c.learning_rate,
            Self::RAdam(c) => c.learning_rate,
            Self::Ranger(c) => c.learning_rate,
            Self::Swats(c) => c.learning_rate,
        }
    }

    fn groups(&self) -> &[ParameterGroup] {
        match self {
            Self::Sgd(c) => &c.groups,
            Self::Adam(c) => &c.groups,
            Self::RAdam(c) => &c.groups,
            Self::Ranger(c) => &c.groups,
            Self::Swats(c) => &c.groups,
        }
    }

    /// Refuses options that are out of range.
    ///
    /// # Errors
    /// [`OptimizerConfigError`] for the first.
    pub fn check(&self) -> Result<(), OptimizerConfigError> {
        let mut checks = match self {
            Self::Sgd(c) => vec![
                ("learning_rate", c.learning_rate.into(), Range::NotNegative),
                ("momentum", c.momentum.into(), Range::Share),
            ],
            Self::Adam(c) => adam_checks(c.learning_rate, c.beta1, c.beta2, c.eps, c.weight_decay.strength()),
            Self::RAdam(c) => adam_checks(c.learning_rate, c.beta1, c.beta2, c.eps, c.weight_decay),
            Self::Ranger(c) => {
                let mut checks = adam_checks(c.learning_rate, c.beta1, c.beta2, c.eps, c.weight_decay);
                checks.push(("look_ahead.alpha", c.look_ahead.alpha.into(), Range::Part));
                checks
            }
            Self::Swats(c) => {
                let mut checks = adam_checks(c.learning_rate, c.beta1, c.beta2, c.eps, c.weight_decay);
                checks.push(("tolerance", c.tolerance, Range::NotNegative));
                checks
            }
        };
        for group in self.groups() {
            checks.extend(group.learning_rate.map(|rate| ("groups.learning_rate", rate.into(), Range::NotNegative)));
            checks.extend(group.momentum.map(|momentum| ("groups.momentum", momentum.into(), Range::Share)));
            // Stochastic gradient descent has no weight decay to differ from.
            let range = if matches!(self, Self::Sgd(_)) { Range::Zero } else { Range::NotNegative };
            checks.extend(group.weight_decay.map(|decay| ("groups.weight_decay", decay.into(), range)));
        }
        checks.into_iter().try_for_each(|(field, value, range)| range.check(field, value))
    }
}

/// One of the library's optimizers, chosen at run time.
#[derive(Debug, Clone)]
pub enum AnyOptimizer<D: OpsDevice> {
    /// [`Sgd`].
    Sgd(Sgd<D>),
    /// [`Adam`].
    Adam(Adam<D>),
    /// [`RAdam`].
    RAdam(RAdam<D>),
    /// [`Ranger`].
    Ranger(Ranger<D>),
    /// [`Swats`].
    Swats(Swats<D>),
}

/// The same call on whichever it is.
macro_rules! each {
    ($any:expr, $optimizer:ident => $call:expr) => {
        match $any {
            AnyOptimizer::Sgd($optimizer) => $call,
            AnyOptimizer::Adam($optimizer) => $call,
            AnyOptimizer::RAdam($optimizer) => $call,
            AnyOptimizer::Ranger($optimizer) => $call,
            AnyOptimizer::Swats($optimizer) => $call,
        }
    };
}

impl<D: OpsDevice> Optimizer<D> for AnyOptimizer<D> {
    fn set_rate_factor(&mut self, factor: f32) {
        each!(self, optimizer => optimizer.set_rate_factor(factor));
    }

    fn learning_rate(&self) -> f32 {
        each!(self, optimizer => optimizer.learning_rate())
    }

    fn groups(&self) -> &[ParameterGroup] {
        each!(self, optimizer => Optimizer::<D>::groups(optimizer))
    }

    fn trains(&self, name: &str) -> bool {
        each!(self, optimizer => optimizer.trains(name))
    }

    fn step<M: Parameters<D>>(&mut self, model: &mut M, gradients: Gradients<f32, D>) -> Result<(), OpError> {
        each!(self, optimizer => optimizer.step(model, gradients))
    }

    fn state(&self) -> Result<StateDict, OpError> {
        each!(self, optimizer => optimizer.state())
    }

    fn restore<M: Parameters<D>>(&mut self, device: &D, model: &M, state: StateDict) -> Result<(), RestoreError> {
        each!(self, optimizer => optimizer.restore(device, model, state))
    }
}
