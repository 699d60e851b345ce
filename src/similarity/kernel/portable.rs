//! Tiles for any processor, in plain Rust.

#[cfg(test)]
use super::{Bounds, Query, ROUNDING};
use super::{INTEGER_COLUMNS, Kernel, PARAMETERS, Rounded, Tile};

pub(super) const COLUMNS: usize = 8;

pub(super) static TILES: [Tile; 4] = [tile::<1>, tile::<2>, tile::<3>, tile::<4>];

fn tile<const R: usize>(a: &[f32], b: &[f32], out: &mut [f32], stride: usize) {
    let mut sums = [[0.0; COLUMNS]; R];
    for (a, b) in a.as_chunks::<R>().0.iter().zip(b.as_chunks::<COLUMNS>().0) {
        for (sums, &x) in sums.iter_mut().zip(a) {
            for (sum, &y) in sums.iter_mut().zip(b) {
                *sum += x * y;
            }
        }
    }
    for (row, sums) in out.chunks_mut(stride).zip(&sums) {
        row[..COLUMNS].copy_from_slice(sums);
    }
}

pub(super) fn products(pairs: [(&[f32], &[f32]); Kernel::PAIRS]) -> [f32; Kernel::PAIRS] {
    side_by_side(pairs, |sum, x, y| sum + x * y)
}

/// Sums over pairs of rows, one step of each in turn.
#[inline(always)]
pub(super) fn side_by_side(
    pairs: [(&[f32], &[f32]); Kernel::PAIRS],
    step: impl Fn(f32, f32, f32) -> f32,
) -> [f32; Kernel::PAIRS] {
    let width = pairs[0].0.len();
    let pairs = pairs.map(|(a, b)| (&a[..width], &b[..width]));
    let mut sums = [0.0; Kernel::PAIRS];
    for k in 0..width {
        sums.iter_mut().zip(&pairs).for_each(|(sum, (a, b))| *sum = step(*sum, a[k], b[k]));
    }
    sums
}

pub(super) fn product(a: &[f32], b: &[f32]) -> f32 {
    in_lanes(a, b, |sum, x, y| sum + x * y)
}

/// A product in independent sums, which vectorise.
#[inline(always)]
pub(super) fn in_lanes(a: &[f32], b: &[f32], step: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; 64];
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<64>(), b.as_chunks::<64>());
    for (a, b) in a.iter().zip(b) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (&x, &y))| *lane = step(*lane, x, y));
    }
    lanes.iter_mut().zip(rest_a.iter().zip(rest_b)).for_each(|(lane, (&x, &y))| *lane = step(*lane, x, y));
    let mut half = lanes.len() / 2;
    while half > 0 {
        let (left, right) = lanes.split_at_mut(half);
        left.iter_mut().zip(right).for_each(|(x, y)| *x += *y);
        half /= 2;
    }
    lanes[0]
}

/// In f64, where squares of f32 cannot overflow.
#[inline(always)]
pub(super) fn squares(row: &[f32]) -> f64 {
    // Independent lanes, so that the sum vectorises.
    let mut lanes = [0.0; 32];
    let (chunks, rest) = row.as_chunks::<32>();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(sum, &x)| *sum += f64::from(x) * f64::from(x));
    }
    lanes.iter_mut().zip(rest).for_each(|(sum, &x)| *sum += f64::from(x) * f64::from(x));
    lanes.iter().sum()
}

/// Tiles of integers without any instructions for them: slower than floats, for comparison.
#[cfg(test)]
pub(in crate::similarity) static INTEGER: [Bounds; 14] = [
    bounds::<1>,
    bounds::<2>,
    bounds::<3>,
    bounds::<4>,
    bounds::<5>,
    bounds::<6>,
    bounds::<7>,
    bounds::<8>,
    bounds::<9>,
    bounds::<10>,
    bounds::<11>,
    bounds::<12>,
    bounds::<13>,
    bounds::<14>,
];

#[cfg(test)]
fn bounds<const R: usize>(queries: &[Query], a: &[u32], b: &[u32], out: &mut [f32], stride: usize) {
    let (words, parameters) = b.split_at(b.len() - PARAMETERS * INTEGER_COLUMNS);
    let mut sums = [[0; INTEGER_COLUMNS]; R];
    for (a, b) in a.as_chunks::<R>().0.iter().zip(words.as_chunks::<INTEGER_COLUMNS>().0) {
        for (sums, x) in sums.iter_mut().zip(a) {
            for (sum, y) in sums.iter_mut().zip(b) {
                let pairs = x.to_ne_bytes().into_iter().zip(y.to_ne_bytes());
                *sum += pairs.map(|(x, y)| i32::from(x as i8) * i32::from(y)).sum::<i32>();
            }
        }
    }
    let [scale, residual, norm, product, square] = columns(parameters);
    for ((row, sums), query) in out.chunks_mut(stride).zip(&sums).zip(queries) {
        for (c, (upper, sum)) in row.iter_mut().zip(sums).enumerate() {
            let estimate = (sum + query.offset) as f32 * scale[c] * query.scale + query.along * product[c];
            let error = query.per_residual * residual[c] + query.per_norm * norm[c];
            *upper = estimate + error + query.constant - (1.0 - ROUNDING) * square[c];
        }
    }
}

