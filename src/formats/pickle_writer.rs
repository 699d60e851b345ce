//! A small writer of pickles (protocol 4): numbers, text, lists, dicts and numpy arrays.
//!
//! ```
//! use coembed::formats::{Limits, pickle, pickle_writer::Writer};
//! let mut writer = Writer::new();
//! writer.dict(|entries| {
//!     entries.str("class");
//!     entries.list(|items| items.int(3));
//! });
//! let value = pickle::from_slice(&writer.finish(), &Limits::default()).unwrap();
//! assert_eq!(value.as_dict().unwrap().get("class").unwrap().as_list().unwrap().len(), 1);
//! ```

/// Writes one object; see the opcodes in CPython's `pickletools`.
#[derive(Debug, Clone)]
pub struct Writer(Vec<u8>);

/// Element types of arrays.
pub trait Element: Copy {
    /// numpy's type string, without byte order.
    const CODE: &'static str;
    /// Appends the little-endian bytes.
    fn append(self, bytes: &mut Vec<u8>);
}

macro_rules! element {
    ($($type:ty, $code:literal;)*) => {
        $(impl Element for $type {
            const CODE: &'static str = $code;
            fn append(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        })*
    };
}

element! { f32, "f4"; f64, "f8"; i64, "i8"; }

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// Begins a pickle.
    pub fn new() -> Self {
        Self(vec![0x80, 4])
    }

    /// Ends the pickle and returns its bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.push(b'.');
        self.0
    }

    /// `None`.
    pub fn none(&mut self) {
        self.0.push(b'N');
    }

    /// A `bool`.
    pub fn bool(&mut self, value: bool) {
        self.0.push(if value { 0x88 } else { 0x89 });
    }

    /// An `int`.
    pub fn int(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(value) => self.code(b'J', &value.to_le_bytes()),
            // LONG1: a length, and the number.
            Err(_) => {
                self.code(0x8a, &[8]);
                self.0.extend_from_slice(&value.to_le_bytes());
            }
        }
    }

    /// A `float`.
    pub fn float(&mut self, value: f64) {
        self.code(b'G', &value.to_be_bytes());
    }

    /// A `str`.
    pub fn str(&mut self, text: &str) {
        self.sized(b'X', 0x8d, text.as_bytes());
    }

    /// A `dict`: `entries` writes keys and values in turn.
    pub fn dict(&mut self, entries: impl FnOnce(&mut Self)) {
        self.0.extend_from_slice(b"}(");
        entries(self);
        self.0.push(b'u');
    }

    /// A `list`: `items` writes the items.
    pub fn list(&mut self, items: impl FnOnce(&mut Self)) {
        self.0.extend_from_slice(b"](");
        items(self);
        self.0.push(b'e');
    }

    /// A `tuple`: `items` writes the items.
    pub fn tuple(&mut self, items: impl FnOnce(&mut Self)) {
        self.0.push(b'(');
        items(self);
        self.0.push(b't');
    }

    /// A `numpy.ndarray` in C order under the names of numpy 1, which numpy 2 knows too. The caller sees to it that
    /// there are as many values as the shape wants: numpy refuses the pickle otherwise.
    pub fn array<T: Element>(&mut self, shape: &[usize], values: &[T]) {
        self.global("numpy.core.multiarray", "_reconstruct");
        self.tuple(|args| {
            args.global("numpy", "ndarray");
            args.tuple(|shape| shape.int(0));
            args.bytes(b"b");
        });
        self.0.push(b'R');
        let mut data = Vec::with_capacity(size_of_val(values));
        values.iter().for_each(|value| value.append(&mut data));
        // The state: version, shape, type, whether in Fortran order, data.
        self.tuple(|state| {
            state.int(1);
            state.tuple(|sizes| shape.iter().for_each(|&size| sizes.int(size as i64)));
            state.dtype(T::CODE);
            state.bool(false);
            state.bytes(&data);
        });
        self.0.push(b'b');
    }

    fn dtype(&mut self, code: &str) {
        self.global("numpy", "dtype");
        self.tuple(|args| {
            args.str(code);
            args.bool(false);
            args.bool(true);
        });
        self.0.push(b'R');
        // The state: version, byte order, no fields, no size and alignment of its own, no flags.
        self.tuple(|state| {
            state.int(3);
            state.str("<");
            (0..3).for_each(|_| state.none());
            [-1, -1, 0].into_iter().for_each(|number| state.int(number));
        });
        self.0.push(b'b');
    }

    fn global(&mut self, module: &str, name: &str) {
        self.str(module);
        self.str(name);
        self.0.push(0x93);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.sized(b'B', 0x8e, bytes);
    }

    /// The opcode for lengths of 4 bytes or that for lengths of 8.
    fn sized(&mut self, short: u8, long: u8, bytes: &[u8]) {
        match u32::try_from(bytes.len()) {
            Ok(length) => self.code(short, &length.to_le_bytes()),
            Err(_) => self.code(long, &(bytes.len() as u64).to_le_bytes()),
        }
        self.0.extend_from_slice(bytes);
    }

    fn code(&mut self, opcode: u8, operand: &[u8]) {
        self.0.push(opcode);
        self.0.extend_from_slice(operand);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::ndarray::{ArrayData, DType};
    use crate::formats::{Limits, pickle};

    #[test]
    fn everything_written_reads_back() {
        let mut writer = Writer::new();
        writer.dict(|entries| {
            entries.str("numbers");
            entries.list(|items| [0, -1, i64::MIN, i64::MAX, 1 << 31].into_iter().for_each(|i| items.int(i)));
            entries.int(7);
            entries.tuple(|items| {
                items.float(0.1);
                items.bool(true);
                items.none();
                items.str("é");
            });
            entries.str("array");
            entries.array(&[2, 1], &[1.5_f32, -0.0]);
            entries.str("empty");
            entries.array::<f64>(&[0, 3], &[]);
            entries.str("nothing");
            entries.dict(|_| ());
        });
        let value = pickle::from_slice(&writer.finish(), &Limits::default()).unwrap();
        let root = value.as_dict().unwrap();
        let numbers = root.get("numbers").unwrap().as_list().unwrap();
        let numbers: Vec<i64> = numbers.iter().map(|number| number.as_i64().unwrap()).collect();
        assert_eq!(numbers, [0, -1, i64::MIN, i64::MAX, 1 << 31]);
        let tuple = format!("{:?}", root.get(7).unwrap().value());
        assert_eq!(tuple, r#"Tuple([Float(0.1), Bool(true), None, Str("é")])"#);
        let array = root.get("array").unwrap().as_array().unwrap();
        assert_eq!((array.shape(), array.data()), (&[2, 1][..], &ArrayData::F32(vec![1.5, -0.0])));
        let empty = root.get("empty").unwrap().as_array().unwrap();
        assert_eq!((empty.shape(), empty.dtype()), (&[0, 3][..], DType::F64));
        assert!(root.get("nothing").unwrap().as_dict().unwrap().is_empty());
    }
}
