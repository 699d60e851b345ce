use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::files::write_atomically;

use super::state_dict::{StateDict, StateTensor, StateValues};

/// What can go wrong with a checkpoint file.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not a safetensors file, or is damaged.
    #[error("{path}: not a readable safetensors file: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A tensor has a type that checkpoints do not have.
    #[error("{path}: tensor {name} is {dtype}, expected F32 or I64")]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// The description of the run is missing or damaged.
    #[error("{path}: not a checkpoint of a run: {reason} in the file's metadata")]
    Metadata {
        /// The file.
        path: PathBuf,
        /// What is missing or damaged.
        reason: String,
    },
}

/// How far a run had come when a checkpoint was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Progress {
    /// Epochs completed.
    pub epochs: usize,
    /// Batches completed in the epoch after those.
    pub batches: usize,
    /// Sum of their losses.
    pub partial_loss: f64,
    /// Named shares added up over them, as (part, whole).
    pub partial_shares: BTreeMap<String, (f64, f64)>,
    /// Optimizer steps taken.
    pub steps: u64,
    /// Best validation score so far, with its epoch.
    pub best: Option<(f64, usize)>,
}

/// A training state: parameters under their published names, optimizer state, progress, and the run's configuration.
///
/// One safetensors file, so that it is written whole or not at all: the tensors of the model under their own names, those
/// of the optimizer behind `optimizer.`, progress and configuration in the metadata.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checkpoint {
    /// The model.
    pub model: StateDict,
    /// The optimizer; empty in a file for evaluation only.
    pub optimizer: StateDict,
    /// How far the run had come.
    pub progress: Progress,
    /// The configuration of the run, as text.
    pub config: String,
    /// Digest of the data of the run, by which a resumed run knows them.
    pub data: String,
}

const OPTIMIZER: &str = "optimizer.";

/// The one key of the file's metadata: the safetensors crate writes several in an order that changes from run to run, and
/// equal states should give equal bytes.
const METADATA: &str = "coembed";

#[derive(Serialize, Deserialize)]
struct Description {
    version: String,
    progress: Progress,
    config: String,
    data: String,
}

fn bytes(tensor: &StateTensor) -> (Dtype, Vec<u8>) {
    match &tensor.values {
        StateValues::F32(values) => (Dtype::F32, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        StateValues::I64(values) => (Dtype::I64, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
    }
}

fn values(dtype: Dtype, data: &[u8]) -> Option<StateValues> {
    match dtype {
        Dtype::F32 => Some(StateValues::F32(data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())),
        Dtype::I64 => Some(StateValues::I64(data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect())),
        _ => None,
    }
}

impl Checkpoint {
    /// Writes the file under a temporary name and renames it: a reader sees the old file or the new one, never a part.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let format = |reason: String| CheckpointError::Format { path: path.into(), reason };
        let named = self.model.iter().map(|(name, tensor)| (name.clone(), tensor));
        let named = named.chain(self.optimizer.iter().map(|(name, tensor)| (format!("{OPTIMIZER}{name}"), tensor)));
        let data: Vec<_> = named.map(|(name, tensor)| (name, bytes(tensor), tensor.shape.clone())).collect();
        let views = data
            .iter()
            .map(|(name, (dtype, bytes), shape)| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|e| format(e.to_string()))?;
        let description = Description {
            version: env!("CARGO_PKG_VERSION").into(),
            progress: self.progress.clone(),
            config: self.config.clone(),
            data: self.data.clone(),
        };
        let description = serde_json::to_string(&description).map_err(|e| format(e.to_string()))?;
        let metadata = [(METADATA.to_string(), description)].into();
        let file = safetensors::serialize(views, Some(metadata)).map_err(|e| format(e.to_string()))?;
        write_atomically(path, &file).map_err(|source| CheckpointError::Io { path: path.into(), source })
    }

    /// Reads a file that [`Checkpoint::save`] wrote.
    ///
    /// # Errors
    /// [`CheckpointError`], naming the file and what is wrong in it.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let file = fs::read(path).map_err(|source| CheckpointError::Io { path: path.into(), source })?;
        let format =
            |e: safetensors::SafeTensorError| CheckpointError::Format { path: path.into(), reason: e.to_string() };
        let tensors = SafeTensors::deserialize(&file).map_err(format)?;
        let (_, header) = SafeTensors::read_metadata(&file).map_err(format)?;
        let metadata = |reason| CheckpointError::Metadata { path: path.into(), reason };
        let description = header.metadata().as_ref().and_then(|entries| entries.get(METADATA));
        let description = description.ok_or_else(|| metadata(format!("no entry {METADATA}")))?;
        let description: Description = serde_json::from_str(description).map_err(|e| metadata(e.to_string()))?;
        let Description { progress, config, data, .. } = description;
        let mut checkpoint = Self { progress, config, data, ..Self::default() };
        for (name, view) in tensors.tensors() {
            let Some(values) = values(view.dtype(), view.data()) else {
                let dtype = format!("{:?}", view.dtype());
                return Err(CheckpointError::Dtype { path: path.into(), name, dtype });
            };
            let tensor = StateTensor { shape: view.shape().to_vec(), values };
            match name.strip_prefix(OPTIMIZER) {
                Some(parameter) => checkpoint.optimizer.insert(parameter.to_string(), tensor),
                None => checkpoint.model.insert(name, tensor),
            };
        }
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Checkpoint {
        let tensor = |shape: Vec<usize>, values| StateTensor { shape, values };
        Checkpoint {
            model: [
                ("fc.weight".into(), tensor(vec![2, 1], StateValues::F32(vec![1.5, -2.0]))),
                ("batches".into(), tensor(vec![], StateValues::I64(vec![3]))),
            ]
            .into(),
            optimizer: [("fc.weight".into(), tensor(vec![2], StateValues::F32(vec![0.5, f32::MIN_POSITIVE])))].into(),
            progress: Progress { epochs: 2, steps: 34, best: Some((0.1 + 0.2, 1)), ..Progress::default() },
            config: "(seed: 1) // \"quoted\"".into(),
            data: "abc".into(),
        }
    }

    #[test]
    fn a_saved_checkpoint_reads_back_equal_and_with_equal_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.safetensors"), folder.path().join("b.safetensors"));
        example().save(&a).unwrap();
        let read = Checkpoint::open(&a).unwrap();
        assert_eq!(read, example());
        read.save(&b).unwrap();
        assert_eq!(fs::read(a).unwrap(), fs::read(b).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        example().save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in [0, 7, 8, 40, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            let error = Checkpoint::open(&path).unwrap_err().to_string();
            assert!(error.contains("a.safetensors"), "{error}");
        }
    }
}
