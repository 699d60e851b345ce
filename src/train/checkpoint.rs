use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::files::{open_regular, write_with};

use super::state_dict::{StateDict, StateTensor, StateValues};

/// What can go wrong with a checkpoint file.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not a safetensors file, or is damaged.
    #[error("{}: not a readable safetensors file: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A tensor has a type that checkpoints do not have.
    #[error("{}: tensor {name} is {dtype}, expected F32 or I64", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// The file is not as it was written.
    #[error("{}: damaged: its contents do not fit its checksum", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
    },
    /// The description of the run is missing or damaged.
    #[error("{}: not a checkpoint of a run: {reason} in the file's metadata", path.display())]
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
    /// Lines of the log.
    #[serde(default)]
    pub lines: usize,
    /// The best validation so far.
    pub best: Option<Best>,
    /// Validations in a row since then that were not better.
    pub stale: usize,
    /// Whether patience is at an end.
    pub ended: bool,
}

/// The best validation of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its score.
    pub score: f64,
    /// Its epoch, from 0.
    pub epoch: usize,
    /// Optimizer steps taken before it.
    pub step: u64,
}

impl Progress {
    /// Adds what a batch gave.
    pub(super) fn add(&mut self, loss: f64, shares: Vec<(&'static str, f64, f64)>) {
        self.partial_loss += loss;
        for (name, part, whole) in shares {
            let (parts, wholes) = self.partial_shares.entry(name.into()).or_default();
            *parts += part;
            *wholes += whole;
        }
    }

    /// Counts an epoch as done; loss and shares of it.
    pub(super) fn end_epoch(&mut self) -> Vec<(String, f64)> {
        let mut numbers = vec![("loss".to_string(), std::mem::take(&mut self.partial_loss))];
        let shares = std::mem::take(&mut self.partial_shares);
        numbers.extend(shares.into_iter().map(|(name, (part, whole))| (name, part / whole.max(1.0))));
        (self.epochs, self.batches) = (self.epochs + 1, 0);
        numbers
    }
}

/// A training state: parameters under their published names, optimizer state, progress, and the run's configuration.
///
/// One safetensors file, so that it is written whole or not at all: the tensors of the model under their own names, those
/// of the optimizer behind `optimizer.`, of the task behind `task.`; progress, configuration and a checksum over everything in the metadata.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checkpoint {
    /// The model.
    pub model: StateDict,
    /// The optimizer; empty in a file for evaluation only.
    pub optimizer: StateDict,
    /// What the task remembers.
    pub task: StateDict,
    /// How far the run had come.
    pub progress: Progress,
    /// The configuration of the run, as text.
    pub config: String,
    /// Digest of the data of the run, by which a resumed run knows them.
    pub data: String,
}

const OPTIMIZER: &str = "optimizer.";
const TASK: &str = "task.";

/// The one key of the file's metadata: the safetensors crate writes several in an order that changes from run to run, and
/// equal states should give equal bytes.
const METADATA: &str = "coembed";

#[derive(Clone, Serialize, Deserialize)]
struct Description {
    version: String,
    progress: Progress,
    config: String,
    data: String,
    /// Of the tensors, and of this description with nothing here.
    sha256: String,
}

impl Description {
    /// Digest of the description, without its own, and of tensors in the order of their names.
    fn digest<'a>(
        &self,
        tensors: impl Iterator<Item = (&'a str, Dtype, &'a [usize], &'a [u8])>,
    ) -> serde_json::Result<String> {
        let mut digest = Sha256::new();
        digest.update(serde_json::to_string(&Self { sha256: String::new(), ..self.clone() })?);
        for (name, dtype, shape, bytes) in tensors {
            digest.update(format!("\n{name} {dtype:?} {shape:?}\n"));
            digest.update(bytes);
        }
        Ok(hex(&digest.finalize()))
    }
}

fn bytes(tensor: &StateTensor) -> (Dtype, Cow<'_, [u8]>) {
    match &tensor.values {
        StateValues::F32(values) => (Dtype::F32, little_endian(values, f32::to_le_bytes)),
        StateValues::I64(values) => (Dtype::I64, little_endian(values, i64::to_le_bytes)),
    }
}

