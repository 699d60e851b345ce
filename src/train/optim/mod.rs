//! Optimizers: rules for one parameter, what they keep for it, and the walk over a model that they share.

mod adam;
mod any;
mod radam;
mod sgd;
mod swats;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use dfdx::prelude::{Gradients, HasShape, Shape, Tensor};
use serde::{Deserialize, Serialize};

use super::state_dict::{StateDict, StateTensor, StateValues};
use crate::blocks::{Parameters, Path, Role, Visitor, VisitorMut};
use crate::ops::{self, OpError, OpsDevice};

pub use adam::{Adam, AdamConfig};
pub use any::{AnyOptimizer, OptimizerConfig, OptimizerConfigError};
pub use radam::{LookAhead, RAdam, RAdamConfig, Ranger, RangerConfig, RangerState};
pub use sgd::{Sgd, SgdConfig, Velocity};
pub use swats::{Swats, SwatsConfig, SwatsRule, SwatsState};

/// Something that changes a model by its gradients, and whose state can be saved.
///
/// [`RuleOptimizer`] implements it for every [`UpdateRule`]; [`AnyOptimizer`] is one of the library's own, chosen at run time.
pub trait Optimizer<D: OpsDevice> {
    /// Multiplies every learning rate of the steps to come (a [`Schedule`](super::Schedule)).
    fn set_rate_factor(&mut self, factor: f32);

    /// The learning rate of the last step, that of parameters without a group.
    fn learning_rate(&self) -> f32;

    /// Exceptions for some parameters.
    fn groups(&self) -> &[ParameterGroup];

    /// Whether a parameter is changed at all: not if it is in a frozen [`ParameterGroup`].
    fn trains(&self, name: &str) -> bool;

    /// Updates every trained parameter that received a gradient. The others stay as they are, state, weight decay and momentum included, as
    /// in PyTorch.
    ///
    /// # Errors
    /// [`OpError`]: the device, or a restored state that does not fit the parameter.
    fn step<M: Parameters<D>>(&mut self, model: &mut M, gradients: Gradients<f32, D>) -> Result<(), OpError>;

    /// Everything that steps leave behind, on the host.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    fn state(&self) -> Result<StateDict, OpError>;

    /// Goes on from what [`Optimizer::state`] gave for a model: the steps to come have the same bits.
    ///
    /// # Errors
    /// [`RestoreError`] when the entries are not those of the model's trained parameters, each of its size, or those of no step at all; the
    /// optimizer is then as it was.
    fn restore<M: Parameters<D>>(&mut self, device: &D, model: &M, state: StateDict) -> Result<(), RestoreError>;
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
        expected: String,
    },
    /// The device failed.
    #[error(transparent)]
    Op(#[from] OpError),
}

/// Parameters whose names fit a pattern, and what is different for them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterGroup {
    /// Which names: `*` stands for any text. `MMENs.verb.*` are all parameters of a module, `*bias*` all that have `bias` in their name.
    pub pattern: String,
    /// Their learning rate; the optimizer's own where absent.
    #[serde(default)]
    pub learning_rate: Option<f32>,
    /// Their momentum (β₁ of the relatives of Adam); the optimizer's own where absent.
    #[serde(default)]
    pub momentum: Option<f32>,
    /// Their weight decay, 0 for none; the optimizer's own where absent.
    #[serde(default)]
    pub weight_decay: Option<f32>,
    /// Whether they stay as they are.
    #[serde(default)]
    pub frozen: bool,
}

impl ParameterGroup {
    /// Whether a parameter belongs to it.
    pub fn fits(&self, name: &str) -> bool {
        let mut parts = self.pattern.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// What a rule is told about the step that it takes.
#[derive(Debug, Clone, Copy)]
pub struct StepContext<'a> {
    /// Number of the parameter's step, from 1: steps in which it had no gradient do not count.
    pub number: u32,
    /// Factor of every learning rate.
    pub rate_factor: f32,
    /// The first group whose pattern fits the parameter.
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

    /// The weight decay of the parameter, where `own` is that of the optimizer.
    pub fn weight_decay(&self, own: f32) -> f32 {
        self.group.and_then(|group| group.weight_decay).unwrap_or(own)
    }
}

/// How one parameter is updated. Implement it, with what it keeps, for an optimizer of your own.
pub trait UpdateRule<D: OpsDevice> {
    /// What is kept for a parameter between steps.
    type Kept: Kept<D>;

