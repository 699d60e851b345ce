//! `trained_model.pth` and `checkpoint-epoch<N>.pth` of the published trainer.
//!
//! A dict of `arch`, `epoch`, `state_dict`, `monitor_best`, `config` (a pickled `ConfigParser` object) and, on request, `optimizer`. Nothing
//! in it is executed: objects of classes that are not data are left out, and named.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde_json::Map;

use crate::files::LONGEST_TEXT;
use crate::formats::Limits;
use crate::formats::pickle::{Dict, PickleOptions, UnknownGlobal, Value};
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
    /// An entry of the configuration that is no plain data, and what it is.
    NotData(String, String),
    /// A configuration that would be longer than the files of configurations may be.
    TooLong(String),
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deprecated(name) => write!(f, "parameter {name} of a deprecated layer"),
            Self::NotATensor(name, found) => write!(f, "{name}, which is {found}, no tensor"),
            Self::Entry(name) => write!(f, "entry {name}"),
            Self::Class(entry, class) => write!(f, "class {class} in entry {entry}"),
            Self::NotData(name, found) => write!(f, "{name}, which is {found}, no plain data"),
            Self::TooLong(name) => write!(f, "entry {name}, a configuration of more than {} MiB", LONGEST_TEXT >> 20),
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
            "config" => match configuration(value).map(Plain::of) {
                Some(Ok((plain, unread))) => {
                    config = Some(plain);
                    skipped.extend(unread);
                }
                Some(Err(TooLong)) => skipped.push(Skipped::TooLong(key.to_string())),
                None => leave_out(key, value, &mut skipped),
            },
            _ => leave_out(key, value, &mut skipped),
        }
    }
    Ok(ExpertCheckpoint { arch, epoch, monitor_best, config, state, skipped })
}

/// An entry of the checkpoint that is not read, and the classes in it.
fn leave_out(key: &str, value: &Value, skipped: &mut Vec<Skipped>) {
    skipped.push(Skipped::Entry(key.into()));
    let mut classes = BTreeSet::new();
    collect_classes(value, &mut classes);
    skipped.extend(classes.into_iter().map(|class| Skipped::Class(key.into(), class)));
}

/// The configuration in a dict, or in an object that has one among its attributes.
fn configuration(value: &Value) -> Option<&Dict> {
    match value {
        Value::Dict(dict) if SECTIONS.iter().all(|section| matches!(dict.get(*section), Some(Value::Dict(_)))) => {
            Some(dict)
        }
        Value::Dict(dict) => dict.entries().iter().find_map(|(_, value)| configuration(value)),
        Value::Opaque(object) => configuration(&object.state).or_else(|| object.args.iter().find_map(configuration)),
        Value::Tuple(items) => items.iter().find_map(configuration),
        _ => None,
    }
}

/// Sections that every configuration of the published program has.
const SECTIONS: [&str; 4] = ["arch", "data_loader", "experts", "trainer"];

/// Makes plain data of a configuration; paths and other objects, which no option is, are left out.
///
/// What is made is bounded: pickles share values, so that a small file may be a long text.
struct Plain {
    /// Bytes of text that may still be made.
    left: u64,
    unread: Vec<Skipped>,
}

/// It would be longer than the text of a configuration may be.
struct TooLong;

/// Where a value is.
#[derive(Clone, Copy)]
struct Place<'a> {
    within: Option<&'a Place<'a>>,
    key: &'a str,
}

type Json = serde_json::Value;

impl Plain {
    fn of(config: &Dict) -> Result<(Map<String, Json>, Vec<Skipped>), TooLong> {
        let mut plain = Self { left: LONGEST_TEXT, unread: vec![] };
        let entries = plain.entries(config, Place { within: None, key: "config" })?;
        Ok((entries, plain.unread))
    }

    fn spend(&mut self, bytes: usize) -> Result<(), TooLong> {
        self.left = self.left.checked_sub(bytes as u64).ok_or(TooLong)?;
        Ok(())
    }

    fn entries(&mut self, dict: &Dict, place: Place<'_>) -> Result<Map<String, Json>, TooLong> {
        let mut entries = Map::new();
        for (key, value) in dict.entries() {
            let Value::Str(key) = key else {
                self.leave_out(place, &format!("an entry under {}", key.type_name()))?;
                continue;
            };
            // Quotes, and a colon.
            self.spend(key.len() + 3)?;
            if let Some(value) = self.json(value, Place { within: Some(&place), key })? {
                entries.insert(key.to_string(), value);
            }
        }
        Ok(entries)
    }

