use rayon::prelude::*;

use super::norm::{NORM_EPS, normalise};
use crate::matrix::{Matrix, ShapeError};

/// What can be wrong with feature maps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolingError {
    /// Values that are no maps of that size.
    #[error("maps of {channels} x {height} x {width} for {frames} frames are not {got} values")]
    Size {
        /// Number of frames.
        frames: usize,
        /// Channels of a map.
        channels: usize,
        /// Its rows.
        height: usize,
        /// Its columns.
        width: usize,
        /// Values given.
        got: usize,
    },
    /// Layers of different numbers of frames.
    #[error("a layer has maps of {got} frames, the first one of {expected}")]
    Frames {
        /// Frames of the first layer.
        expected: usize,
        /// Frames of another.
        got: usize,
    },
    /// Nothing to pool, or maps that have no region.
    #[error("maps of height {height} and width {width} are too small: at least {least} are needed along each axis")]
    TooSmall {
        /// Rows of a map.
        height: usize,
        /// Columns of a map.
        width: usize,
        /// How many it takes.
        least: usize,
    },
    /// A value that is NaN or infinite.
    #[error("the maps of frame {frame} have a value that is not finite")]
    NotFinite {
        /// Counted from 0.
        frame: usize,
    },
    /// A result without frames or channels.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// The maps of one layer of a network for some frames, `(frames, channels, height, width)`.
#[derive(Debug, Clone, Copy)]
pub struct FeatureMaps<'a> {
    values: &'a [f32],
    frames: usize,
    channels: usize,
    height: usize,
    width: usize,
}

impl<'a> FeatureMaps<'a> {
    /// Borrows the values in row-major order.
    ///
    /// # Errors
    /// [`PoolingError::Size`] when their number is not the product of the sizes.
    pub fn new(values: &'a [f32], [frames, channels, height, width]: [usize; 4]) -> Result<Self, PoolingError> {
        let wanted = [channels, height, width].iter().try_fold(frames, |product, size| product.checked_mul(*size));
        if wanted != Some(values.len()) {
            return Err(PoolingError::Size { frames, channels, height, width, got: values.len() });
        }
        Ok(Self { values, frames, channels, height, width })
    }

    fn positions(&self) -> usize {
        self.height * self.width
    }

    /// The map of one frame with the channels of every position brought to unit length.
    fn normalised(&self, frame: usize) -> Result<Vec<f32>, PoolingError> {
        let size = self.channels * self.positions();
        let map = &self.values[frame * size..][..size];
        let mut squares = vec![0.0; self.positions()];
        for channel in map.chunks_exact(self.positions()) {
            squares.iter_mut().zip(channel).for_each(|(sum, value)| *sum += f64::from(*value) * f64::from(*value));
        }
        // Squares of f32 do not leave f64.
        if squares.iter().any(|sum| !sum.is_finite()) {
            return Err(PoolingError::NotFinite { frame });
        }
        let scales: Vec<f64> = squares.iter().map(|sum| 1.0 / sum.sqrt().max(NORM_EPS)).collect();
        let scaled = |(value, scale): (&f32, &f64)| (f64::from(*value) * scale) as f32;
        Ok(map.chunks_exact(self.positions()).flat_map(|channel| channel.iter().zip(&scales).map(scaled)).collect())
    }

    /// The greatest value of each channel within a rectangle.
    fn maxima(&self, map: &[f32], rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> Vec<f32> {
        let greatest = |channel: &[f32]| {
            let lines = rows.clone().map(|row| &channel[row * self.width..][columns.clone()]);
            lines.flatten().fold(f32::NEG_INFINITY, |greatest, value| greatest.max(*value))
        };
        map.chunks_exact(self.positions()).map(greatest).collect()
    }

    fn at_least(&self, least: usize) -> Result<(), PoolingError> {
        let (height, width) = (self.height, self.width);
        if height.min(width) >= least { Ok(()) } else { Err(PoolingError::TooSmall { height, width, least }) }
    }
}

/// `pool` of every layer's normalised map, brought to unit length, side by side: a row per frame.
fn pooled(
    layers: &[FeatureMaps],
    pool: impl Fn(&FeatureMaps, &[f32]) -> Vec<f32> + Sync,
) -> Result<Matrix<f32>, PoolingError> {
    let frames = layers.first().map_or(0, |layer| layer.frames);
    if let Some(other) = layers.iter().find(|layer| layer.frames != frames) {
        return Err(PoolingError::Frames { expected: frames, got: other.frames });
    }
    let of_frame = |frame: usize| {
        let mut row = vec![];
        for layer in layers {
            let mut vector = pool(layer, &layer.normalised(frame)?);
            normalise(&mut vector);
            row.extend(vector);
        }
        Ok(row)
    };
    let rows: Vec<Vec<f32>> = (0..frames).into_par_iter().map(of_frame).collect::<Result<_, PoolingError>>()?;
    let width = layers.iter().fold(0usize, |width, layer| width.saturating_add(layer.channels));
    Ok(Matrix::new(rows.concat(), frames, width)?)
}

/// iMAC features (Kordopatis-Zilos et al. 2017, "Near-duplicate video retrieval by aggregating intermediate CNN layers"): for each layer the
/// channels of every position to unit length, their maxima over all positions, these to unit length; the layers side by side. The whole is not
/// normalised.
///
/// # Errors
/// [`PoolingError`] for layers of different numbers of frames, maps without a position, and values that are not finite.
pub fn imac(layers: &[FeatureMaps]) -> Result<Matrix<f32>, PoolingError> {
    layers.iter().try_for_each(|layer| layer.at_least(1))?;
    pooled(layers, |layer, map| layer.maxima(map, 0..layer.height, 0..layer.width))
}

/// R-MAC features of one scale (Tolias et al. 2016), as in the code of ViSiL: as [`imac`], with the maxima over square regions, each to unit
/// length, and their sum in place of the maxima over all positions.
///
/// With `p = ⌊2 min(height, width) / 7⌋` the regions have a side of `⌊1.5 p⌋` and are `p` apart, from the top left on; what does not fit is
/// left out.
///
/// # Errors
/// As [`imac`]; maps with fewer than 4 rows or columns have no region.
pub fn rmac(layers: &[FeatureMaps]) -> Result<Matrix<f32>, PoolingError> {
    layers.iter().try_for_each(|layer| layer.at_least(4))?;
    pooled(layers, |layer, map| {
        let stride = 2 * layer.height.min(layer.width) / 7;
        let side = 3 * stride / 2;
        let starts = |length: usize| (0..=length - side).step_by(stride);
        let mut sum = vec![0.0; layer.channels];
        for (top, left) in starts(layer.height).flat_map(|top| starts(layer.width).map(move |left| (top, left))) {
            let mut region = layer.maxima(map, top..top + side, left..left + side);
            normalise(&mut region);
            sum.iter_mut().zip(region).for_each(|(sum, value)| *sum += value);
        }
        sum
    })
}
