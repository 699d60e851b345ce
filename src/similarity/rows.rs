//! Rows as a measure wants them: read, checked and scaled, one after the other.

use std::ops::Range;

use super::kernel::norm;
use super::panels::largest;
use super::{Embeddings, LargestNorm, Measure, Side, SimilarityError};

/// Memory for rows.
#[derive(Default)]
pub(super) struct Memory {
    read: Vec<f32>,
    scaled: Vec<f32>,
    norms: Vec<f64>,
}

/// Some rows of a set.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    values: &'a [f32],
    width: usize,
    measure: Measure,
    /// Norms of the rows as they were read.
    norms: &'a [f64],
}

impl Memory {
    /// Rows of a set: borrowed from it where that is possible.
    pub(super) fn rows<'a>(
        &'a mut self,
        measure: Measure,
        side: Side,
        set: &'a impl Embeddings,
        rows: Range<usize>,
    ) -> Result<Rows<'a>, SimilarityError> {
        let width = set.cols();
        let mut values = read(side, set, rows, &mut self.read, &mut self.norms)?;
        if measure == Measure::Cosine {
            self.scaled.resize(values.len(), 0.0);
            for (i, (&norm, row)) in self.norms.iter().zip(self.scaled.chunks_exact_mut(width.max(1))).enumerate() {
                let scale = measure.scale(norm);
                let scale = |x| scale.map_or(x, |scale| scale.of(x));
                row.iter_mut().zip(&values[i * width..]).for_each(|(to, &x)| *to = scale(x));
            }
            values = &self.scaled;
        }
        Ok(Rows { values, width, measure, norms: &self.norms })
    }

    /// The rows that were asked for last, again.
    pub(super) fn again<'a>(&'a mut self, measure: Measure, set: &'a impl Embeddings, rows: Range<usize>) -> Rows<'a> {
        let width = set.cols();
        let values = if measure == Measure::Cosine { &self.scaled } else { set.block(rows, &mut self.read) };
        Rows { values, width, measure, norms: &self.norms }
    }
}

impl<'a> Rows<'a> {
    pub(super) fn len(&self) -> usize {
        self.norms.len()
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// A row.
    pub(super) fn row(&self, i: usize) -> &'a [f32] {
        &self.values[i * self.width..][..self.width]
    }

    /// Neighbouring rows.
    pub(super) fn part(&self, rows: Range<usize>) -> Self {
        let values = &self.values[rows.start * self.width..rows.end * self.width];
        Self { values, norms: &self.norms[rows], ..*self }
    }

    /// The squared norm of a row, of distances alone; otherwise 0.
    pub(super) fn square(&self, i: usize) -> f32 {
        let square = self.norms[i] * self.norms[i];
        if self.measure == Measure::NegativeSquaredEuclidean { square as f32 } else { 0.0 }
    }

    /// A number that the norm of a row does not exceed.
    pub(super) fn longest(&self, i: usize) -> f64 {
        if self.measure == Measure::Cosine { 1.001 } else { 1.001 * self.norms[i] }
    }

    /// The largest norm, of rows that are numbered from `first` on.
    pub(super) fn largest(&self, first: usize) -> LargestNorm {
        largest((first..).zip(self.norms).map(|(row, &norm)| LargestNorm { row, norm }))
    }
}

/// Reads rows of a set that must be finite, and their norms.
pub(super) fn read<'a>(
    side: Side,
    set: &'a impl Embeddings,
    rows: Range<usize>,
    scratch: &'a mut Vec<f32>,
    norms: &mut Vec<f64>,
) -> Result<&'a [f32], SimilarityError> {
    let width = set.cols();
    let values = set.block(rows.clone(), scratch);
    norms.clear();
    for (i, row) in rows.enumerate() {
        let values = &values[i * width..][..width];
        let norm = norm(values);
        if !norm.is_finite() {
            let (dimension, value) = not_finite(values);
            return Err(SimilarityError::NonFinite { side, row, dimension, value });
        }
        norms.push(norm);
    }
    Ok(values)
}

/// The first value of a row that is not finite.
fn not_finite(row: &[f32]) -> (usize, f32) {
    row.iter().copied().enumerate().find(|(_, x)| !x.is_finite()).unwrap_or((0, f32::NAN))
}
