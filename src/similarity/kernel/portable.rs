//! Tiles for any processor, in plain Rust.

use super::Tile;

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
