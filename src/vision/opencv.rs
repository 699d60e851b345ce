//! OpenCV's bicubic resizing, as the frame extractor of ViSiL and TCA calls it.
//!
//! `cv2.resize(frame, (0, 0), fx=r, fy=r, interpolation=cv2.INTER_CUBIC)` has two arithmetics. Its own, which is used on ARM, where Intel's
//! library is switched off and for tiny pictures, is followed here bit for bit (measured on OpenCV 4.12 and 5.0). With Intel IPP, the default
//! of the wheels for x86, about 5 % of the values are off by one from that, depending on the processor.

use super::picture::{CHANNELS, room};
use super::{Picture, PictureError, Window};

/// Taps of the cubic kernel.
const TAPS: usize = 4;

/// Weights are multiples of 2^-11.
const WEIGHT_ONE: f32 = 2048.0;

/// The picture that the published extractor stores of a frame: the shorter side brought to 256, the centre of 256 x 256.
///
/// # Errors
/// [`PictureError::TooLarge`] for a picture so long and narrow that the result has no room.
pub fn stored_frame(frame: &Picture) -> Result<Picture, PictureError> {
    let resized = resize_shorter_side(frame, 256)?;
    resized.crop(centre(resized.height(), resized.width(), 256))
}

/// The centre that the published extractor keeps: offsets are rounded down, and a side that is shorter than `side` stays whole.
pub fn centre(height: usize, width: usize, side: usize) -> Window {
    let offset = |whole: usize| whole.saturating_sub(side) / 2;
    Window { top: offset(height), left: offset(width), height: height.min(side), width: width.min(side) }
}

/// Bicubic resizing that brings the shorter side to `side`.
///
/// The sizes are `rint(size · r)` with `r = side / shorter`, halves to even. Both axes are sampled at a distance of `1 / r`, also where the size
/// was rounded: such a side is cut, not stretched.
///
/// # Errors
/// [`PictureError::Empty`] for a side of 0, [`PictureError::TooLarge`] where there is no room for the result.
pub fn resize_shorter_side(picture: &Picture, side: usize) -> Result<Picture, PictureError> {
    let ratio = side as f64 / picture.shorter() as f64;
    // A cast saturates, and what is too large is refused next.
    let resized = |size: usize| (size as f64 * ratio).round_ties_even() as usize;
    let (height, width) = (resized(picture.height()), resized(picture.width()));
    let mut values = room(height, width)?;
    let (rows, columns) = (taps(height, 1.0 / ratio), taps(width, 1.0 / ratio));
    let mut lines = Lines::new(picture, &columns);
    for tap in &rows {
        lines.hold(tap);
        lines.weighted_sum(tap, &mut values);
    }
    Picture::new(values, height, width)
}

/// Where a value of the result comes from, along one axis.
struct Tap {
    /// The first of four places, which may lie outside of the picture.
    first: isize,
    weights: [i16; TAPS],
}

impl Tap {
    /// A place within the picture: its edges go on for ever.
    fn place(&self, k: usize, length: usize) -> usize {
        self.first.saturating_add_unsigned(k).max(0).unsigned_abs().min(length - 1)
    }
}

/// One for each value of the result.
fn taps(length: usize, scale: f64) -> Vec<Tap> {
    let tap = |i: usize| {
        let position = ((i as f64 + 0.5) * scale - 0.5) as f32;
        let whole = position.floor();
        let weights = cubic(position - whole).map(|weight| (weight * WEIGHT_ONE).round_ties_even() as i16);
        Tap { first: (whole as isize).saturating_sub(1), weights }
    };
    (0..length).map(tap).collect()
}

/// Keys's cubic with a = −0.75 at `x + 1`, `x`, `1 − x` and `2 − x`, in OpenCV's order of operations.
fn cubic(x: f32) -> [f32; TAPS] {
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = ((A * (x + 1.0) - 5.0 * A) * (x + 1.0) + 8.0 * A) * (x + 1.0) - 4.0 * A;
    let (second, third) = (near(x), near(1.0 - x));
    [far, second, third, 1.0 - far - second - third]
}

/// Rows of a picture at the width of the result, as exact sums: the last four that were asked for.
struct Lines<'a> {
    picture: &'a Picture,
    columns: &'a [Tap],
    /// Row `i` is kept at place `i mod 4`: the rows of one tap follow each other.
    rows: [Vec<i32>; TAPS],
    held: [Option<usize>; TAPS],
}

impl<'a> Lines<'a> {
    fn new(picture: &'a Picture, columns: &'a [Tap]) -> Self {
        Self { picture, columns, rows: [const { vec![] }; TAPS], held: [None; TAPS] }
    }

    /// Computes the rows of a tap that are not there.
    fn hold(&mut self, tap: &Tap) {
        for k in 0..TAPS {
            let row = tap.place(k, self.picture.height());
            let place = row % TAPS;
            if self.held[place] == Some(row) {
                continue;
            }
            let values = self.picture.row(row);
            let (line, width) = (&mut self.rows[place], self.picture.width());
            line.clear();
            for column in self.columns {
                let pixels: [_; TAPS] =
                    std::array::from_fn(|k| &values[column.place(k, width) * CHANNELS..][..CHANNELS]);
                let sum =
                    |c: usize| (0..TAPS).map(|k| i32::from(pixels[k][c]) * i32::from(column.weights[k])).sum::<i32>();
                line.extend((0..CHANNELS).map(sum));
            }
            self.held[place] = Some(row);
        }
    }

    /// Appends a row of the result. OpenCV computes eight values at a time in f32, and the rest in integers.
    fn weighted_sum(&self, tap: &Tap, out: &mut Vec<u8>) {
        let lines: [&[i32]; TAPS] = std::array::from_fn(|k| &*self.rows[tap.place(k, self.picture.height()) % TAPS]);
        let vectorised = lines[0].len() / 8 * 8;
        let weights = tap.weights.map(|weight| f32::from(weight) / (WEIGHT_ONE * WEIGHT_ONE));
        out.extend((0..vectorised).map(|i| {
            let term = |k: usize| lines[k][i] as f32 * weights[k];
            let sum = term(0) + (term(1) + (term(2) + term(3)));
            // A cast saturates.
            sum.round_ties_even() as u8
        }));
        out.extend((vectorised..lines[0].len()).map(|i| {
            let sum: i64 = (0..TAPS).map(|k| i64::from(lines[k][i]) * i64::from(tap.weights[k])).sum();
            ((sum + (1 << 21)) >> 22).clamp(0, 255) as u8
        }));
    }
}
