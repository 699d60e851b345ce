use std::collections::BTreeMap;
use std::fmt;

use dfdx::prelude::{HasShape, Shape, Tensor};

use crate::blocks::{Parameters, Path, Role, Visitor, VisitorMut};
use crate::formats::ndarray::{ArrayError, DType, NdArray};
use crate::formats::torch;
use crate::ops::{self, OpError, OpsDevice};

/// The values of one entry of a state dict.
#[derive(Debug, Clone, PartialEq)]
pub enum StateValues {
    /// A tensor.
    F32(Vec<f32>),
    /// An integer counter or integer tensor.
    I64(Vec<i64>),
}

/// One entry of a state dict.
#[derive(Debug, Clone, PartialEq)]
pub struct StateTensor {
    /// Sizes; empty for a scalar.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub values: StateValues,
}

/// Named tensors on the host: what checkpoints hold.
pub type StateDict = BTreeMap<String, StateTensor>;

/// What became of every entry when a state dict was loaded into a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Loaded.
    pub applied: Vec<String>,
    /// Wanted by the model, absent from the state dict.
    pub missing: Vec<String>,
    /// In the state dict, unknown to the model.
    pub unexpected: Vec<String>,
    /// `(name, shape or type of the model, shape or type of the state dict)`.
    pub mismatched: Vec<(String, String, String)>,
}

impl LoadReport {
    /// Whether every entry of the model was loaded and none was left over.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mismatched.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries loaded", self.applied.len())?;
        for (what, names) in [("missing", &self.missing), ("unexpected", &self.unexpected)] {
            if !names.is_empty() {
                write!(f, "; {what}: {}", names.join(", "))?;
            }
        }
        for (name, model, file) in &self.mismatched {
            write!(f, "; {name}: the model has {model}, the file {file}")?;
        }
        Ok(())
    }
}

/// The tensors of a published checkpoint. Floating types become f32, integers i64.
///
/// # Errors
/// [`ArrayError`] for a type that is neither.
pub fn from_torch(checkpoint: &torch::TorchState) -> Result<StateDict, ArrayError> {
    let convert = |(name, array): &(String, NdArray)| {
        let values = match array.dtype() {
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => StateValues::F32(array.to_f32_vec()?),
            _ => StateValues::I64(array.to_i64_vec()?),
        };
        Ok((name.clone(), StateTensor { shape: array.shape().to_vec(), values }))
    };
    checkpoint.tensors.iter().map(convert).collect()
}

/// Copies every named tensor of a model to the host.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn state_dict<D: OpsDevice>(model: &impl Parameters<D>) -> Result<StateDict, OpError> {
    struct Collect(StateDict);
    impl<D: OpsDevice> Visitor<D> for Collect {
        type Error = OpError;

        fn tensor<S: Shape>(&mut self, path: &Path, _: Role, tensor: &Tensor<S, f32, D>) -> Result<(), OpError> {
            let shape = tensor.shape().concrete().into();
            let values = StateValues::F32(ops::to_vec(tensor)?);
            self.0.insert(path.to_string(), StateTensor { shape, values });
            Ok(())
        }

        fn counter(&mut self, path: &Path, value: &u64) -> Result<(), OpError> {
            let values = StateValues::I64(vec![*value as i64]);
            self.0.insert(path.to_string(), StateTensor { shape: vec![], values });
            Ok(())
        }
    }
    let mut collect = Collect(StateDict::new());
    model.visit(&Path::ROOT, &mut collect)?;
    Ok(collect.0)
}

fn describe(tensor: &StateTensor) -> String {
    let kind = match tensor.values {
        StateValues::F32(_) => "f32",
        StateValues::I64(_) => "i64",
    };
    format!("{kind} {:?}", tensor.shape)
}

/// Loads a state dict into a model. Entries that do not fit are reported and left as they were; the caller decides
/// whether an incomplete load is an error.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn load<D: OpsDevice>(model: &mut impl Parameters<D>, entries: &StateDict) -> Result<LoadReport, OpError> {
    struct Load<'a> {
        entries: &'a StateDict,
        report: LoadReport,
    }

    impl Load<'_> {
        /// The entry of that name if it has the wanted type and shape.
        fn find(&mut self, path: &Path, wanted: StateTensor) -> Option<&StateTensor> {
            let name = path.to_string();
            let Some(found) = self.entries.get(&name) else {
                self.report.missing.push(name);
                return None;
            };
            let same_kind = std::mem::discriminant(&found.values) == std::mem::discriminant(&wanted.values);
            if !same_kind || found.shape != wanted.shape {
                self.report.mismatched.push((name, describe(&wanted), describe(found)));
                return None;
            }
            self.report.applied.push(name);
            Some(found)
        }
    }

    impl<D: OpsDevice> VisitorMut<D> for Load<'_> {
        type Error = OpError;

        fn tensor<S: Shape>(&mut self, path: &Path, _: Role, tensor: &mut Tensor<S, f32, D>) -> Result<(), OpError> {
            let shape = *tensor.shape();
            let wanted = StateTensor { shape: shape.concrete().into(), values: StateValues::F32(vec![]) };
            if let Some(StateTensor { values: StateValues::F32(values), .. }) = self.find(path, wanted) {
                *tensor = ops::to_tensor(tensor.device(), values.clone(), shape)?;
            }
            Ok(())
        }

        fn counter(&mut self, path: &Path, value: &mut u64) -> Result<(), OpError> {
            // Of one value, whether it is a scalar (`num_batches_tracked`) or has an axis (`queue_ptr`).
            let name = path.to_string();
            let shape =
                self.entries.get(&name).map(|entry| entry.shape.clone()).filter(|shape| shape.iter().all(|n| *n == 1));
            let wanted = StateTensor { shape: shape.unwrap_or_default(), values: StateValues::I64(vec![]) };
            if let Some(StateTensor { values: StateValues::I64(values), .. }) = self.find(path, wanted) {
                *value = values.first().map_or(0, |v| (*v).max(0) as u64);
            }
            Ok(())
        }
    }

    let mut loader = Load { entries, report: LoadReport::default() };
    model.visit_mut(&Path::ROOT, &mut loader)?;
    let mut report = loader.report;
    let known = |name: &String| {
        let of_model = |names: &[String]| names.contains(name);
        of_model(&report.applied) || report.mismatched.iter().any(|(n, ..)| n == name)
    };
    report.unexpected = entries.keys().filter(|name| !known(name)).cloned().collect();
    Ok(report)
}
