//! A small writer of pickles (protocol 4): numbers, text, lists, dicts, numpy arrays and pandas frames.
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

use std::io;

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

/// A column of a frame.
pub enum Column<'a> {
    /// `int64`.
    Ints(Vec<i64>),
    /// Objects: writes the one of a row.
    Objects(&'a dyn Fn(&mut Writer, usize)),
}

/// Writes a pickle of nothing but a matrix, row by row: those of relevance do not fit in memory twice.
///
/// # Errors
/// Those of `out`, and of rows of other sizes than the shape says.
pub fn write_matrix<T: Element>(
    out: &mut dyn io::Write,
    [rows, cols]: [usize; 2],
    mut row: impl FnMut(usize) -> Vec<T>,
) -> io::Result<()> {
    let mut head = Writer::new();
    head.array_head();
    head.0.push(b'(');
    head.array_type(&[rows, cols], T::CODE, "<", 0);
    let bytes = (rows as u64).checked_mul(cols as u64).and_then(|count| count.checked_mul(size_of::<T>() as u64));
    head.size(b'B', 0x8e, bytes.ok_or_else(|| io::Error::other("too many values"))?);
    out.write_all(&head.0)?;
    let mut data = vec![];
    for index in 0..rows {
        let values = row(index);
        if values.len() != cols {
            return Err(io::Error::other(format!("row {index}: {} values for {cols} columns", values.len())));
        }
        data.clear();
        values.iter().for_each(|value| value.append(&mut data));
        out.write_all(&data)?;
    }
    out.write_all(b"tb.")
}

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

    /// A `set`: `items` writes the items.
    pub fn set(&mut self, items: impl FnOnce(&mut Self)) {
        self.0.extend_from_slice(b"\x8f(");
        items(self);
        self.0.push(0x90);
    }

    /// A `tuple`: `items` writes the items.
    pub fn tuple(&mut self, items: impl FnOnce(&mut Self)) {
        self.0.push(b'(');
        items(self);
        self.0.push(b't');
    }

    /// A `pandas.DataFrame` with the index 0, 1, 2, ..., in the form of pandas 1.2, which later ones read too. A column of integers has one
    /// for each row, as the caller sees to.
    pub fn data_frame(&mut self, rows: usize, columns: &[(&str, Column)]) {
        self.empty("pandas.core.frame", "DataFrame");
        self.dict(|state| {
            state.str("_mgr");
            state.block_manager(rows, columns);
            state.str("_typ");
            state.str("dataframe");
            state.str("_metadata");
            state.list(|_| ());
            state.str("attrs");
            state.dict(|_| ());
            state.str("_flags");
            state.dict(|flags| {
                flags.str("allows_duplicate_labels");
                flags.bool(true);
            });
        });
        self.0.push(b'b');
    }

    /// The state is (axes, values, items, {"0.14.1": {"axes": ..., "blocks": ...}}), of which the last part alone is read. Columns of objects are
    /// one block, and every column of integers is another.
    fn block_manager(&mut self, rows: usize, columns: &[(&str, Column)]) {
        self.empty("pandas.core.internals.managers", "BlockManager");
        let axes = |axes: &mut Self| {
            axes.index("pandas.core.indexes.base", "Index", |fields| {
                fields.str("data");
                fields.objects(&[columns.len()], |names| columns.iter().for_each(|(name, _)| names.str(name)));
            });
            axes.index("pandas.core.indexes.range", "RangeIndex", |fields| {
                for (name, value) in [("start", 0), ("stop", rows), ("step", 1)] {
                    fields.str(name);
                    fields.int(value as i64);
                }
            });
        };
        let block = |blocks: &mut Self, places: &[i64], values: &dyn Fn(&mut Self)| {
            blocks.dict(|block| {
                block.str("values");
                values(block);
                block.str("mgr_locs");
                block.array(&[places.len()], places);
            });
        };
        let blocks = |blocks: &mut Self| {
            let mut objects: Vec<(i64, &dyn Fn(&mut Self, usize))> = vec![];
            for (place, (_, column)) in columns.iter().enumerate() {
                match column {
                    Column::Ints(values) => {
                        block(blocks, &[place as i64], &|block| block.array(&[1, values.len()], values));
                    }
                    Column::Objects(write) => objects.push((place as i64, *write)),
                }
            }
            let places: Vec<i64> = objects.iter().map(|(place, _)| *place).collect();
            block(blocks, &places, &|block| {
                block.objects(&[objects.len(), rows], |cells| {
                    objects.iter().for_each(|(_, write)| (0..rows).for_each(|row| write(cells, row)));
                });
            });
        };
        self.tuple(|state| {
            state.list(axes);
            state.list(|_| ());
            state.list(|_| ());
            state.dict(|versions| {
                versions.str("0.14.1");
                versions.dict(|layout| {
                    layout.str("axes");
                    layout.list(axes);
                    layout.str("blocks");
                    layout.list(blocks);
                });
            });
        });
        self.0.push(b'b');
    }

    fn index(&mut self, module: &str, class: &str, fields: impl FnOnce(&mut Self)) {
        self.global("pandas.core.indexes.base", "_new_Index");
        self.tuple(|args| {
            args.global(module, class);
            args.dict(|entries| {
                fields(entries);
                entries.str("name");
                entries.none();
            });
        });
        self.0.push(b'R');
    }

    /// An object of a class before its state.
    fn empty(&mut self, module: &str, class: &str) {
        self.global(module, class);
        self.0.extend_from_slice(b")\x81");
    }

    /// A `numpy.ndarray` of objects: `items` writes as many as the shape wants, in C order.
    pub fn objects(&mut self, shape: &[usize], items: impl FnOnce(&mut Self)) {
        self.array_head();
        self.0.push(b'(');
        self.array_type(shape, "O8", "|", 63);
        self.list(items);
        self.0.extend_from_slice(b"tb");
    }

    /// A `numpy.ndarray` in C order under the names of numpy 1, which numpy 2 knows too. The caller sees to it that
    /// there are as many values as the shape wants: numpy refuses the pickle otherwise.
    pub fn array<T: Element>(&mut self, shape: &[usize], values: &[T]) {
        let mut data = Vec::with_capacity(size_of_val(values));
        values.iter().for_each(|value| value.append(&mut data));
        self.array_head();
        self.0.push(b'(');
        self.array_type(shape, T::CODE, "<", 0);
        self.bytes(&data);
        self.0.extend_from_slice(b"tb");
    }

    fn array_head(&mut self) {
        self.global("numpy.core.multiarray", "_reconstruct");
        self.tuple(|args| {
            args.global("numpy", "ndarray");
            args.tuple(|shape| shape.int(0));
            args.bytes(b"b");
        });
        self.0.push(b'R');
    }

    /// The state but for its last part, the data: version, shape, type, whether in Fortran order.
    fn array_type(&mut self, shape: &[usize], code: &str, order: &str, flags: i64) {
        self.int(1);
        self.tuple(|sizes| shape.iter().for_each(|&size| sizes.int(size as i64)));
        self.dtype(code, order, flags);
        self.bool(false);
    }

    fn dtype(&mut self, code: &str, order: &str, flags: i64) {
        self.global("numpy", "dtype");
        self.tuple(|args| {
            args.str(code);
            args.bool(false);
            args.bool(true);
        });
        self.0.push(b'R');
        // The state: version, byte order, no fields, no size and alignment of its own, flags.
        self.tuple(|state| {
            state.int(3);
            state.str(order);
            (0..3).for_each(|_| state.none());
            [-1, -1, flags].into_iter().for_each(|number| state.int(number));
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

    fn sized(&mut self, short: u8, long: u8, bytes: &[u8]) {
        self.size(short, long, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// The opcode for lengths of 4 bytes or that for lengths of 8.
    fn size(&mut self, short: u8, long: u8, length: u64) {
        match u32::try_from(length) {
            Ok(length) => self.code(short, &length.to_le_bytes()),
            Err(_) => self.code(long, &length.to_le_bytes()),
        }
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

    #[test]
    fn frames_and_arrays_of_objects_read_back() {
        let mut writer = Writer::new();
        let names = |writer: &mut Writer, row: usize| writer.list(|items| (0..row).for_each(|i| items.int(i as i64)));
        let text = |writer: &mut Writer, row: usize| writer.str(&format!("row {row}"));
        let columns = [
            ("text", Column::Objects(&text)),
            ("number", Column::Ints(vec![7, -1])),
            ("list", Column::Objects(&names)),
        ];
        writer.data_frame(2, &columns);
        let value = pickle::from_slice(&writer.finish(), &Limits::default()).unwrap();
        let frame = value.as_data_frame().unwrap();
        let shown = format!("{:?} {:?}", frame.columns, frame.index.labels);
        let expected = r#"[(Str("text"), [Str("row 0"), Str("row 1")]), (Str("number"), [Int(7), Int(-1)]), (Str("list"), [List([]), List([Int(0)])])] [Int(0), Int(1)]"#;
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_matrix_of_rows_is_that_of_an_array() {
        let mut bytes = vec![];
        write_matrix(&mut bytes, [2, 3], |row| vec![row as f64; 3]).unwrap();
        let mut writer = Writer::new();
        writer.array(&[2, 3], &[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        assert_eq!(bytes, writer.finish());
        let error = write_matrix(&mut vec![], [2, 3], |row| vec![0.0; 3 - row]).unwrap_err().to_string();
        assert_eq!(error, "row 1: 2 values for 3 columns");
        assert!(write_matrix::<f64>(&mut vec![], [usize::MAX, 3], |_| vec![]).is_err());
    }
}