/// Numbers as a file has them: where they stand, if the machine has the same order of bytes.
fn little_endian<T: bytemuck::NoUninit, const N: usize>(values: &[T], of: fn(T) -> [u8; N]) -> Cow<'_, [u8]> {
    match cfg!(target_endian = "little") {
        true => Cow::Borrowed(bytemuck::cast_slice(values)),
        false => Cow::Owned(values.iter().flat_map(|value| of(*value)).collect()),
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
    /// Whether a name is that of something else than a parameter.
    pub(super) fn is_reserved(name: &str) -> bool {
        name.starts_with(OPTIMIZER) || name.starts_with(TASK)
    }

    /// Writes the file under a temporary name and renames it: a reader sees the old file or the new one, never a part.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let model = self.model.iter().map(|(name, tensor)| (name.clone(), tensor));
        let optimizer = self.optimizer.iter().map(|(name, tensor)| (format!("{OPTIMIZER}{name}"), tensor));
        let task = self.task.iter().map(|(name, tensor)| (format!("{TASK}{name}"), tensor));
        self.write(path, model.chain(optimizer).chain(task).collect())
    }

    /// Writes the parameters, progress and configuration: what evaluation takes.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn save_parameters(&self, path: &Path) -> Result<(), CheckpointError> {
        self.write(path, self.model.iter().map(|(name, tensor)| (name.clone(), tensor)).collect())
    }

    /// No value is copied on its way to the file.
    fn write(&self, path: &Path, mut tensors: Vec<(String, &StateTensor)>) -> Result<(), CheckpointError> {
        tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut data: Vec<_> = tensors.iter().map(|(name, tensor)| (name, &tensor.shape, bytes(tensor))).collect();
        let mut description = Description {
            version: env!("CARGO_PKG_VERSION").into(),
            progress: self.progress.clone(),
            config: self.config.clone(),
            data: self.data.clone(),
            sha256: String::new(),
        };
        let all = data.iter().map(|(name, shape, (dtype, bytes))| (name.as_str(), *dtype, &shape[..], &bytes[..]));
        let format = |reason: String| CheckpointError::Format { path: path.into(), reason };
        description.sha256 = description.digest(all).map_err(|e| format(e.to_string()))?;
        let description = serde_json::to_string(&description).map_err(|e| format(e.to_string()))?;
        // Wide types first, so that each begins at a multiple of its width.
        data.sort_by_key(|(.., (dtype, _))| std::cmp::Reverse(*dtype));
        let mut end = 0;
        let place = |(name, shape, (dtype, bytes)): &(&String, &Vec<usize>, (Dtype, Cow<[u8]>))| {
            let begin = end;
            end += bytes.len();
            (name.to_string(), TensorInfo { dtype: *dtype, shape: shape.to_vec(), data_offsets: (begin, end) })
        };
        let places = data.iter().map(place).collect();
        let header = Metadata::new(Some([(METADATA.to_string(), description)].into()), places);
        let header = header.map_err(|e| format(e.to_string()))?;
        let mut header = serde_json::to_vec(&header).map_err(|e| format(e.to_string()))?;
        header.resize(header.len().next_multiple_of(8), b' ');
        let write = |file: &mut dyn Write| {
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            data.iter().try_for_each(|(.., (_, bytes))| file.write_all(bytes))
        };
        write_with(path, write).map_err(|source| CheckpointError::Io { path: path.into(), source })
    }

    /// Reads a file that [`Checkpoint::save`] or [`Checkpoint::save_parameters`] wrote.
    ///
    /// # Errors
    /// [`CheckpointError`], naming the file and what is wrong in it; one changed bit is.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let io = |source| CheckpointError::Io { path: path.into(), source };
        let (mut source, length) = open_regular(path).map_err(io)?;
        let mut file = Vec::new();
        file.try_reserve_exact(length as usize)
            .map_err(|error| io(io::Error::new(io::ErrorKind::OutOfMemory, error)))?;
        source.read_to_end(&mut file).map_err(io)?;
        let format =
            |e: safetensors::SafeTensorError| CheckpointError::Format { path: path.into(), reason: e.to_string() };
        let tensors = SafeTensors::deserialize(&file).map_err(format)?;
        let (_, header) = SafeTensors::read_metadata(&file).map_err(format)?;
        let metadata = |reason| CheckpointError::Metadata { path: path.into(), reason };
        let description = header.metadata().as_ref().and_then(|entries| entries.get(METADATA));
        let description = description.ok_or_else(|| metadata(format!("no entry {METADATA}")))?;
        let description: Description = serde_json::from_str(description).map_err(|e| metadata(e.to_string()))?;
        let mut views = tensors.tensors();
        views.sort_by(|(a, _), (b, _)| a.cmp(b));
        let all = views.iter().map(|(name, view)| (name.as_str(), view.dtype(), view.shape(), view.data()));
        if description.digest(all).map_err(|e| metadata(e.to_string()))? != description.sha256 {
            return Err(CheckpointError::Checksum { path: path.into() });
        }
        let Description { progress, config, data, .. } = description;
        let mut checkpoint = Self { progress, config, data, ..Self::default() };
        for (name, view) in views {
            let Some(values) = values(view.dtype(), view.data()) else {
                let dtype = format!("{:?}", view.dtype());
                return Err(CheckpointError::Dtype { path: path.into(), name, dtype });
            };
            let tensor = StateTensor { shape: view.shape().to_vec(), values };
            if let Some(name) = name.strip_prefix(OPTIMIZER) {
                checkpoint.optimizer.insert(name.into(), tensor);
            } else if let Some(name) = name.strip_prefix(TASK) {
                checkpoint.task.insert(name.into(), tensor);
            } else {
                checkpoint.model.insert(name, tensor);
            }
        }
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
            task: [("queue".into(), tensor(vec![1], StateValues::F32(vec![4.0])))].into(),
            progress: Progress {
                epochs: 2,
                steps: 34,
                best: Some(Best { score: 0.1 + 0.2, epoch: 1, step: 20 }),
                ..Progress::default()
            },
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

    #[test]
    fn one_changed_bit_is_noticed_wherever_it_changes_anything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        example().save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for bit in 0..8 * whole.len() {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &changed).unwrap();
            if let Ok(read) = Checkpoint::open(&path) {
                assert_eq!(read, example(), "bit {bit}");
            }
        }
    }

    #[test]
    fn parameters_alone_are_what_evaluation_takes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        example().save_parameters(&path).unwrap();
        let read = Checkpoint::open(&path).unwrap();
        assert_eq!((&read.model, &read.progress), (&example().model, &example().progress));
        assert!(read.optimizer.is_empty() && read.task.is_empty());
    }
}
