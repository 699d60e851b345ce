//! Packing: rows become panels in which the values of one dimension lie side by side, as the kernels read them.

use std::ops::Range;

use rayon::prelude::*;

use super::kernel::Kernel;
use super::rows::read;
use super::{Embeddings, LargestNorm, Measure, Scale, Side, SimilarityError};

/// Packed panels start on a cache line, so that the kernels' loads never cross one.
pub(super) const LINE: usize = 64;

/// Some rows of a set, packed. The last panel may have fewer rows: it is then narrower or, `padded`, filled up with zeros.
pub(super) struct Panels {
    side: Side,
    height: usize,
    padded: bool,
    width: usize,
    rows: Range<usize>,
    data: Vec<f32>,
    start: usize,
    /// Squared norms of the rows.
    pub(super) squares: Vec<f32>,
    /// The largest norm of each panel, up to the first panel with a bad value.
    pub(super) norms: Vec<LargestNorm>,
}

impl Panels {
    /// No rows yet. Queries are the rows of the kernel's tiles, items the columns, of which there are always the full number.
    pub(super) fn new(kernel: Kernel, side: Side) -> Self {
        let (data, squares, norms) = (Vec::new(), Vec::new(), Vec::new());
        let (height, padded) = match side {
            Side::Queries => (kernel.rows(), false),
            Side::Items => (kernel.columns, true),
        };
        Self { side, height, padded, width: 0, rows: 0..0, data, start: 0, squares, norms }
    }

    /// No rows yet; panels are to have one row, so that the values are the rows one after the other.
    #[cfg(feature = "cuda")]
    pub(super) fn row_major(kernel: Kernel, side: Side) -> Self {
        Self { height: 1, padded: false, ..Self::new(kernel, side) }
    }

    /// All packed values.
    #[cfg(feature = "cuda")]
    pub(super) fn values(&self) -> &[f32] {
        &self.data[self.start..][..self.rows.len() * self.width]
    }

    /// Packs rows of `set`, checked, widened and scaled as `measure` wants them, in place of what was here; on the calling thread only,
    /// unless `parallel`.
    pub(super) fn pack(
        &mut self,
        set: &impl Embeddings,
        rows: Range<usize>,
        measure: Measure,
        parallel: bool,
    ) -> Result<(), SimilarityError> {
        let (side, height, width, padded) = (self.side, self.height, set.cols(), self.padded);
        (self.rows, self.width) = (rows.clone(), width);
        let lines = if padded { rows.len().checked_next_multiple_of(height) } else { Some(rows.len()) };
        let memory = || SimilarityError::Memory { side, rows: rows.len(), dimensions: width };
        let len = lines.and_then(|lines| lines.checked_mul(width)).ok_or_else(memory)?;
        let aligned = len.checked_add(LINE / 4).ok_or_else(memory)?;
        self.data.try_reserve_exact(aligned.saturating_sub(self.data.len())).map_err(|_| memory())?;
        self.squares.try_reserve_exact(rows.len().saturating_sub(self.squares.len())).map_err(|_| memory())?;
        self.data.resize(aligned, 0.0);
        self.start = self.data.as_ptr().align_offset(LINE).min(LINE / 4);
        self.squares.resize(rows.len(), 0.0);

        let pack = |scratch: &mut Vec<f32>, panel: usize, data: &mut [f32], squares: &mut [f32]| {
            let first = rows.start + panel * height;
            let chosen = first..rows.end.min(first + height);
            let stride = if padded { height } else { chosen.len() };
            let mut norms = Vec::with_capacity(chosen.len());
            let values = read(side, set, chosen.clone(), scratch, &mut norms)?;
            squares.iter_mut().zip(&norms).for_each(|(square, norm)| *square = (norm * norm) as f32);
            let scales: Option<Vec<Scale>> = norms.iter().map(|&norm| measure.scale(norm)).collect();
            match scales {
                Some(scales) => scatter(values, width, data, stride, |x, i| scales[i].of(x)),
                None => scatter(values, width, data, stride, |x, _| x),
            }
            if stride > norms.len() {
                data.chunks_mut(stride).for_each(|line| line[norms.len()..].fill(0.0));
            }
            Ok(largest(chosen.zip(norms).map(|(row, norm)| LargestNorm { row, norm })))
        };
        // Panels of embeddings without dimensions hold nothing, so that their chunks must not be counted by length.
        let data = &mut self.data[self.start..][..len];
        let squares = self.squares.par_chunks_mut(height);
        let min_len = if parallel { 1 } else { usize::MAX };
        let norms: Vec<Result<LargestNorm, SimilarityError>> = if width == 0 {
            squares.enumerate().map(|(i, squares)| pack(&mut Vec::new(), i, &mut [], squares)).collect()
        } else {
            let panels = data.par_chunks_mut(height * width).zip(squares).enumerate().with_min_len(min_len);
            panels.map_init(Vec::new, |scratch, (i, (data, squares))| pack(scratch, i, data, squares)).collect()
        };
        collect(norms, &mut self.norms)
    }

