//! The chunks of a dataset as a grid.

use super::error::{Hdf5Error, Result};

/// Numbers of chunks along the axes, and the shape of the chunks.
#[derive(Debug)]
pub(super) struct Grid {
    shape: Vec<usize>,
    chunk: Vec<usize>,
    pub counts: Vec<u64>,
    /// Bytes of an element and of a chunk.
    element: usize,
    pub bytes: usize,
}

impl Grid {
    /// The shape must have no axis of size 0. `sizes` are those of a chunk, and behind them that of an element.
    pub fn new(shape: &[usize], sizes: &[u64], element: usize) -> Result<Self> {
        let damaged = || Hdf5Error::Damaged("shape of the chunks");
        let sizes: Option<Vec<usize>> = sizes.iter().map(|&size| usize::try_from(size).ok()).collect();
        let sizes = sizes.filter(|sizes| !sizes.contains(&0)).ok_or_else(damaged)?;
        let bytes = sizes.iter().try_fold(1_usize, |bytes, &size| bytes.checked_mul(size));
        let bytes = bytes.filter(|&bytes| isize::try_from(bytes).is_ok()).ok_or_else(damaged)?;
        let (&last, chunk) = sizes.split_last().ok_or_else(damaged)?;
        if last != element || chunk.len() != shape.len() || shape.is_empty() {
            return Err(damaged());
        }
        let counts = shape.iter().zip(chunk).map(|(size, chunk)| size.div_ceil(*chunk) as u64).collect();
        Ok(Self { shape: shape.to_vec(), chunk: chunk.to_vec(), counts, element, bytes })
    }

    /// The number of the chunk at a place in the grid, or `None` beyond the dataset.
    pub fn number(&self, place: &[u64]) -> Option<u64> {
        let inside = place.len() == self.counts.len() && place.iter().zip(&self.counts).all(|(at, count)| at < count);
        // There are no more chunks than values, whose number is a `usize`.
        inside.then(|| place.iter().zip(&self.counts).fold(0, |number, (at, count)| number * count + at))
    }

    /// The number of the chunk that holds the element at an offset along each axis, which must be its first.
    pub fn number_of_offsets(&self, offsets: &[u64]) -> Option<u64> {
        let divided = offsets.iter().zip(&self.chunk).map(|(offset, &size)| {
            let size = size as u64;
            (offset % size == 0).then_some(offset / size)
        });
        self.number(&divided.collect::<Option<Vec<_>>>()?)
    }

    /// The place of a chunk.
    fn place(&self, mut number: u64) -> Vec<usize> {
        let mut place: Vec<usize> = vec![0; self.counts.len()];
        for (at, &count) in place.iter_mut().zip(&self.counts).rev() {
            *at = (number % count) as usize;
            number /= count;
        }
        place
    }

    /// Where a chunk begins along each axis, and how much of it is within the dataset.
    fn extent(&self, number: u64) -> Vec<(usize, usize)> {
        let axes = self.place(number).into_iter().zip(self.chunk.iter().zip(&self.shape));
        axes.map(|(at, (&chunk, &size))| (at * chunk, chunk.min(size.saturating_sub(at * chunk)))).collect()
    }

    /// Whether a chunk reaches beyond the dataset.
    pub fn is_edge(&self, number: u64) -> bool {
        self.extent(number).iter().zip(&self.chunk).any(|((_, inside), chunk)| inside < chunk)
    }

    /// Copies a chunk to its place among the values of the dataset.
    pub fn copy(&self, number: u64, chunk: &[u8], values: &mut [u8]) -> Option<()> {
        let extent = self.extent(number);
        let (&(first, width), outer) = extent.split_last()?;
        let (&row, &chunk_row) = (self.shape.last()?, self.chunk.last()?);
        let mut index = vec![0; outer.len()];
        loop {
            let (mut from, mut to) = (0, 0);
            for (axis, (at, (start, _))) in index.iter().zip(outer).enumerate() {
                from = from * self.chunk.get(axis)? + at;
                to = to * self.shape.get(axis)? + start + at;
            }
            let (from, to) = (from * chunk_row * self.element, (to * row + first) * self.element);
            let bytes = width * self.element;
            values.get_mut(to..to + bytes)?.copy_from_slice(chunk.get(from..from + bytes)?);
            // The next row; the last axes run fastest.
            let mut axes = index.iter_mut().zip(outer).rev();
            loop {
                let Some((at, (_, inside))) = axes.next() else { return Some(()) };
                *at += 1;
                if *at < *inside {
                    break;
                }
                *at = 0;
            }
        }
    }
}
