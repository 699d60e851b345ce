//! N-dimensional arrays as read from files: an element type, a shape, and values in C order.

mod convert;
pub(crate) mod decode;

use std::fmt;

pub use convert::{bf16_to_f32, f16_to_f32};

use super::LimitError;
use super::pickle::Value;

/// Element types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum DType {
    F16,
    BF16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
    /// Text: numpy's fixed-width `<U`.
    Str,
    /// Byte strings: numpy's fixed-width `S`.
    Bytes,
    /// Python objects.
    Object,
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format!("{self:?}").to_lowercase())
    }
}

/// The values of an [`NdArray`], in C order.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum ArrayData {
    /// IEEE 754 binary16, as bits.
    F16(Vec<u16>),
    /// The upper half of a binary32, as bits.
    BF16(Vec<u16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    Bool(Vec<bool>),
    /// Text; trailing NULs, numpy's padding, are cut off.
    Str(Vec<String>),
    /// Byte strings; trailing NULs, numpy's padding, are cut off.
    Bytes(Vec<Vec<u8>>),
    Object(Vec<Value>),
}

/// Evaluates `$body` with `$values` bound to the vector inside an [`ArrayData`], whatever its element type.
macro_rules! each {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            ArrayData::F16($values) | ArrayData::BF16($values) | ArrayData::U16($values) => $body,
            ArrayData::F32($values) => $body,
            ArrayData::F64($values) => $body,
            ArrayData::I8($values) => $body,
            ArrayData::I16($values) => $body,
            ArrayData::I32($values) => $body,
            ArrayData::I64($values) => $body,
            ArrayData::U8($values) => $body,
            ArrayData::U32($values) => $body,
            ArrayData::U64($values) => $body,
            ArrayData::Bool($values) => $body,
            ArrayData::Str($values) => $body,
            ArrayData::Bytes($values) => $body,
            ArrayData::Object($values) => $body,
        }
    };
}