    /// The largest norm of a row.
    pub(super) fn largest(&self) -> LargestNorm {
        largest(self.norms.iter().copied())
    }

    /// The rows of the set that are packed.
    pub(super) fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Dimensions of a row.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Number of panels.
    pub(super) fn len(&self) -> usize {
        self.rows.len().div_ceil(self.height)
    }

    /// A panel's number of rows (padding not counted) and its values.
    pub(super) fn panel(&self, i: usize) -> (usize, &[f32]) {
        let rows = self.height.min(self.rows.len() - i * self.height);
        let stride = if self.padded { self.height } else { rows };
        (rows, &self.data[self.start + i * self.height * self.width..][..stride * self.width])
    }
}

/// The largest norm, the first of equal ones.
pub(super) fn largest(norms: impl Iterator<Item = LargestNorm>) -> LargestNorm {
    norms.reduce(LargestNorm::or_larger).unwrap_or_default()
}

/// The norms of panels up to the first bad one, in order, so that the same error is found on any number of threads.
pub(super) fn collect(
    norms: Vec<Result<LargestNorm, SimilarityError>>,
    into: &mut Vec<LargestNorm>,
) -> Result<(), SimilarityError> {
    into.clear();
    for norm in norms {
        into.push(norm?);
    }
    Ok(())
}

/// Transposes rows into a panel of `stride` values per dimension, block by block so that the lines written to stay in the first cache; four
/// by four, which compiles to shuffles of vectors.
pub(super) fn scatter<T: Copy>(
    values: &[T],
    width: usize,
    panel: &mut [T],
    stride: usize,
    map: impl Fn(T, usize) -> T,
) {
    const BLOCK: usize = 32;
    let rows = values.len() / width.max(1);
    for start in (0..width).step_by(BLOCK) {
        let end = width.min(start + BLOCK);
        let lines = &mut panel[start * stride..end * stride];
        let row = |i: usize| &values[i * width + start..i * width + end];
        for i in (0..rows / 4 * 4).step_by(4) {
            let four: [&[[T; 4]]; 4] = std::array::from_fn(|r| row(i + r).as_chunks().0);
            for (k, lines) in lines.chunks_exact_mut(4 * stride).enumerate() {
                let block = [four[0][k], four[1][k], four[2][k], four[3][k]];
                let turned: [[T; 4]; 4] = std::array::from_fn(|d| std::array::from_fn(|r| map(block[r][d], i + r)));
                for (line, values) in lines.chunks_exact_mut(stride).zip(&turned) {
                    line[i..i + 4].copy_from_slice(values);
                }
            }
        }
        // What does not fill a block of four by four.
        for i in 0..rows {
            let done = if i < rows / 4 * 4 { (end - start) / 4 * 4 } else { 0 };
            for (line, &x) in lines.chunks_exact_mut(stride).zip(row(i)).skip(done) {
                line[i] = map(x, i);
            }
        }
    }
}
