//! HDF5, plain and as the Python package `hickle` lays it out.
//!
//! Plain: a dataset per video in the root group. `hickle` up to 3: a group `data_0`, in it a group per key, `'video0'`, with the value as
//! dataset `data_0`. `hickle` 4 and 5: a group `data`, in it a dataset per key, `"video0"`.

use hdf5_reader::group::Group;
use hdf5_reader::{ByteOrder, Dataset, Datatype, Hdf5File, OpenOptions};

use super::FormatError;
use super::limits::{self, Budget, Limits};
use super::ndarray::decode::Encoding;
use super::ndarray::{ArrayError, DType, NdArray};
use super::pickle::{Dict, Value};

type Result<T, E = FormatError> = std::result::Result<T, E>;

/// Reads a file as a dict of arrays. Links to other files are not followed.
pub(super) fn parse(bytes: Vec<u8>, limits: &Limits) -> Result<Value> {
    let bytes_len = bytes.len();
    let largest = usize::try_from(limits.bytes).unwrap_or(usize::MAX);
    let options = OpenOptions::default().with_max_read_bytes(largest).with_chunk_cache_bytes(0);
    let file = Hdf5File::from_vec_with_options(bytes, options)?;
    let root = file.root_group()?;
    let mut reader = Reader { budget: Budget::new(limits, bytes_len), depth: limits.depth };
    let (groups, _) = root.members()?;
    let wrapped = groups.into_iter().find(|group| matches!(group.name(), "data" | "data_0"));
    reader.group(&wrapped.unwrap_or(root), 0)
}

struct Reader<'a> {
    budget: Budget<'a>,
    depth: u32,
}

impl Reader<'_> {
    fn group(&mut self, group: &Group, depth: u32) -> Result<Value> {
        limits::check("nested groups", depth.into(), self.depth.into())?;
        let (groups, datasets) = group.members()?;
        self.budget.nodes(groups.len() + datasets.len())?;
        if let ([], [only]) = (groups.as_slice(), datasets.as_slice())
            && depth > 0
            && only.name() == "data_0"
        {
            return Ok(Value::Array(self.dataset(only)?.into()));
        }
        let mut entries = Vec::with_capacity(groups.len() + datasets.len());
        for dataset in &datasets {
            entries.push((key(dataset.name()), Value::Array(self.dataset(dataset)?.into())));
        }
        for group in &groups {
            entries.push((key(group.name()), self.group(group, depth + 1)?));
        }
        Ok(Value::Dict(entries.into_iter().collect::<Dict>().into()))
    }

    fn dataset(&mut self, dataset: &Dataset) -> Result<NdArray> {
        let field = || format!("dataset {:?}", dataset.name());
        let failed = |problem| FormatError::Array { field: field(), problem };
        let encoding = encoding(dataset.dtype()).map_err(failed)?;
        let sizes = dataset.shape().iter().map(|&size| usize::try_from(size));
        let too_large = |_| FormatError::NotRead(format!("{}: its shape {:?} is too large", field(), dataset.shape()));
        let shape = sizes.collect::<Result<Vec<_>, _>>().map_err(too_large)?;
        let bytes = dataset.read_raw_bytes()?;
        encoding.decode(shape, false, &bytes, &mut self.budget).map_err(failed)
    }
}

/// A key without the quotes that `hickle` writes around text.
fn key(name: &str) -> Value {
    let quoted = |quote| name.strip_prefix(quote).and_then(|name| name.strip_suffix(quote));
    quoted('\'').or_else(|| quoted('"')).unwrap_or(name).into()
}

fn encoding(datatype: &Datatype) -> Result<Encoding, ArrayError> {
    let (dtype, order) = match *datatype {
        Datatype::FloatingPoint { size: 2, byte_order } => (DType::F16, byte_order),
        Datatype::FloatingPoint { size: 4, byte_order } => (DType::F32, byte_order),
        Datatype::FloatingPoint { size: 8, byte_order } => (DType::F64, byte_order),
        Datatype::FixedPoint { size: 1, signed: true, byte_order } => (DType::I8, byte_order),
        Datatype::FixedPoint { size: 2, signed: true, byte_order } => (DType::I16, byte_order),
        Datatype::FixedPoint { size: 4, signed: true, byte_order } => (DType::I32, byte_order),
        Datatype::FixedPoint { size: 8, signed: true, byte_order } => (DType::I64, byte_order),
        Datatype::FixedPoint { size: 1, signed: false, byte_order } => (DType::U8, byte_order),
        Datatype::FixedPoint { size: 2, signed: false, byte_order } => (DType::U16, byte_order),
        Datatype::FixedPoint { size: 4, signed: false, byte_order } => (DType::U32, byte_order),
        Datatype::FixedPoint { size: 8, signed: false, byte_order } => (DType::U64, byte_order),
        ref other => return Err(ArrayError::Unsupported(format!("{other:?}"))),
    };
    Ok(Encoding { big_endian: order == ByteOrder::BigEndian, ..Encoding::native(dtype) })
}
