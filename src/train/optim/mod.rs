//! Optimizers: rules for one parameter, what they keep for it, and the walk over a model that they share.

mod adam;
mod any;
mod radam;
mod sgd;
mod swats;

use std::collections::BTreeMap;

use dfdx::prelude::{Gradients, HasShape, Shape, Tensor};
use serde::{Deserialize, Serialize};

use super::state_dict::{StateDict, StateTensor, StateValues};
use crate::blocks::{Parameters, Path, Role, VisitorMut};
use crate::ops::{self, OpError, OpsDevice};

pub use adam::{Adam, AdamConfig};
pub use any::{AnyOptimizer, ConfigError, OptimizerConfig};
pub use radam::{LookAhead, RAdam, RAdamConfig, Ranger, RangerConfig, RangerState};
pub use sgd::{Sgd, SgdConfig, Velocity};
pub use swats::{Swats, SwatsConfig, SwatsRule, SwatsState};

/// Something that changes a model by its gradients, and whose state can be saved.
///
/// [`RuleOptimizer`] implements it for every [`UpdateRule`]; [`AnyOptimizer`] is one of the library's own, chosen at run time.
pub trait Optimizer<D: OpsDevice> {
    /// Multiplies every learning rate of the steps to come (a [`Schedule`](super::Schedule)).
    fn set_rate_factor(&mut self, factor: f32);

    /// Updates every trained parameter with its gradient. A parameter that received none has a zero gradient; where the published programs
    /// skip such parameters (weight decay alone tells the difference), put them into a frozen [`ParameterGroup`].
    ///
    /// # Errors
    /// [`OpError`]: the device, or a restored state that does not fit the parameter.
    fn step<M: Parameters<D>>(&mut self, model: &mut M, gradients: Gradients<f32, D>) -> Result<(), OpError>;

    /// Everything that steps leave behind, on the host.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    fn state(&self) -> Result<StateDict, OpError>;

    /// Goes on from what [`Optimizer::state`] gave: the steps to come have the same bits.
    ///
    /// # Errors
    /// [`RestoreError`]; the optimizer is then as it was. A tensor of the wrong size is found by the next step.
    fn restore(&mut self, device: &D, state: StateDict) -> Result<(), RestoreError>;
}

/// Why the state of an optimizer cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The state has an entry that this optimizer does not keep: it is that of another one.
    #[error("optimizer state: unexpected entry {name}")]
    Unexpected {
        /// The entry.
        name: String,
    },
    /// An entry is missing.
    #[error("optimizer state: there is no entry {name}")]
    Missing {
        /// The entry.
        name: String,
    },
    /// An entry has the wrong type or number of values.
    #[error("optimizer state: {name} is {got}, expected {expected}")]
    Mismatch {
        /// The entry.
        name: String,
        /// What it is.
        got: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The device failed.
    #[error(transparent)]
    Op(#[from] OpError),
}

/// Parameters whose names start with a prefix, and what is different for them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterGroup {
    /// Start of the names, for example `MMENs.verb.`.
    pub prefix: String,
    /// Their learning rate; the optimizer's own where absent.
    #[serde(default)]
    pub learning_rate: Option<f32>,
    /// Their momentum (β₁ of the relatives of Adam); the optimizer's own where absent.
    #[serde(default)]
    pub momentum: Option<f32>,
    /// Whether they stay as they are.
    #[serde(default)]
    pub frozen: bool,
}

/// What a rule is told about the step that it takes.
#[derive(Debug, Clone, Copy)]
pub struct StepContext<'a> {
    /// Number of the step, from 1.
    pub number: u32,
    /// Factor of every learning rate.
    pub rate_factor: f32,
    /// The first group whose prefix fits the parameter.
    pub group: Option<&'a ParameterGroup>,
}

impl StepContext<'_> {
    /// The learning rate of the parameter, where `own` is that of the optimizer.
    pub fn learning_rate(&self, own: f32) -> f32 {
        self.group.and_then(|group| group.learning_rate).unwrap_or(own) * self.rate_factor
    }

    /// The momentum of the parameter, where `own` is that of the optimizer.
    pub fn momentum(&self, own: f64) -> f64 {
        self.group.and_then(|group| group.momentum).map_or(own, f64::from)
    }
}

/// How one parameter is updated. Implement it, with what it keeps, for an optimizer of your own.
pub trait UpdateRule<D: OpsDevice> {
    /// What is kept for a parameter between steps.
    type Kept: Kept<D>;