    /// Name of the number that the rule keeps for all parameters together, if it keeps one.
    const NUMBER: Option<&'static str> = None;

    /// Exceptions; the first group whose pattern fits a name applies.
    fn groups(&self) -> &[ParameterGroup];

    /// The learning rate of parameters without a group, before the factor of a schedule.
    fn learning_rate(&self) -> f32;

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

    /// Number of values of an entry, for a parameter of so many: by default one for each.
    fn size(_entry: &str, parameter: usize) -> usize {
        parameter
    }

    /// What is kept before the first step: zeros, or what the rule starts from.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    fn initial<S: Shape>(parameter: &Tensor<S, f32, D>) -> Result<Self, OpError>;

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
    states: BTreeMap<String, ParameterState<R::Kept>>,
}

/// What is known of one parameter: how many steps it took, and what the rule keeps.
#[derive(Debug, Clone)]
struct ParameterState<K> {
    steps: u32,
    kept: K,
}

/// Ending of the entry that counts the steps of a parameter.
const STEPS: &str = "steps";

impl<D: OpsDevice, R: UpdateRule<D>> RuleOptimizer<D, R> {
    /// A fresh optimizer.
    pub fn new(config: impl Into<R>) -> Self {
        Self { rule: config.into(), rate_factor: 1.0, states: BTreeMap::new() }
    }

    /// The rule with its options.
    pub fn rule(&self) -> &R {
        &self.rule
    }
}

impl<D: OpsDevice, R: UpdateRule<D>> Optimizer<D> for RuleOptimizer<D, R> {
    fn set_rate_factor(&mut self, factor: f32) {
        self.rate_factor = factor;
    }

    fn learning_rate(&self) -> f32 {
        self.rule.learning_rate() * self.rate_factor
    }

    fn groups(&self) -> &[ParameterGroup] {
        self.rule.groups()
    }

    fn trains(&self, name: &str) -> bool {
        self.rule.groups().iter().find(|group| group.fits(name)).is_none_or(|group| !group.frozen)
    }

    fn step<M: Parameters<D>>(&mut self, model: &mut M, gradients: Gradients<f32, D>) -> Result<(), OpError> {
        let groups = self.rule.groups().to_vec();
        model.visit_mut(&Path::ROOT, &mut Update { optimizer: self, groups, gradients })
    }

    fn state(&self) -> Result<StateDict, OpError> {
        let mut state = StateDict::new();
        for (parameter, ParameterState { steps, kept }) in &self.states {
            for (entry, values) in R::Kept::ENTRIES.iter().zip(kept.save()?) {
                let tensor = StateTensor { shape: vec![values.len()], values: StateValues::F32(values) };
                state.insert(entry_name(parameter, entry), tensor);
            }
            let count = StateTensor { shape: vec![], values: StateValues::I64(vec![i64::from(*steps)]) };
            state.insert(entry_name(parameter, STEPS), count);
        }
        if let (Some(name), Some(number)) = (R::NUMBER, self.rule.number()) {
            let number = StateTensor { shape: vec![], values: StateValues::F32(vec![number]) };
            state.insert(entry_name("", name), number);
        }
        Ok(state)
    }

    fn restore<M: Parameters<D>>(&mut self, device: &D, model: &M, mut state: StateDict) -> Result<(), RestoreError> {
        let number = match R::NUMBER.and_then(|name| Some((name, state.remove(&entry_name("", name))?))) {
            Some((name, tensor)) => Some(floats(entry_name("", name), tensor, 1)?[0]),
            None => None,
        };
        let mut states = BTreeMap::new();
        // Before the first step there is nothing to keep.
        let trained = if state.is_empty() { vec![] } else { trained(model, |name| self.trains(name)) };
        for (parameter, size) in trained {
            let mut take = |entry: &str| {
                let name = entry_name(&parameter, entry);
                let tensor = state.remove(&name).ok_or_else(|| RestoreError::Missing { name: name.clone() })?;
                Ok::<_, RestoreError>((name, tensor))
            };
            let steps = take(STEPS).and_then(|(name, tensor)| step_count(name, &tensor))?;
            let lists = R::Kept::ENTRIES.iter().map(|entry| {
                let (name, tensor) = take(entry)?;
                floats(name, tensor, R::Kept::size(entry, size))
            });
            let kept = R::Kept::load(device, lists.collect::<Result<_, _>>()?)?;
            states.insert(parameter, ParameterState { steps, kept });
        }
        if let Some((name, _)) = state.pop_first() {
            return Err(RestoreError::Unexpected { name });
        }
        self.rule.restore_number(number);
        self.states = states;
        Ok(())
    }
}

/// One step of every parameter.
struct Update<'a, D: OpsDevice, R: UpdateRule<D>> {
    optimizer: &'a mut RuleOptimizer<D, R>,
    groups: Vec<ParameterGroup>,
    gradients: Gradients<f32, D>,
}

