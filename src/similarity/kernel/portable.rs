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