    /// Name of the number that the rule keeps for all parameters together, if it keeps one.
    const NUMBER: Option<&'static str> = None;

    /// Exceptions; the first group whose prefix fits a name applies.
    fn groups(&self) -> &[ParameterGroup];

    /// One step of one parameter.
    ///
    /// # Errors
    /// Those of the operations that it is made of.
    fn update<S: Shape>(
        &mut self,
        step: &StepContext<'_>,
        parameter: &mut Tensor<S, f32, D>,
        gradients: &mut Gradients<f32, D>,
        kept: &mut Self::Kept,
    ) -> Result<(), OpError>;

    /// That number, once there is one.
    fn number(&self) -> Option<f32> {
        None
    }

    /// Restores what [`UpdateRule::number`] gave.
    fn restore_number(&mut self, _number: Option<f32>) {}
}

/// What a rule keeps for one parameter.
pub trait Kept<D: OpsDevice>: Sized {
    /// Names of the saved entries. The entry of parameter `p` is `p.NAME`, or `p` itself where the name is empty.
    const ENTRIES: &'static [&'static str];

    /// Before the first step.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    fn fresh<S: Shape>(parameter: &Tensor<S, f32, D>) -> Result<Self, OpError>;

    /// One list of values for every entry.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    fn save(&self) -> Result<Vec<Vec<f32>>, OpError>;

    /// Takes what [`Kept::save`] gave: as many lists as there are entries.
    ///
    /// # Errors
    /// [`OpError`] when values do not fit.
    fn load(device: &D, entries: Vec<Vec<f32>>) -> Result<Self, OpError>;
}

/// Values of a parameter's state on the device, `(N,)`.
type Flat<D> = Tensor<(usize,), f32, D>;

fn zeros<S: Shape, D: OpsDevice>(parameter: &Tensor<S, f32, D>) -> Result<Flat<D>, OpError> {
    parameter.device().try_zeros_like(&(parameter.shape().num_elements(),)).map_err(ops::device_error)
}

fn flat<D: OpsDevice>(device: &D, values: Vec<f32>) -> Result<Flat<D>, OpError> {
    let n = values.len();
    ops::to_tensor(device, values, (n,))
}

/// An [`UpdateRule`] applied to a whole model.
#[derive(Debug, Clone)]
pub struct RuleOptimizer<D: OpsDevice, R: UpdateRule<D>> {
    rule: R,
    rate_factor: f32,
    steps: u32,
    kept: BTreeMap<String, R::Kept>,
}

/// Entry of the state that counts steps. No parameter's name begins with a dot.
const STEPS: &str = ".step";

impl<D: OpsDevice, R: UpdateRule<D>> RuleOptimizer<D, R> {
    /// A fresh optimizer.
    pub fn new(config: impl Into<R>) -> Self {
        Self { rule: config.into(), rate_factor: 1.0, steps: 0, kept: BTreeMap::new() }
    }

    /// The rule with its options.
    pub fn rule(&self) -> &R {
        &self.rule
    }

    /// See [`Optimizer::set_rate_factor`].
    pub fn set_rate_factor(&mut self, factor: f32) {
        self.rate_factor = factor;
    }

    /// See [`Optimizer::step`].
    ///
    /// # Errors
    /// As there.
    pub fn step(&mut self, model: &mut impl Parameters<D>, gradients: Gradients<f32, D>) -> Result<(), OpError> {
        struct Update<'a, D: OpsDevice, R: UpdateRule<D>> {
            optimizer: &'a mut RuleOptimizer<D, R>,
            groups: Vec<ParameterGroup>,
            gradients: Gradients<f32, D>,
        }

        impl<D: OpsDevice, R: UpdateRule<D>> VisitorMut<D> for Update<'_, D, R> {
            type Error = OpError;

