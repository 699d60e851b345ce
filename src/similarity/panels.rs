//! Packing: rows become panels in which the values of one dimension lie side by side, as the kernels read them.

use std::ops::Range;

use rayon::prelude::*;

use super::{Embeddings, Measure, Side, SimilarityError};

/// Packed panels start on a cache line, so that the kernels' loads never cross one.
const LINE: usize = 64;

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
    /// The largest norm of a row.
    pub(super) largest: f64,
}

impl Panels {
    /// No rows yet; panels are to have `height` rows.
    pub(super) fn new(side: Side, height: usize, padded: bool) -> Self {
        let (data, squares) = (Vec::new(), Vec::new());
        Self { side, height, padded, width: 0, rows: 0..0, data, start: 0, squares, largest: 0.0 }
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
        let len = if padded { rows.len().next_multiple_of(height) } else { rows.len() } * width;
        self.data.resize(len + LINE / 4, 0.0);
        self.start = self.data.as_ptr().align_offset(LINE).min(LINE / 4);
        self.squares.resize(rows.len(), 0.0);

        let pack = |scratch: &mut Vec<f32>, panel: usize, data: &mut [f32], squares: &mut [f32]| {
            let first = rows.start + panel * height;
            let chosen = first..rows.end.min(first + height);
            let stride = if padded { height } else { chosen.len() };
            let values = set.block(chosen.clone(), scratch);
            let mut norms = vec![0.0; chosen.len()];
            for (i, row) in chosen.enumerate() {
                norms[i] = norm(&values[i * width..][..width])
                    .map_err(|(dimension, value)| SimilarityError::NonFinite { side, row, dimension, value })?;
                squares[i] = (norms[i] * norms[i]) as f32;
            }
            match measure {
                Measure::Cosine => {
                    let scales: Vec<f64> = norms.iter().map(|norm| 1.0 / norm.max(1e-12)).collect();
                    scatter(values, width, data, stride, |x, i| (f64::from(x) * scales[i]) as f32);
                }
                _ => scatter(values, width, data, stride, |x, _| x),
            }
            if stride > norms.len() {
                data.chunks_mut(stride).for_each(|line| line[norms.len()..].fill(0.0));
            }
            Ok(norms.into_iter().fold(0.0, f64::max))
        };
        // Panels of embeddings without dimensions hold nothing, so that their chunks must not be counted by length.
        let data = &mut self.data[self.start..][..len];
        let squares = self.squares.par_chunks_mut(height);
        let min_len = if parallel { 1 } else { usize::MAX };
        let largest: Vec<Result<f64, SimilarityError>> = if width == 0 {
            squares.enumerate().map(|(i, squares)| pack(&mut Vec::new(), i, &mut [], squares)).collect()
        } else {
            let panels = data.par_chunks_mut(height * width).zip(squares).enumerate().with_min_len(min_len);
            panels.map_init(Vec::new, |scratch, (i, (data, squares))| pack(scratch, i, data, squares)).collect()
        };
        // In order, so that the same error is found on any number of threads.
        self.largest = largest.into_iter().try_fold(0.0, |most: f64, norm| Ok(most.max(norm?)))?;
        Ok(())
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

/// Euclidean norm in f64, where squares of f32 cannot overflow; or the first value that is not finite, with its position.
fn norm(row: &[f32]) -> Result<f64, (usize, f32)> {
    // Independent lanes, so that the sum vectorises.
    let mut lanes = [0.0; 16];
    for chunk in row.chunks(lanes.len()) {
        lanes.iter_mut().zip(chunk).for_each(|(sum, &x)| *sum += f64::from(x) * f64::from(x));
    }
    let norm = lanes.iter().sum::<f64>().sqrt();
    if norm.is_finite() {
        return Ok(norm);
    }
    let (dimension, value) = row.iter().enumerate().find(|(_, x)| !x.is_finite()).unwrap_or((0, &f32::NAN));
    Err((dimension, *value))
}

/// Transposes rows into a panel of `stride` values per dimension, block by block so that the lines written to stay in the first cache.
fn scatter(values: &[f32], width: usize, panel: &mut [f32], stride: usize, map: impl Fn(f32, usize) -> f32) {
    const BLOCK: usize = 32;
    for start in (0..width).step_by(BLOCK) {
        let end = width.min(start + BLOCK);
        let lines = &mut panel[start * stride..end * stride];
        for (i, row) in values.chunks_exact(width).enumerate() {
            for (line, &x) in lines.chunks_exact_mut(stride).zip(&row[start..end]) {
                line[i] = map(x, i);
            }
        }
    }
}