/// The parameters of the items of a record.
#[inline(always)]
pub(super) fn columns(parameters: &[u32]) -> [[f32; INTEGER_COLUMNS]; PARAMETERS] {
    let rows = parameters.as_chunks::<INTEGER_COLUMNS>().0;
    std::array::from_fn(|i| rows[i].map(f32::from_bits))
}

/// Below this a scale would not be a normal number with all its digits.
const SMALLEST: f32 = 1e-30;

#[inline(always)]
pub(super) fn round(
    row: &[f32],
    centre: &[f32],
    along: f32,
    direction: &[f32],
    rest: &mut [f32],
    out: &mut [u8],
) -> Rounded {
    let width = row.len();
    let (mut most, mut products) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let (row, row_end) = row.as_chunks::<LANES>();
    let (centre, centre_end) = centre[..width].as_chunks::<LANES>();
    let (direction, direction_end) = direction[..width].as_chunks::<LANES>();
    let (rest, rest_end) = rest[..width].as_chunks_mut::<LANES>();
    for (((row, centre), direction), rest) in row.iter().zip(centre).zip(direction).zip(rest.iter_mut()) {
        *rest = less(row, centre, along, direction, &mut most, &mut products);
    }
    let (row, centre, direction) = (padded(row_end), padded(centre_end), padded(direction_end));
    let end = less(&row, &centre, along, &direction, &mut most, &mut products);
    rest_end.copy_from_slice(&end[..rest_end.len()]);
    let largest = most.into_iter().fold(0.0_f32, f32::max);
    let product = products.iter().sum();
    if !(SMALLEST..f32::INFINITY).contains(&largest) {
        out[..width].fill(0);
        // Of rows that are not finite, no bound.
        let norm = if largest < SMALLEST { SMALLEST * (width as f32).sqrt() * 1.001 } else { f32::INFINITY };
        return Rounded { scale: 0.0, norm, residual: norm, length: 0.0, sum: 0, product };
    }

    let (scale, inverse) = (largest / 127.0, 127.0 / largest);
    let mut sums = Sums { norms: [0.0; LANES], residuals: [0.0; LANES], lengths: [0.0; LANES], integers: [0.0; LANES] };
    let (out, out_end) = out[..width].as_chunks_mut::<LANES>();
    for (out, rest) in out.iter_mut().zip(rest.iter()) {
        *out = sums.integers(rest, inverse);
    }
    out_end.copy_from_slice(&sums.integers(&end, inverse)[..out_end.len()]);
    // At most 2^10 + 32 sums in each: far inside this factor.
    let length = |squares: [f32; LANES]| scale * squares.iter().sum::<f32>().sqrt() * 1.0001;
    let norm = length(sums.norms);
    Rounded {
        scale,
        norm,
        // Scale, inverse and both products are rounded.
        residual: length(sums.residuals) + 4e-7 * norm,
        length: length(sums.lengths),
        sum: sums.integers.iter().sum::<f32>() as i32,
        product,
    }
}

const LANES: usize = 32;

/// Some values less `along` times those of `centre`; takes their sizes and products with `direction` into account.
#[inline(always)]
fn less(
    row: &[f32; LANES],
    centre: &[f32; LANES],
    along: f32,
    direction: &[f32; LANES],
    most: &mut [f32; LANES],
    products: &mut [f32; LANES],
) -> [f32; LANES] {
    let mut rest = [0.0; LANES];
    for l in 0..LANES {
        let y = row[l] - along * centre[l];
        let size = y.abs();
        // Infinite at worst, as centres are finite.
        most[l] = if size > most[l] { size } else { most[l] };
        products[l] += y * direction[l];
        rest[l] = y;
    }
    rest
}

/// Sums of squares of values in units of the scale, of what is left of them, and of integers, and sums of these.
struct Sums {
    norms: [f32; LANES],
    residuals: [f32; LANES],
    lengths: [f32; LANES],
    integers: [f32; LANES],
}

impl Sums {
    /// The integers nearest to some values.
    #[inline(always)]
    fn integers(&mut self, values: &[f32; LANES], inverse: f32) -> [u8; LANES] {
        // This added, the last bits of a number are its nearest integer.
        const MAGIC: f32 = 12_582_912.0;
        let mut integers = [0; LANES];
        for l in 0..LANES {
            let z = values[l] * inverse;
            let shifted = z + MAGIC;
            let n = shifted - MAGIC;
            self.norms[l] += z * z;
            self.residuals[l] += (z - n) * (z - n);
            self.lengths[l] += n * n;
            self.integers[l] += n;
            integers[l] = shifted.to_bits() as u8;
        }
        integers
    }
}

#[inline(always)]
fn padded<const N: usize>(values: &[f32]) -> [f32; N] {
    let mut all = [0.0; N];
    all[..values.len()].copy_from_slice(values);
    all
}
