//! From arrays of any element type to what the library computes with.

use super::{ArrayData, ArrayError, NdArray};
use crate::formats::pickle::Value;
use crate::matrix::Matrix;

impl NdArray {
    /// A two-dimensional array of numbers or booleans as `f32`. Wider numbers are rounded to the nearest `f32`.
    ///
    /// # Errors
    /// [`ArrayError`] naming the actual type and shape when the array is not two-dimensional or not numeric.
    pub fn to_f32_matrix(&self) -> Result<Matrix<f32>, ArrayError> {
        let (rows, cols) = self.two_dimensions()?;
        matrix(self.to_f32_vec()?, rows, cols)
    }

    /// A two-dimensional array of numbers or booleans as `f64`. Integers beyond 2^53 are rounded.
    ///
    /// # Errors
    /// As [`NdArray::to_f32_matrix`].
    pub fn to_f64_matrix(&self) -> Result<Matrix<f64>, ArrayError> {
        let (rows, cols) = self.two_dimensions()?;
        matrix(self.to_f64_vec()?, rows, cols)
    }

    /// The numbers with the other sign, exactly; whole numbers wrap around, as PyTorch's do.
    ///
    /// # Errors
    /// [`ArrayError::Unsupported`] for what has no sign.
    pub(crate) fn negated(self) -> Result<Self, ArrayError> {
        fn each<T: Copy>(mut values: Vec<T>, f: impl Fn(T) -> T) -> Vec<T> {
            values.iter_mut().for_each(|value| *value = f(*value));
            values
        }
        let Self { shape, data } = self;
        let data = match data {
            ArrayData::F16(bits) => ArrayData::F16(each(bits, |bits| bits ^ 0x8000)),
            ArrayData::BF16(bits) => ArrayData::BF16(each(bits, |bits| bits ^ 0x8000)),
            ArrayData::F32(values) => ArrayData::F32(each(values, |value| -value)),
            ArrayData::F64(values) => ArrayData::F64(each(values, |value| -value)),
            ArrayData::I8(values) => ArrayData::I8(each(values, i8::wrapping_neg)),
            ArrayData::I16(values) => ArrayData::I16(each(values, i16::wrapping_neg)),
            ArrayData::I32(values) => ArrayData::I32(each(values, i32::wrapping_neg)),
            ArrayData::I64(values) => ArrayData::I64(each(values, i64::wrapping_neg)),
            ArrayData::U8(values) => ArrayData::U8(each(values, u8::wrapping_neg)),
            other => return Err(ArrayError::Unsupported(format!("{} with the other sign", other.dtype()))),
        };
        Ok(Self { shape, data })
    }

    /// All numbers or booleans as `f32`, in C order, whatever the shape.
    ///
    /// # Errors
    /// [`ArrayError::DType`] or [`ArrayError::Element`] when a value is no number.
    pub fn to_f32_vec(&self) -> Result<Vec<f32>, ArrayError> {
        match self.data() {
            // Without the detour through f64, which would double the memory of the largest arrays there are.
            ArrayData::F32(values) => Ok(values.clone()),
            ArrayData::F16(values) => Ok(values.iter().map(|&bits| f16_to_f32(bits)).collect()),
            ArrayData::BF16(values) => Ok(values.iter().map(|&bits| bf16_to_f32(bits)).collect()),
            ArrayData::F64(values) => Ok(values.iter().map(|&value| value as f32).collect()),
            // A detour through f64 would round twice.
            ArrayData::I64(values) => Ok(values.iter().map(|&value| value as f32).collect()),
            ArrayData::U64(values) => Ok(values.iter().map(|&value| value as f32).collect()),
            _ => Ok(self.to_f64_vec()?.into_iter().map(|value| value as f32).collect()),
        }
    }

    /// All numbers or booleans as `f64`, in C order, whatever the shape.
    ///
    /// # Errors
    /// [`ArrayError::DType`] or [`ArrayError::Element`] when a value is no number.
    pub fn to_f64_vec(&self) -> Result<Vec<f64>, ArrayError> {
        fn widen<T: Copy + Into<f64>>(values: &[T]) -> Vec<f64> {
            values.iter().map(|&value| value.into()).collect()
        }
        const EXPECTED: &str = "number";
        Ok(match self.data() {
            ArrayData::F16(values) => values.iter().map(|&bits| f16_to_f32(bits).into()).collect(),
            ArrayData::BF16(values) => values.iter().map(|&bits| bf16_to_f32(bits).into()).collect(),
            ArrayData::F32(values) => widen(values),
            ArrayData::F64(values) => values.clone(),
            ArrayData::I8(values) => widen(values),
            ArrayData::I16(values) => widen(values),
            ArrayData::I32(values) => widen(values),
            ArrayData::I64(values) => values.iter().map(|&value| value as f64).collect(),
            ArrayData::U8(values) => widen(values),
            ArrayData::U16(values) => widen(values),
            ArrayData::U32(values) => widen(values),
            ArrayData::U64(values) => values.iter().map(|&value| value as f64).collect(),
            ArrayData::Bool(values) => values.iter().map(|&value| f64::from(u8::from(value))).collect(),
            ArrayData::Object(values) => self.elements(values, EXPECTED, |value| match value {
                Value::Int(value) => Some(*value as f64),
                Value::Float(value) => Some(*value),
                Value::Bool(value) => Some(f64::from(u8::from(*value))),
                _ => None,
            })?,
            ArrayData::Str(_) | ArrayData::Bytes(_) => return Err(self.wrong_type("numbers")),
        })
    }