    fn json(&mut self, value: &Value, place: Place<'_>) -> Result<Option<Json>, TooLong> {
        // At least a digit, and a comma.
        self.spend(2)?;
        let real = |number: f64| serde_json::Number::from_f64(number).map(Json::Number);
        let plain = match value {
            Value::None => Some(Json::Null),
            Value::Bool(flag) => Some((*flag).into()),
            Value::Int(number) => Some((*number).into()),
            // As JSON has it, too; whoever wants a whole number refuses it.
            Value::BigInt(digits) => digits.parse().ok().and_then(real),
            Value::Float(number) => real(*number),
            Value::Str(text) => {
                self.spend(text.len())?;
                Some((**text).into())
            }
            Value::List(items) | Value::Tuple(items) => {
                let mut plain = vec![];
                for item in items.iter() {
                    plain.extend(self.json(item, place)?);
                }
                Some(plain.into())
            }
            Value::Dict(dict) => Some(Json::Object(self.entries(dict, place)?)),
            _ => None,
        };
        if plain.is_none() {
            let found = match value {
                Value::Float(number) => number.to_string().into(),
                Value::BigInt(_) => "an integer out of range".into(),
                other => other.type_name(),
            };
            self.leave_out(place, &found)?;
        }
        Ok(plain)
    }

    fn leave_out(&mut self, place: Place<'_>, found: &str) -> Result<(), TooLong> {
        let keys: Vec<&str> =
            std::iter::successors(Some(&place), |place| place.within).map(|place| place.key).collect();
        self.spend(keys.iter().map(|key| key.len() + 1).sum::<usize>() + found.len())?;
        let name = keys.into_iter().rev().collect::<Vec<_>>().join(".");
        self.unread.push(Skipped::NotData(name, found.into()));
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn dict(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Dict {
        entries.into_iter().map(|(key, value)| (key.into(), value)).collect()
    }

    fn list(items: Vec<Value>) -> Value {
        Value::List(items.into())
    }

    #[test]
    fn what_is_no_plain_data_is_left_out_and_named() {
        let loss = [("margin", Value::Float(f64::NAN)), ("fix_norm", Value::Bool(true))];
        let modalities = list(vec!["a".into(), Value::Bytes((*b"b").into()), "c".into()]);
        let config: Dict = [
            (Value::from("loss"), Value::Dict(dict(loss).into())),
            ("seed".into(), Value::BigInt("1180591620717411303424".into())),
            ("wide".into(), Value::BigInt("0x1".into())),
            (Value::Int(5), "x".into()),
            ("modalities".into(), modalities),
        ]
        .into_iter()
        .collect();
        let Ok((plain, unread)) = Plain::of(&config) else { panic!("it is short") };
        let expected =
            serde_json::json!({"loss": {"fix_norm": true}, "modalities": ["a", "c"], "seed": 1180591620717411303424.0});
        assert_eq!(Json::Object(plain), expected);
        let unread: Vec<String> = unread.iter().map(ToString::to_string).collect();
        let expected = [
            "config.loss.margin, which is NaN, no plain data",
            "config.wide, which is an integer out of range, no plain data",
            "config, which is an entry under int, no plain data",
            "config.modalities, which is bytes, no plain data",
        ];
        assert_eq!(unread, expected);
    }

    #[test]
    fn shared_values_do_not_make_a_long_configuration() {
        let text = Value::from("x".repeat(1 << 20).as_str());
        let texts = |count: usize| dict([("name", list(vec![text.clone(); count]))]);
        assert!(Plain::of(&texts(3)).is_ok());
        assert!(Plain::of(&texts(4)).is_err());
        // 2^40 values, were all of them made.
        let doubled = (0..40).fold(Value::Int(1), |half, _| list(vec![half.clone(), half]));
        assert!(Plain::of(&dict([("name", doubled)])).is_err());
        let file = Skipped::TooLong("config".into());
        assert_eq!(file.to_string(), "entry config, a configuration of more than 4 MiB");
    }
}
