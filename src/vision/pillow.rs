//! Pillow's antialiased resizing of 8-bit pictures (`Image.resize`), bit for bit: weights in fixed point of 22 bits, the horizontal pass first,
//! rounded to 8 bits between the passes.
//!
//! Pillow 13 takes the vertical pass first for pictures that are more than about twice as high as they are wide, older versions do not; here it
//! is the horizontal one for all.

use super::picture::{CHANNELS, room};
use super::{Picture, PictureError, Window};

/// Bits of the fraction of a weight.
const PRECISION: u32 = 22;

/// A kernel of interpolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// `max(0, 1 − |t|)`.
    Bilinear,
    /// Keys's cubic with a = −0.5.
    Bicubic,
}

impl Filter {
    /// Where the kernel ends, at a scale of 1.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn value(self, t: f64) -> f64 {
        const A: f64 = -0.5;
        let t = t.abs();
        match self {
            Self::Bilinear => (1.0 - t).max(0.0),
            Self::Bicubic if t < 1.0 => ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0,
            Self::Bicubic if t < 2.0 => (((t - 5.0) * t + 8.0) * t - 4.0) * A,
            Self::Bicubic => 0.0,
        }
    }
}

/// Resizes so that the shorter side is `side` and the longer one `⌊side · longer / shorter⌋`, as torchvision's `Resize`. A picture whose shorter side
/// has that length stays as it is.
///
/// # Errors
/// As [`resize`].
pub fn resize_shorter_side(picture: &Picture, side: usize, filter: Filter) -> Result<Picture, PictureError> {
    let (height, width, shorter) = (picture.height(), picture.width(), picture.shorter());
    if shorter == side {
        return Ok(picture.clone());
    }
    let longer = side as u128 * height.max(width) as u128 / shorter as u128;
    let longer = usize::try_from(longer).unwrap_or(usize::MAX);
    if height < width { resize(picture, side, longer, filter) } else { resize(picture, longer, side, filter) }
}

/// The centre of `side` x `side`, as torchvision's `CenterCrop`: offsets are rounded, halves to even.
///
/// # Errors
/// [`PictureError::Outside`] where the picture is smaller (torchvision adds black borders).
pub fn crop_centre(picture: &Picture, side: usize) -> Result<Picture, PictureError> {
    let offset = |whole: usize| (whole.saturating_sub(side) as f64 / 2.0).round_ties_even() as usize;
    let (top, left) = (offset(picture.height()), offset(picture.width()));
    picture.crop(Window { top, left, height: side, width: side })
}

/// Resizes to any size; pictures that get smaller are antialiased: the kernel is as wide as the pixels of the result.
///
/// # Errors
/// [`PictureError::Empty`] for a size of 0, [`PictureError::TooLarge`] where there is no room for the result.
pub fn resize(picture: &Picture, height: usize, width: usize, filter: Filter) -> Result<Picture, PictureError> {
    let (mut narrow, mut values) = (room(picture.height(), width)?, room(height, width)?);
    let columns = weights(picture.width(), width, filter);
    for row in (0..picture.height()).map(|i| picture.row(i)) {
        for Weights { first, of } in &columns {
            let pixels = row.as_chunks::<CHANNELS>().0[*first..].iter().zip(of);
            let sums = pixels.fold([HALF; CHANNELS], |sums, (pixel, weight)| {
                std::array::from_fn(|c| sums[c] + i64::from(pixel[c]) * weight)
            });
            narrow.extend(sums.map(rounded));
        }
    }
    let narrow = Picture::new(narrow, picture.height(), width)?;
    let mut sums = vec![];
    for Weights { first, of } in weights(picture.height(), height, filter) {
        sums.clear();
        sums.resize(width * CHANNELS, HALF);
        for (k, weight) in of.iter().enumerate() {
            sums.iter_mut().zip(narrow.row(first + k)).for_each(|(sum, value)| *sum += i64::from(*value) * weight);
        }
        values.extend(sums.iter().map(|sum| rounded(*sum)));
    }
    Picture::new(values, height, width)
}

/// One half, in fixed point.
const HALF: i64 = 1 << (PRECISION - 1);

/// A sum that began at one half as a value of 8 bits.
fn rounded(sum: i64) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// What a value of the result is made of, along one axis.
struct Weights {
    /// The first place.
    first: usize,
    /// In fixed point, of the places from there on.
    of: Vec<i64>,
}

/// One for each value of the result.
fn weights(from: usize, to: usize, filter: Filter) -> Vec<Weights> {
    let scale = from as f64 / to as f64;
    let wide = scale.max(1.0);
    let support = filter.support() * wide;
    let of = |i: usize| {
        let centre = (i as f64 + 0.5) * scale;
        // A cast cuts off the fraction, and negative numbers.
        let first = (centre - support + 0.5) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let exact: Vec<f64> =
            (first..end).map(|place| filter.value((place as f64 - centre + 0.5) * (1.0 / wide))).collect();
        let sum: f64 = exact.iter().sum();
        let fixed = |weight: f64| (weight / sum * f64::from(1 << PRECISION)).round() as i64;
        Weights { first, of: exact.into_iter().map(fixed).collect() }
    };
    (0..to).map(of).collect()
}