    /// All integers or booleans as `i64`, in C order, whatever the shape.
    ///
    /// # Errors
    /// [`ArrayError::DType`] for floats and text, [`ArrayError::Element`] for an integer above `i64::MAX`.
    pub fn to_i64_vec(&self) -> Result<Vec<i64>, ArrayError> {
        fn widen<T: Copy + Into<i64>>(values: &[T]) -> Vec<i64> {
            values.iter().map(|&value| value.into()).collect()
        }
        const EXPECTED: &str = "64-bit integer";
        Ok(match self.data() {
            ArrayData::I8(values) => widen(values),
            ArrayData::I16(values) => widen(values),
            ArrayData::I32(values) => widen(values),
            ArrayData::I64(values) => values.clone(),
            ArrayData::U8(values) => widen(values),
            ArrayData::U16(values) => widen(values),
            ArrayData::U32(values) => widen(values),
            ArrayData::U64(values) => self.elements(values, EXPECTED, |&value| i64::try_from(value).ok())?,
            ArrayData::Bool(values) => widen(values),
            ArrayData::Object(values) => self.elements(values, EXPECTED, |value| match value {
                Value::Int(value) => Some(*value),
                Value::Bool(value) => Some((*value).into()),
                _ => None,
            })?,
            _ => return Err(self.wrong_type("integers")),
        })
    }

    /// All strings, in C order, whatever the shape. Byte strings are read as UTF-8.
    ///
    /// # Errors
    /// [`ArrayError::DType`] for numbers, [`ArrayError::Element`] for an object or byte string that is no text.
    pub fn to_strings(&self) -> Result<Vec<String>, ArrayError> {
        const EXPECTED: &str = "string";
        match self.data() {
            ArrayData::Str(values) => Ok(values.clone()),
            ArrayData::Bytes(values) => self.elements(values, EXPECTED, |value| String::from_utf8(value.clone()).ok()),
            ArrayData::Object(values) => self.elements(values, EXPECTED, |value| match value {
                Value::Str(value) => Some(value.to_string()),
                _ => None,
            }),
            _ => Err(self.wrong_type("strings")),
        }
    }

    /// The element at position `index` of the C order as a [`Value`]: a Python scalar.
    pub fn value(&self, index: usize) -> Option<Value> {
        let float = |value: f64| Value::Float(value);
        let int = |value: i64| Value::Int(value);
        Some(match self.data() {
            ArrayData::F16(values) => float(f16_to_f32(*values.get(index)?).into()),
            ArrayData::BF16(values) => float(bf16_to_f32(*values.get(index)?).into()),
            ArrayData::F32(values) => float((*values.get(index)?).into()),
            ArrayData::F64(values) => float(*values.get(index)?),
            ArrayData::I8(values) => int((*values.get(index)?).into()),
            ArrayData::I16(values) => int((*values.get(index)?).into()),
            ArrayData::I32(values) => int((*values.get(index)?).into()),
            ArrayData::I64(values) => int(*values.get(index)?),
            ArrayData::U8(values) => int((*values.get(index)?).into()),
            ArrayData::U16(values) => int((*values.get(index)?).into()),
            ArrayData::U32(values) => int((*values.get(index)?).into()),
            ArrayData::U64(values) => {
                let value = *values.get(index)?;
                i64::try_from(value).map_or_else(|_| Value::BigInt(value.to_string().into()), Value::Int)
            }
            ArrayData::Bool(values) => Value::Bool(*values.get(index)?),
            ArrayData::Str(values) => Value::Str(values.get(index)?.as_str().into()),
            ArrayData::Bytes(values) => Value::Bytes(values.get(index)?.as_slice().into()),
            ArrayData::Object(values) => values.get(index)?.clone(),
        })
    }

    fn two_dimensions(&self) -> Result<(usize, usize), ArrayError> {
        match *self.shape() {
            [rows, cols] => Ok((rows, cols)),
            _ => Err(ArrayError::Dimensions { expected: 2, actual: self.dtype(), shape: self.shape().to_vec() }),
        }
    }

    fn wrong_type(&self, expected: &'static str) -> ArrayError {
        ArrayError::DType { expected, actual: self.dtype(), shape: self.shape().to_vec() }
    }

    fn elements<T, U>(
        &self,
        values: &[T],
        expected: &'static str,
        convert: impl Fn(&T) -> Option<U>,
    ) -> Result<Vec<U>, ArrayError> {
        let element = |(index, value)| {
            let (actual, shape) = (self.dtype(), || self.shape().to_vec());
            convert(value).ok_or_else(|| ArrayError::Element { expected, actual, shape: shape(), index })
        };
        values.iter().enumerate().map(element).collect()
    }
}

fn matrix<T>(data: Vec<T>, rows: usize, cols: usize) -> Result<Matrix<T>, ArrayError> {
    Matrix::new(data, rows, cols).map_err(|_| ArrayError::Shape(vec![rows, cols]))
}

/// The value of an IEEE 754 binary16, exactly.
pub fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let fraction = u32::from(bits) & 0x3ff;
    match (exponent, fraction) {
        // Zero and the subnormals: multiples of 2^-24.
        (0, _) => {
            let magnitude = fraction as f32 / (1 << 24) as f32;
            f32::from_bits(sign | magnitude.to_bits())
        }
        (0x1f, _) => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13),
    }
}

/// The value of a bfloat16, exactly.
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}
