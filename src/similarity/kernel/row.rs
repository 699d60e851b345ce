//! What is done to single rows, compiled for each set of instructions; every set computes the same bits.

use crate::processor::vectorise;

/// A row in 8 bits: scale times integers.
pub(in crate::similarity) struct Rounded {
    pub(in crate::similarity) scale: f32,
    /// Bounds of the norm of the row less the centre, of that less the integers, and of the integers.
    pub(in crate::similarity) norm: f32,
    pub(in crate::similarity) residual: f32,
    pub(in crate::similarity) length: f32,
    /// Of the integers.
    pub(in crate::similarity) sum: i32,
    /// With another row, of the row less the centre.
    pub(in crate::similarity) product: f32,
}

const LANES: usize = 32;

vectorise! {
    /// Sums of squares in f64, where those of f32 cannot overflow.
    fn squares(row: &[f32]) -> f64 {
        // Independent lanes, so that the sum vectorises.
        let mut lanes = [0.0; LANES];
        let (chunks, rest) = row.as_chunks::<LANES>();
        for chunk in chunks {
            lanes.iter_mut().zip(chunk).for_each(|(sum, &x)| *sum += f64::from(x) * f64::from(x));
        }
        lanes.iter_mut().zip(rest).for_each(|(sum, &x)| *sum += f64::from(x) * f64::from(x));
        lanes.iter().sum()
    }
}

/// Euclidean norm of a row; not finite exactly when one of its values is not.
pub(in crate::similarity) fn norm(row: &[f32]) -> f64 {
    squares(row).sqrt()
}

vectorise! {
    /// The inner product of two rows, faster than [`Kernel::products`](super::Kernel::products) and in another order of sums.
    pub(in crate::similarity) fn product(a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = [0.0; 64];
        let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<64>(), b.as_chunks::<64>());
        for (a, b) in a.iter().zip(b) {
            lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (x, y))| *lane += x * y);
        }
        lanes.iter_mut().zip(rest_a.iter().zip(rest_b)).for_each(|(lane, (x, y))| *lane += x * y);
        let mut half = lanes.len() / 2;
        while half > 0 {
            let (left, right) = lanes.split_at_mut(half);
            left.iter_mut().zip(right).for_each(|(x, y)| *x += *y);
            half /= 2;
        }
        lanes[0]
    }
}

/// Below this a scale would not be a normal number with all its digits.
const SMALLEST: f32 = 1e-30;

vectorise! {
    /// Rounds a row less `along` times `centre`, and takes the product of the difference with `direction`. `rest` and `out`: one value per
    /// dimension, the integers in two's complement.
    pub(in crate::similarity) fn round(
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
}

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
