//! Tiles for any processor, in plain Rust.

#[cfg(test)]
use super::{Bounds, Query, ROUNDING};
use super::{INTEGER_COLUMNS, Kernel, PARAMETERS, Tile};

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
