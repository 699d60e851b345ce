//! `.pth` files: what `torch.save` writes, in both of its containers.
//!
//! * zip (since PyTorch 1.6): `NAME/data.pkl`, `NAME/data/KEY` per storage, `NAME/byteorder`; stored or deflated.
//! * legacy: pickles of a magic number, a protocol version and system information, the pickle of the object, the list
//!   of storage keys, then each storage as its length and raw values.
//!
//! The object is parsed by the [`pickle`](super::pickle) reader, so nothing in it is executed. Tensors are views into storages;
//! [`TorchCheckpoint::array`] and [`TorchCheckpoint::state_dict`] copy them out with bounds and budgets checked. Storages tagged
//! with a CUDA device are read like any other.

mod container;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::ArchiveError;
use super::limits::{self, Budget, LimitError, Limits};
use super::ndarray::decode::{Encoding, check_axes};
use super::ndarray::{ArrayError, NdArray, count, for_each_offset};
use super::pickle::{PickleError, PickleOptions, Storage, Tensor, UnknownGlobal, Value};

/// Why a checkpoint was refused.
#[derive(Debug, thiserror::Error)]
pub enum TorchError {
    /// An error in a named file.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<TorchError>,
    },
    /// An error in a named tensor.
    #[error("tensor {name:?}")]
    Tensor {
        /// Its name in the state dict.
        name: String,
        /// What is wrong with it.
        source: Box<TorchError>,
    },
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Neither container.
    #[error("not a torch checkpoint: {0}")]
    Container(String),
    /// The object pickle.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// The zip container.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A tensor whose storage is not in the file.
    #[error("storage {0:?} is missing")]
    MissingStorage(String),
    /// A storage of another size than the object pickle says.
    #[error("storage {key:?}: {wanted} bytes expected, found {found}")]
    StorageSize {
        /// Its name.
        key: String,
        /// By the object pickle.
        wanted: u64,
        /// In the file.
        found: u64,
    },
    /// A tensor that reaches beyond its storage.
    #[error("offset {offset}, shape {shape:?} and strides {strides:?} reach beyond a storage of {bytes} bytes")]
    OutOfBounds {
        /// First element.
        offset: u64,
        /// Sizes of the axes.
        shape: Vec<usize>,
        /// Distances of neighbours.
        strides: Vec<usize>,
        /// Size of the storage.
        bytes: usize,
    },
    /// No map from names to tensors where one is expected.
    #[error("no state dict {place}: found {found}")]
    NoStateDict {
        /// Where it was looked for.
        place: String,
        /// What is there.
        found: String,
    },
    /// Shape or element type of a tensor.
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// A budget is exhausted.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// A checkpoint: the pickled object, and the storages that its tensors refer to.
#[derive(Debug, Clone)]
pub struct TorchCheckpoint {
    /// The object; its tensors are [`Value::Tensor`].
    pub value: Value,
    storages: HashMap<Arc<str>, Vec<u8>>,
    big_endian: bool,
    limits: Limits,
}

/// Reads a `.pth` file into memory, in either container, under [`PickleOptions`]: a file that pickles a configuration object
/// beside the weights needs [`super::pickle::UnknownGlobal::Opaque`].
///
/// # Errors
/// [`TorchError::File`], which names the file and holds the cause.
pub fn load(path: &Path, options: &PickleOptions) -> Result<TorchCheckpoint, TorchError> {
    let read = || from_slice(&limits::read_file(path, &options.limits)??, options);
    read().map_err(|source| TorchError::File { path: path.into(), source: source.into() })
}

/// Reads the contents of a `.pth` file.
///
/// # Errors
/// [`TorchError`].
pub fn from_slice(bytes: &[u8], options: &PickleOptions) -> Result<TorchCheckpoint, TorchError> {
    limits::check("bytes of input", bytes.len() as u64, options.limits.input_bytes)?;
    let mut budget = Budget::new(&options.limits, bytes.len());
    let content = container::read(bytes, &mut budget, options.unknown_globals)?;
    let container::Content { value, storages, big_endian } = content;
    Ok(TorchCheckpoint { value, storages, big_endian, limits: options.limits.clone() })
}

