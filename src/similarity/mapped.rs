//! Embeddings in a memory-mapped file.

use std::ops::Range;

use half::{bf16, f16};
use memmap2::Mmap;

use super::Embeddings;

/// How numbers are stored in a file; always little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of a single-precision number.
    Bf16,
}

impl Precision {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// A file that does not hold what it was said to hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{rows} x {cols} embeddings of {bytes} bytes each, from byte {offset} on, do not fit into a file of {file} bytes"
)]
pub struct MapError {
    /// Rows asked for.
    pub rows: usize,
    /// Columns asked for.
    pub cols: usize,
    /// Bytes of a number.
    pub bytes: usize,
    /// Where the first row was to start.
    pub offset: usize,
    /// Size of the file.
    pub file: usize,
}

/// Rows of a memory-mapped file: a gallery that may be larger than memory.
///
/// The rows lie one after the other from some byte on, which need not be aligned: a raw dump, or the data of a `.npy` or safetensors file
/// behind its header. What the kernels read is widened block by block; the operating system keeps as much of the file in memory as fits.
///
/// The map is made by the caller, who answers for the file not changing meanwhile (see [`Mmap::map`]).
#[derive(Debug)]
pub struct MappedEmbeddings {
    map: Mmap,
    offset: usize,
    rows: usize,
    cols: usize,
    storage: Precision,
}

impl MappedEmbeddings {
    /// `rows` x `cols` numbers from byte `offset` of the file on. Bytes that follow them are ignored.
    ///
    /// # Errors
    /// [`MapError`] when the file is too short for them.
    pub fn new(map: Mmap, offset: usize, rows: usize, cols: usize, storage: Precision) -> Result<Self, MapError> {
        let bytes = storage.bytes();
        let end = rows.checked_mul(cols).and_then(|n| n.checked_mul(bytes)).and_then(|n| n.checked_add(offset));
        match end {
            Some(end) if end <= map.len() => Ok(Self { map, offset, rows, cols, storage }),
            _ => Err(MapError { rows, cols, bytes, offset, file: map.len() }),
        }
    }
}

impl Embeddings for MappedEmbeddings {
    fn rows(&self) -> usize {
        self.rows
    }

    fn cols(&self) -> usize {
        self.cols
    }

    fn block<'a>(&'a self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        let row = self.cols * self.storage.bytes();
        let bytes = &self.map[self.offset..][rows.start * row..rows.end * row];
        scratch.clear();
        match self.storage {
            Precision::F32 => scratch.extend(bytes.as_chunks().0.iter().map(|&x| f32::from_le_bytes(x))),
            Precision::F16 => scratch.extend(bytes.as_chunks().0.iter().map(|&x| f16::from_le_bytes(x).to_f32())),
            Precision::Bf16 => scratch.extend(bytes.as_chunks().0.iter().map(|&x| bf16::from_le_bytes(x).to_f32())),
        }
        scratch
    }
}