            fn tensor<S: Shape>(&mut self, path: &Path, role: Role, p: &mut Tensor<S, f32, D>) -> Result<(), OpError> {
                if role != Role::Trained {
                    return Ok(());
                }
                let name = path.to_string();
                let group = self.groups.iter().find(|group| name.starts_with(&group.prefix));
                if group.is_some_and(|group| group.frozen) {
                    return Ok(());
                }
                let RuleOptimizer { rule, rate_factor, steps, kept } = &mut *self.optimizer;
                let kept = match kept.entry(name) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => entry.insert(R::Kept::fresh(p)?),
                };
                let step = StepContext { number: *steps, rate_factor: *rate_factor, group };
                rule.update(&step, p, &mut self.gradients, kept)
            }

            fn counter(&mut self, _: &Path, _: &mut u64) -> Result<(), OpError> {
                Ok(())
            }
        }

        self.steps = self.steps.saturating_add(1);
        let groups = self.rule.groups().to_vec();
        model.visit_mut(&Path::ROOT, &mut Update { optimizer: self, groups, gradients })
    }

    /// See [`Optimizer::state`].
    ///
    /// # Errors
    /// As there.
    pub fn state(&self) -> Result<StateDict, OpError> {
        let mut state = StateDict::new();
        for (parameter, kept) in &self.kept {
            for (entry, values) in R::Kept::ENTRIES.iter().zip(kept.save()?) {
                let tensor = StateTensor { shape: vec![values.len()], values: StateValues::F32(values) };
                state.insert(entry_name(parameter, entry), tensor);
            }
        }
        let scalar = |values| StateTensor { shape: vec![], values };
        state.insert(STEPS.into(), scalar(StateValues::I64(vec![i64::from(self.steps)])));
        if let (Some(name), Some(number)) = (R::NUMBER, self.rule.number()) {
            state.insert(entry_name("", name), scalar(StateValues::F32(vec![number])));
        }
        Ok(state)
    }

    /// See [`Optimizer::restore`].
    ///
    /// # Errors
    /// As there.
    pub fn restore(&mut self, device: &D, mut state: StateDict) -> Result<(), RestoreError> {
        // States written before steps were counted have none, and no rule of theirs asks for it.
        let steps = match state.remove(STEPS) {
            None => 0,
            Some(tensor) => step_count(&tensor)?,
        };
        let (mut number, mut entries) = (None, BTreeMap::<String, BTreeMap<&'static str, Vec<f32>>>::new());
        for (name, tensor) in state {
            let values = match tensor.values {
                StateValues::F32(values) => values,
                StateValues::I64(_) => {
                    return Err(RestoreError::Mismatch { name, got: "i64".into(), expected: "f32" });
                }
            };
            let of_all = name.strip_prefix('.');
            let known = R::Kept::ENTRIES.iter().find_map(|entry| Some((parameter_of(&name, entry)?, *entry)));
            match (known, values.first()) {
                (_, Some(value)) if of_all.is_some() && of_all == R::NUMBER => number = Some(*value),
                (Some((parameter, entry)), _) if of_all.is_none() => {
                    entries.entry(parameter.into()).or_default().insert(entry, values);
                }
                _ => return Err(RestoreError::Unexpected { name }),
            }
        }
        let mut kept = BTreeMap::new();
        for (parameter, mut entries) in entries {
            let take = |entry: &&'static str| {
                entries.remove(entry).ok_or_else(|| RestoreError::Missing { name: entry_name(&parameter, entry) })
            };
            let lists = R::Kept::ENTRIES.iter().map(take).collect::<Result<_, _>>()?;
            kept.insert(parameter, R::Kept::load(device, lists)?);
        }
        self.rule.restore_number(number);
        (self.kept, self.steps) = (kept, steps);
        Ok(())
    }
}

impl<D: OpsDevice, R: UpdateRule<D>> Optimizer<D> for RuleOptimizer<D, R> {
    fn set_rate_factor(&mut self, factor: f32) {
        self.set_rate_factor(factor);
    }

    fn step<M: Parameters<D>>(&mut self, model: &mut M, gradients: Gradients<f32, D>) -> Result<(), OpError> {
        self.step(model, gradients)
    }

    fn state(&self) -> Result<StateDict, OpError> {
        self.state()
    }

    fn restore(&mut self, device: &D, state: StateDict) -> Result<(), RestoreError> {
        self.restore(device, state)
    }
}

fn entry_name(parameter: &str, entry: &str) -> String {
    if entry.is_empty() { parameter.into() } else { format!("{parameter}.{entry}") }
}

fn parameter_of<'a>(name: &'a str, entry: &str) -> Option<&'a str> {
    if entry.is_empty() { Some(name) } else { name.strip_suffix(entry)?.strip_suffix('.') }
}

fn step_count(tensor: &StateTensor) -> Result<u32, RestoreError> {
    let expected = "one count of steps";
    let mismatch = |got: String| RestoreError::Mismatch { name: STEPS.into(), got, expected };
    match &tensor.values {
        StateValues::I64(values) => match values[..] {
            [count] => u32::try_from(count).map_err(|_| mismatch(count.to_string())),
            _ => Err(mismatch(format!("{} values", values.len()))),
        },
        StateValues::F32(_) => Err(mismatch("f32".into())),
    }
}