/// Named tensors in the order of the file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TorchState {
    /// Names and values.
    pub tensors: Vec<(String, NdArray)>,
    /// Entries that are no tensors: their names and what they are.
    pub skipped: Vec<(String, String)>,
}

impl TorchState {
    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&NdArray> {
        self.tensors.iter().find(|(known, _)| known == name).map(|(_, array)| array)
    }
}

impl TorchCheckpoint {
    /// The state dict: the object itself, or its entry `key`.
    ///
    /// # Errors
    /// [`TorchError::NoStateDict`] when there is no dict, or one without tensors; [`TorchError::Tensor`] when a
    /// tensor does not fit its storage or the budget of bytes for all tensors together is exhausted.
    pub fn state_dict(&self, key: Option<&str>) -> Result<TorchState, TorchError> {
        let missing = |found: &Value| {
            let place = key.map_or("at the top level".to_owned(), |key| format!("under {key:?}"));
            TorchError::NoStateDict { place, found: summary(found) }
        };
        let found = match (&self.value, key) {
            (Value::Dict(dict), Some(key)) => dict.get(key).ok_or_else(|| missing(&self.value))?,
            (value, None) => value,
            (value, Some(_)) => return Err(missing(value)),
        };
        let Value::Dict(dict) = found else { return Err(missing(found)) };
        let mut budget = self.budget();
        let mut state = TorchState::default();
        for (name, value) in dict.entries() {
            match (name, value) {
                (Value::Str(name), Value::Tensor(tensor)) => match self.materialise(tensor, &mut budget) {
                    Ok(array) => state.tensors.push((name.to_string(), array)),
                    Err(source) => return Err(TorchError::Tensor { name: name.to_string(), source: source.into() }),
                },
                (Value::Str(name), other) => state.skipped.push((name.to_string(), other.type_name().into())),
                (name, other) => state.skipped.push((format!("({})", name.type_name()), other.type_name().into())),
            }
        }
        if state.tensors.is_empty() && !dict.is_empty() { Err(missing(found)) } else { Ok(state) }
    }

    /// Copies one tensor out of its storage, in C order.
    ///
    /// # Errors
    /// [`TorchError`] when it does not fit its storage or the budget of bytes.
    pub fn array(&self, tensor: &Tensor) -> Result<NdArray, TorchError> {
        self.materialise(tensor, &mut self.budget())
    }

    /// What tensors may take: copies of the storages, more where elements repeat.
    fn budget(&self) -> Budget<'_> {
        Budget::new(&self.limits, self.storages.values().map(Vec::len).sum())
    }

    fn materialise(&self, tensor: &Tensor, budget: &mut Budget) -> Result<NdArray, TorchError> {
        let key = &tensor.storage.key;
        let bytes = self.storages.get(key).ok_or_else(|| TorchError::MissingStorage(key.to_string()))?;
        gather(tensor, bytes, self.big_endian, budget)
    }
}

/// Copies a tensor out of its storage, in C order.
pub(crate) fn gather(
    tensor: &Tensor,
    storage: &[u8],
    big_endian: bool,
    budget: &mut Budget,
) -> Result<NdArray, TorchError> {
    check_storage(tensor, storage)?;
    let encoding = Encoding { big_endian, ..Encoding::native(tensor.dtype) };
    check_axes(&tensor.shape, budget)?;
    let wanted = encoding.bytes(&tensor.shape)?;
    let range = extent(tensor, encoding.size, storage.len()).ok_or_else(|| out_of_bounds(tensor, storage.len()))?;
    let bytes = &storage[range];
    let read = |bytes: &[u8], budget: &mut Budget| -> Result<NdArray, TorchError> {
        let array = encoding.decode(tensor.shape.clone(), false, bytes, budget)?;
        Ok(if tensor.negative { array.negated()? } else { array })
    };
    // Contiguous elements lie as close as they can.
    if bytes.len() as u64 == wanted && is_contiguous(tensor) {
        return read(bytes, budget);
    }
    // A stride of 0 repeats elements: the result may be far larger than the storage.
    budget.bytes(wanted)?;
    let mut gathered = Vec::with_capacity(count(&tensor.shape)? * encoding.size);
    let visit = |offset: usize| gathered.extend_from_slice(&bytes[offset * encoding.size..][..encoding.size]);
    for_each_offset(&tensor.shape, &tensor.strides, visit);
    read(&gathered, budget)
}

