//! From the bytes of a file to arrays.

use super::{ArrayData, ArrayError, DType, NdArray, count, fortran_to_c};
use crate::formats::limits::{self, Budget};

/// An element type as files describe it: what the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub dtype: DType,
    /// Bytes per element; 0 for objects, which are not stored as bytes.
    pub size: usize,
    pub big_endian: bool,
}

impl Encoding {
    /// A numeric type of its natural size, little endian.
    pub fn native(dtype: DType) -> Self {
        let size = match dtype {
            DType::I8 | DType::U8 | DType::Bool => 1,
            DType::F16 | DType::BF16 | DType::I16 | DType::U16 => 2,
            DType::F32 | DType::I32 | DType::U32 => 4,
            DType::F64 | DType::I64 | DType::U64 => 8,
            DType::Str | DType::Bytes | DType::Object => 0,
        };
        Self { dtype, size, big_endian: false }
    }

    /// A numpy type string without byte order: `f8`, `i4`, `b1`, `U12`, `S3`, `O`.
    pub fn from_numpy(code: &str) -> Result<Self, ArrayError> {
        let unsupported = || ArrayError::Unsupported(code.chars().take(40).collect());
        let mut chars = code.chars();
        let kind = chars.next().ok_or_else(unsupported)?;
        let width = match chars.as_str() {
            "" => None,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().map_err(|_| unsupported())?),
            _ => return Err(unsupported()),
        };
        let dtype = match (kind, width) {
            ('f', Some(2)) => DType::F16,
            ('f', Some(4)) => DType::F32,
            ('f', Some(8)) => DType::F64,
            ('i', Some(1)) => DType::I8,
            ('i', Some(2)) => DType::I16,
            ('i', Some(4)) => DType::I32,
            ('i', Some(8)) => DType::I64,
            ('u', Some(1)) => DType::U8,
            ('u', Some(2)) => DType::U16,
            ('u', Some(4)) => DType::U32,
            ('u', Some(8)) => DType::U64,
            ('b', Some(1)) => DType::Bool,
            ('U', Some(width)) => {
                let size = usize::checked_mul(width, 4).ok_or_else(unsupported)?;
                return Ok(Self { dtype: DType::Str, size, big_endian: false });
            }
            ('S' | 'a', Some(size)) => return Ok(Self { dtype: DType::Bytes, size, big_endian: false }),
            ('O', _) => DType::Object,
            _ => return Err(unsupported()),
        };
        Ok(Self::native(dtype))
    }

    /// The inverse of [`Encoding::from_numpy`], for errors.
    fn name(&self) -> String {
        format!("{} ({} bytes each)", self.dtype, self.size)
    }

    /// Bytes that `shape` takes in the file.
    pub fn bytes(&self, shape: &[usize]) -> Result<u64, ArrayError> {
        let bytes = count(shape)?.checked_mul(self.size).ok_or_else(|| ArrayError::Shape(shape.to_vec()))?;
        Ok(bytes as u64)
    }

    /// Reads an array that fills `bytes` exactly. Shapes and budgets are checked before anything is reserved.
    pub fn decode(
        &self,
        shape: Vec<usize>,
        fortran: bool,
        bytes: &[u8],
        budget: &mut Budget,
    ) -> Result<NdArray, ArrayError> {
        if self.dtype == DType::Object {
            return Err(ArrayError::Unsupported("objects as raw bytes".into()));
        }
        check_axes(&shape, budget)?;
        let wanted = self.bytes(&shape)?;
        if wanted != bytes.len() as u64 {
            let found = bytes.len() as u64;
            return Err(ArrayError::Length { dtype: self.name(), shape, wanted, found, unit: "bytes" });
        }
        let count = count(&shape)?;
        // Strings own their memory: a header each, and zero-width ones take no byte of the file.
        let header = if matches!(self.dtype, DType::Str | DType::Bytes) { size_of::<String>() as u64 } else { 0 };
        let copies = if fortran { 2 } else { 1 };
        budget.bytes(wanted.saturating_add(header.saturating_mul(count as u64)).saturating_mul(copies))?;
        let data = self.values(bytes, count)?;
        NdArray::new(shape.clone(), if fortran { fortran_to_c(&shape, data) } else { data })
    }

    fn values(&self, bytes: &[u8], count: usize) -> Result<ArrayData, ArrayError> {
        macro_rules! numbers {
            ($type:ty) => {
                bytes
                    .as_chunks::<{ size_of::<$type>() }>()
                    .0
                    .iter()
                    .map(|&b| if self.big_endian { <$type>::from_be_bytes(b) } else { <$type>::from_le_bytes(b) })
                    .collect()
            };
        }
        Ok(match self.dtype {
            DType::F16 => ArrayData::F16(numbers!(u16)),
            DType::BF16 => ArrayData::BF16(numbers!(u16)),
            DType::F32 => ArrayData::F32(numbers!(f32)),
            DType::F64 => ArrayData::F64(numbers!(f64)),
            DType::I8 => ArrayData::I8(numbers!(i8)),
            DType::I16 => ArrayData::I16(numbers!(i16)),
            DType::I32 => ArrayData::I32(numbers!(i32)),
            DType::I64 => ArrayData::I64(numbers!(i64)),
            DType::U8 => ArrayData::U8(bytes.to_vec()),
            DType::U16 => ArrayData::U16(numbers!(u16)),
            DType::U32 => ArrayData::U32(numbers!(u32)),
            DType::U64 => ArrayData::U64(numbers!(u64)),
            DType::Bool => ArrayData::Bool(bytes.iter().map(|&b| b != 0).collect()),
            DType::Str => {
                let text = |(index, b)| self.text(b).ok_or(ArrayError::Text(index));
                ArrayData::Str(fields(bytes, self.size, count).enumerate().map(text).collect::<Result<_, _>>()?)
            }
            DType::Bytes => ArrayData::Bytes(fields(bytes, self.size, count).map(|b| trimmed(b).to_vec()).collect()),
            DType::Object => return Err(ArrayError::Unsupported("objects as raw bytes".into())),
        })
    }

    /// UTF-32 without the padding.
    fn text(&self, bytes: &[u8]) -> Option<String> {
        let units = bytes.as_chunks::<4>().0.iter();
        let code = |&b: &[u8; 4]| if self.big_endian { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) };
        let text: String = units.map(|b| char::from_u32(code(b))).collect::<Option<_>>()?;
        Some(text.trim_end_matches('\0').to_owned())
    }
}

/// Callers walk the axes of empty arrays too, so an axis must not be longer than a walk may be.
pub(crate) fn check_axes(shape: &[usize], budget: &Budget) -> Result<(), ArrayError> {
    if count(shape)? == 0 {
        let longest = shape.iter().copied().max().unwrap_or(0) as u64;
        limits::check("length of an axis of an empty array", longest, budget.limits.nodes)?;
    }
    Ok(())
}

/// `count` fields of `size` bytes each, which may be 0.
fn fields(bytes: &[u8], size: usize, count: usize) -> impl Iterator<Item = &[u8]> {
    (0..count).map(move |i| &bytes[i * size..][..size])
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    &bytes[..end]
}