impl ArrayData {
    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            Self::F16(_) => DType::F16,
            Self::BF16(_) => DType::BF16,
            Self::F32(_) => DType::F32,
            Self::F64(_) => DType::F64,
            Self::I8(_) => DType::I8,
            Self::I16(_) => DType::I16,
            Self::I32(_) => DType::I32,
            Self::I64(_) => DType::I64,
            Self::U8(_) => DType::U8,
            Self::U16(_) => DType::U16,
            Self::U32(_) => DType::U32,
            Self::U64(_) => DType::U64,
            Self::Bool(_) => DType::Bool,
            Self::Str(_) => DType::Str,
            Self::Bytes(_) => DType::Bytes,
            Self::Object(_) => DType::Object,
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        each!(self, values => values.len())
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why an array cannot be built or converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArrayError {
    /// The array is of another element type.
    #[error("{expected} expected, found {actual} of shape {shape:?}")]
    DType {
        /// What the caller asked for.
        expected: &'static str,
        /// What the array holds.
        actual: DType,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// The array has another number of dimensions.
    #[error("{expected} dimensions expected, found {actual} of shape {shape:?}")]
    Dimensions {
        /// What the caller asked for.
        expected: usize,
        /// What the array holds.
        actual: DType,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A value that has no counterpart in the wanted type.
    #[error("element {index} of {actual} of shape {shape:?} is no {expected}")]
    Element {
        /// What the caller asked for.
        expected: &'static str,
        /// What the array holds.
        actual: DType,
        /// Its shape.
        shape: Vec<usize>,
        /// Position in C order.
        index: usize,
    },
    /// The number of values or bytes does not follow from the shape.
    #[error("shape {shape:?} of {dtype} wants {wanted} {unit}, found {found}")]
    Length {
        /// The element type, as named in the file.
        dtype: String,
        /// The shape.
        shape: Vec<usize>,
        /// What follows from the shape.
        wanted: u64,
        /// What is there.
        found: u64,
        /// `bytes` or `values`.
        unit: &'static str,
    },
    /// A shape whose size is no number of this machine, or with more dimensions than numpy allows.
    #[error("impossible shape {0:?}")]
    Shape(Vec<usize>),
    /// An element type that is not read.
    #[error("element type `{0}` is not supported")]
    Unsupported(String),
    /// Text that is not Unicode.
    #[error("element {0} is not valid Unicode text")]
    Text(usize),
    /// A budget is exhausted.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// An N-dimensional array in C order (the last axis is contiguous).
#[derive(Debug, Clone, PartialEq)]
pub struct NdArray {
    shape: Vec<usize>,
    data: ArrayData,
}

impl NdArray {
    /// Takes ownership of values in C order. A scalar has the empty shape.
    ///
    /// # Errors
    /// [`ArrayError::Length`] when the number of values is not the product of the shape.
    pub fn new(shape: Vec<usize>, data: ArrayData) -> Result<Self, ArrayError> {
        let wanted = count(&shape)?;
        if wanted != data.len() {
            let (dtype, found) = (data.dtype().to_string(), data.len() as u64);
            return Err(ArrayError::Length { dtype, shape, wanted: wanted as u64, found, unit: "values" });
        }
        Ok(Self { shape, data })
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.data.dtype()
    }

    /// Sizes of the axes, empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether some axis has size 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values in C order.
    pub fn data(&self) -> &ArrayData {
        &self.data
    }

    /// Gives shape and values back.
    pub fn into_parts(self) -> (Vec<usize>, ArrayData) {
        (self.shape, self.data)
    }
}

/// Number of values of a shape.
pub(crate) fn count(shape: &[usize]) -> Result<usize, ArrayError> {
    // numpy's own bounds. The product without the zeros must be a number too, so that strides are.
    let mut sizes = shape.iter().filter(|&&size| size > 0);
    match sizes.try_fold(1_usize, |n, &size| n.checked_mul(size)) {
        Some(n) if n <= isize::MAX as usize && shape.len() <= 64 => Ok(if shape.contains(&0) { 0 } else { n }),
        _ => Err(ArrayError::Shape(shape.to_vec())),
    }
}

/// Reorders values from Fortran order (the first axis is contiguous) to C order.
pub(crate) fn fortran_to_c(shape: &[usize], data: ArrayData) -> ArrayData {
    fn reorder<T: Clone>(shape: &[usize], values: Vec<T>) -> Vec<T> {
        if shape.len() < 2 || values.is_empty() {
            return values;
        }
        let mut strides = Vec::with_capacity(shape.len());
        let mut stride = 1;
        for &size in shape {
            strides.push(stride);
            stride *= size;
        }
        let mut ordered = Vec::with_capacity(values.len());
        for_each_offset(shape, &strides, |offset| ordered.push(values[offset].clone()));
        ordered
    }
    match data {
        ArrayData::F16(v) => ArrayData::F16(reorder(shape, v)),
        ArrayData::BF16(v) => ArrayData::BF16(reorder(shape, v)),
        ArrayData::F32(v) => ArrayData::F32(reorder(shape, v)),
        ArrayData::F64(v) => ArrayData::F64(reorder(shape, v)),
        ArrayData::I8(v) => ArrayData::I8(reorder(shape, v)),
        ArrayData::I16(v) => ArrayData::I16(reorder(shape, v)),
        ArrayData::I32(v) => ArrayData::I32(reorder(shape, v)),
        ArrayData::I64(v) => ArrayData::I64(reorder(shape, v)),
        ArrayData::U8(v) => ArrayData::U8(reorder(shape, v)),
        ArrayData::U16(v) => ArrayData::U16(reorder(shape, v)),
        ArrayData::U32(v) => ArrayData::U32(reorder(shape, v)),
        ArrayData::U64(v) => ArrayData::U64(reorder(shape, v)),
        ArrayData::Bool(v) => ArrayData::Bool(reorder(shape, v)),
        ArrayData::Str(v) => ArrayData::Str(reorder(shape, v)),
        ArrayData::Bytes(v) => ArrayData::Bytes(reorder(shape, v)),
        ArrayData::Object(v) => ArrayData::Object(reorder(shape, v)),
    }
}

/// Visits the offset of every element of a strided array in C order. The caller has checked that every offset is a
/// `usize`: the greatest one is `sum((size - 1) * stride)`.
pub(crate) fn for_each_offset(shape: &[usize], strides: &[usize], mut visit: impl FnMut(usize)) {
    if shape.contains(&0) {
        return;
    }
    let mut index = vec![0; shape.len()];
    let mut offset = 0;
    loop {
        visit(offset);
        let mut axis = shape.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            if index[axis] < shape[axis] {
                offset += strides[axis];
                break;
            }
            offset -= (shape[axis] - 1) * strides[axis];
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests;