/// A storage by itself, as a tensor in a plain pickle has it: the file of it, and its bytes.
pub(crate) struct Embedded {
    pub storage: Arc<Storage>,
    pub bytes: Vec<u8>,
    pub big_endian: bool,
}

/// Reads the file of one storage within another file.
pub(crate) fn embedded(bytes: &[u8], budget: &mut Budget) -> Result<Embedded, TorchError> {
    budget.nested += 1;
    limits::check("files within files", budget.nested.into(), 4)?;
    let mut content = container::read(bytes, budget, UnknownGlobal::Refuse)?;
    budget.nested -= 1;
    let Value::Storage(storage) = content.value else {
        return Err(TorchError::Container("a file within the file that holds no storage".into()));
    };
    let missing = || TorchError::MissingStorage(storage.key.to_string());
    let bytes = content.storages.remove(&storage.key).ok_or_else(missing)?;
    Ok(Embedded { storage, bytes, big_endian: content.big_endian })
}

fn check_storage(tensor: &Tensor, bytes: &[u8]) -> Result<(), TorchError> {
    let storage = &tensor.storage;
    let wanted = storage.numel.saturating_mul(Encoding::native(storage.dtype).size as u64);
    let found = bytes.len() as u64;
    if wanted == found {
        return Ok(());
    }
    Err(TorchError::StorageSize { key: storage.key.to_string(), wanted, found })
}

/// The bytes from the first to the last element of a tensor, if they lie within the storage.
fn extent(tensor: &Tensor, size: usize, storage: usize) -> Option<std::ops::Range<usize>> {
    if tensor.shape.contains(&0) {
        return Some(0..0);
    }
    let reach = |reach: usize, (&size, &stride): (&usize, &usize)| reach.checked_add((size - 1).checked_mul(stride)?);
    let last = tensor.shape.iter().zip(&tensor.strides).try_fold(0, reach)?;
    let start = usize::try_from(tensor.offset).ok()?.checked_mul(size)?;
    let end = last.checked_add(1)?.checked_mul(size)?.checked_add(start)?;
    (end <= storage).then_some(start..end)
}

fn out_of_bounds(tensor: &Tensor, bytes: usize) -> TorchError {
    let (shape, strides) = (tensor.shape.clone(), tensor.strides.clone());
    TorchError::OutOfBounds { offset: tensor.offset, shape, strides, bytes }
}

fn is_contiguous(tensor: &Tensor) -> bool {
    let mut expected = 1_usize;
    tensor.shape.iter().zip(&tensor.strides).rev().all(|(&size, &stride)| {
        let fits = size <= 1 || stride == expected;
        expected = expected.saturating_mul(size);
        fits
    })
}

/// What was found in place of a state dict, with the keys that might hold it.
fn summary(value: &Value) -> String {
    let Value::Dict(dict) = value else { return value.type_name().into() };
    let keys = dict.entries().iter().filter_map(|(key, _)| key.as_str().ok());
    let keys: Vec<String> = keys.take(8).map(|key| format!("{:?}", key.chars().take(60).collect::<String>())).collect();
    format!("a dict without tensors, keys {}", keys.join(", "))
}

#[cfg(test)]
mod tests;