impl<D: OpsDevice, R: UpdateRule<D>> VisitorMut<D> for Update<'_, D, R> {
    type Error = OpError;

    fn tensor<S: Shape>(&mut self, path: &Path, role: Role, p: &mut Tensor<S, f32, D>) -> Result<(), OpError> {
        let name = path.to_string();
        let group = self.groups.iter().find(|group| group.fits(&name));
        if role != Role::Trained || group.is_some_and(|group| group.frozen) {
            return Ok(());
        }
        let RuleOptimizer { rule, rate_factor, states } = &mut *self.optimizer;
        let state = match states.entry(name) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(ParameterState { steps: 0, kept: R::Kept::initial(p)? }),
        };
        if !ops::has_gradient(p, &mut self.gradients)? {
            return Ok(());
        }
        state.steps = state.steps.saturating_add(1);
        let step = StepContext { number: state.steps, rate_factor: *rate_factor, group };
        rule.update(&step, p, &mut self.gradients, &mut state.kept)
    }
}

/// Names and sizes of the parameters that an optimizer changes.
fn trained<D: OpsDevice>(model: &impl Parameters<D>, trains: impl Fn(&str) -> bool) -> Vec<(String, usize)> {
    struct List<F>(Vec<(String, usize)>, F);
    impl<D: OpsDevice, F: Fn(&str) -> bool> Visitor<D> for List<F> {
        type Error = std::convert::Infallible;

        fn tensor<S: Shape>(&mut self, path: &Path, role: Role, p: &Tensor<S, f32, D>) -> Result<(), Self::Error> {
            let name = path.to_string();
            if role == Role::Trained && (self.1)(&name) {
                self.0.push((name, p.shape().num_elements()));
            }
            Ok(())
        }
    }
    let mut list = List(vec![], trains);
    let Ok(()) = model.visit(&Path::ROOT, &mut list);
    list.0
}

/// Names of the trained parameters of a model.
pub(super) fn trained_names<D: OpsDevice>(model: &impl Parameters<D>) -> Vec<String> {
    trained(model, |_| true).into_iter().map(|(name, _)| name).collect()
}

fn entry_name(parameter: &str, entry: &str) -> String {
    if entry.is_empty() { parameter.into() } else { format!("{parameter}.{entry}") }
}

fn floats(name: String, tensor: StateTensor, size: usize) -> Result<Vec<f32>, RestoreError> {
    match tensor.values {
        StateValues::F32(values) if values.len() == size => Ok(values),
        StateValues::F32(values) => {
            let (got, expected) = (format!("{} values", values.len()), size.to_string());
            Err(RestoreError::Mismatch { name, got, expected })
        }
        StateValues::I64(_) => Err(RestoreError::Mismatch { name, got: "i64".into(), expected: "f32".into() }),
    }
}

fn step_count(name: String, tensor: &StateTensor) -> Result<u32, RestoreError> {
    let got = match &tensor.values {
        StateValues::I64(values) => match values[..] {
            [count] => match u32::try_from(count) {
                Ok(count) => return Ok(count),
                Err(_) => count.to_string(),
            },
            _ => format!("{} values", values.len()),
        },
        StateValues::F32(_) => "f32".into(),
    };
    Err(RestoreError::Mismatch { name, got, expected: "one count of steps".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_a_shell_would_say() {
        let fits =
            |pattern: &str, name: &str| ParameterGroup { pattern: pattern.into(), ..Default::default() }.fits(name);
        assert!(fits("a.weight", "a.weight") && !fits("a.weight", "a.weight.b") && !fits("a.weight", "b.a.weight"));
        assert!(fits("MMENs.verb.*", "MMENs.verb.fc.bias") && !fits("MMENs.verb.*", "MMENs.noun.fc.bias"));
        assert!(fits("*bias*", "fc.bias") && fits("*bias*", "bias") && !fits("*bias*", "weight"));
        assert!(fits("a*b*c", "a1b2b3c") && !fits("a*b*c", "ac") && !fits("ab*b", "ab") && fits("*", ""));
    }
}
