//! `trained_model.pth` and `checkpoint-epoch<N>.pth` of the published trainer.
//!
//! A dict of `arch`, `epoch`, `state_dict`, `monitor_best`, `config` (a pickled `ConfigParser` object) and, on request, `optimizer`. Nothing
//! in it is executed: objects of classes that are not data are left out, and named.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde_json::Map;

use crate::formats::Limits;
use crate::formats::pickle::{PickleOptions, UnknownGlobal, Value};
use crate::formats::torch::{self, TorchError, TorchState};

/// What `nn.DataParallel`, training on several GPUs, puts before every name.
const PARALLEL: &str = "module.";

/// Layers of early versions that nothing uses, as their loader drops them too.
const DEPRECATED: [&str; 3] = ["ce.moe_fc_bottleneck1.", "ce.moe_cg.", "ce.moe_fc_proj."];

/// A published checkpoint.
#[derive(Debug, Clone)]
pub struct ExpertCheckpoint {
    /// Class of the model, such as `CENet`.
    pub arch: Option<String>,
    /// Epochs trained.
    pub epoch: Option<i64>,
    /// The best value of the monitored metric.
    pub monitor_best: Option<f64>,
    /// The configuration of the run with all that it inherited, where it is in the checkpoint: the published program pickles the object that
    /// holds it.
    pub config: Option<Map<String, serde_json::Value>>,
    /// Parameters and running statistics under the names of a model that was not parallel, for `train::from_torch`.
    pub state: TorchState,
    /// What was left out.
    pub skipped: Vec<Skipped>,
}

/// Something in a checkpoint that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skipped {
    /// A parameter of a layer that no version still uses.
    Deprecated(String),
    /// An entry of the state dict that is no tensor, and what it is.
    NotATensor(String, String),
    /// An entry of the checkpoint that is not read, such as `optimizer`.
    Entry(String),
    /// A class whose objects or methods are in an entry of the checkpoint: entry and class.
    Class(String, String),
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deprecated(name) => write!(f, "parameter {name} of a deprecated layer"),
            Self::NotATensor(name, found) => write!(f, "{name}, which is {found}, no tensor"),
            Self::Entry(name) => write!(f, "entry {name}"),
            Self::Class(entry, class) => write!(f, "class {class} in entry {entry}"),
        }
    }
}

/// Reads a checkpoint, in either container of torch.
///
/// # Errors
/// [`TorchError::File`], which names the file and holds the cause.
pub fn load_checkpoint(path: &Path, limits: &Limits) -> Result<ExpertCheckpoint, TorchError> {
    let options = PickleOptions { limits: limits.clone(), unknown_globals: UnknownGlobal::Opaque };
    let file = torch::load(path, &options)?;
    interpret(&file).map_err(|source| TorchError::File { path: path.into(), source: source.into() })
}

fn interpret(file: &torch::TorchCheckpoint) -> Result<ExpertCheckpoint, TorchError> {
    let mut state = file.state_dict(Some("state_dict"))?;
    if state.tensors.iter().all(|(name, _)| name.starts_with(PARALLEL)) {
        state.tensors.iter_mut().for_each(|(name, _)| *name = name[PARALLEL.len()..].into());
    }
    let mut skipped = vec![];
    state.tensors.retain(|(name, _)| {
        let deprecated = DEPRECATED.iter().any(|prefix| name.starts_with(prefix));
        if deprecated {
            skipped.push(Skipped::Deprecated(name.clone()));
        }
        !deprecated
    });
    skipped.extend(state.skipped.drain(..).map(|(name, found)| Skipped::NotATensor(name, found)));
    let (mut arch, mut epoch, mut monitor_best, mut config) = (None, None, None, None);
    // A state dict was found in it, so that it is a dict.
    for (key, value) in file.value.as_dict().iter().flat_map(|dict| dict.dict().entries()) {
        let Value::Str(key) = key else { continue };
        match &**key {
            "state_dict" => {}
            "arch" => arch = value.as_str().ok().map(String::from),
            "epoch" => epoch = value.as_i64().ok(),
            "monitor_best" => monitor_best = value.as_f64().ok(),
            "config" if config.is_none() && configuration(value).is_some() => config = configuration(value),
            _ => {
                skipped.push(Skipped::Entry(key.to_string()));
                let mut classes = BTreeSet::new();
                collect_classes(value, &mut classes);
                skipped.extend(classes.into_iter().map(|class| Skipped::Class(key.to_string(), class)));
            }
        }
    }
    Ok(ExpertCheckpoint { arch, epoch, monitor_best, config, state, skipped })
}

/// The configuration in a dict, or in an object that has one among its attributes.
fn configuration(value: &Value) -> Option<Map<String, serde_json::Value>> {
    match value {
        Value::Dict(dict) if SECTIONS.iter().all(|section| matches!(dict.get(*section), Some(Value::Dict(_)))) => {
            match json(value) {
                Some(serde_json::Value::Object(config)) => Some(config),
                _ => None,
            }
        }
        Value::Dict(dict) => dict.entries().iter().find_map(|(_, value)| configuration(value)),
        Value::Opaque(object) => configuration(&object.state).or_else(|| object.args.iter().find_map(configuration)),
        Value::Tuple(items) => items.iter().find_map(configuration),
        _ => None,
    }
}

/// Sections that every configuration of the published program has.
const SECTIONS: [&str; 4] = ["arch", "data_loader", "experts", "trainer"];

/// Plain data; paths and other objects, which no option is, are left out.
fn json(value: &Value) -> Option<serde_json::Value> {
    Some(match value {
        Value::None => serde_json::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Str(text) => (**text).into(),
        Value::List(items) | Value::Tuple(items) => items.iter().filter_map(json).collect(),
        Value::Dict(dict) => {
            let entry = |(key, value): &(Value, Value)| match key {
                Value::Str(key) => Some((key.to_string(), json(value)?)),
                _ => None,
            };
            serde_json::Value::Object(dict.entries().iter().filter_map(entry).collect())
        }
        _ => return None,
    })
}

/// Names of all classes that are not data. The depth of a tree, and the size of a walk through it, are bounded by the reader.
fn collect_classes(value: &Value, classes: &mut BTreeSet<String>) {
    match value {
        Value::Opaque(object) => {
            classes.insert(object.path());
            object.args.iter().chain(&object.items).for_each(|value| collect_classes(value, classes));
            collect_classes(&object.state, classes);
            object.entries.entries().iter().for_each(|(key, value)| {
                collect_classes(key, classes);
                collect_classes(value, classes);
            });
        }
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => {
            items.iter().for_each(|value| collect_classes(value, classes));
        }
        Value::Dict(dict) => dict.entries().iter().for_each(|(key, value)| {
            collect_classes(key, classes);
            collect_classes(value, classes);
        }),
        _ => {}
    }
}
