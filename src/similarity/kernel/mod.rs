//! Register tiles: the innermost loops of every similarity.
//!
//! A tile is `R x columns` sums over the whole inner axis, with R query rows and a fixed number of item columns, both read from packed
//! panels in which the values of one dimension lie side by side. Every sum adds its products in ascending order of the dimension into one
//! accumulator, so a score depends on its two rows alone: not on the tile they fall into, their neighbours, or the number of threads.
//!
//! Where the processor has instructions for it, there are tiles of 8-bit integers too, from which [`screen`](super::screen) has bounds of scores.
//!
//! Which kernel runs is decided once per call by what the processor offers. Kernels with fused multiply-add round once per product, the
//! portable one twice: they agree within rounding, not in every bit.

mod portable;
mod row;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
use crate::processor::Instructions;
pub(super) use row::{Rounded, norm, product, round};

/// Computes a tile. `a`: the panel of the queries, R values per dimension; `b`: the panel of the items, one value per column and dimension;
/// `out`: R rows, `stride` apart.
type Tile = unsafe fn(a: &[f32], b: &[f32], out: &mut [f32], stride: usize);

/// Inner products of pairs of rows of the same length, each as a tile adds it up.
type Products = unsafe fn(pairs: [(&[f32], &[f32]); Kernel::PAIRS]) -> [f32; Kernel::PAIRS];

/// Columns of every tile of integers.
pub(super) const INTEGER_COLUMNS: usize = 32;

/// Numbers that an item has beside its integers: scale, residual, norm, product with the direction, square.
pub(super) const PARAMETERS: usize = 5;

/// Share of squared norms that rounding may take: `2^-20`, 16 roundings.
pub(super) const ROUNDING: f32 = 1.0 / (1 << 20) as f32;

/// What turns the integer product of a query and an item into a bound of their score.
#[derive(Clone, Copy, Default)]
pub(super) struct Query {
    /// Added to the product: items are stored with 128 added.
    pub(super) offset: i32,
    /// Factor of the product times the item's scale.
    pub(super) scale: f32,
    /// Factor of the item's product with the direction.
    pub(super) along: f32,
    /// Factors of the item's residual and norm: the error of the estimate.
    pub(super) per_residual: f32,
    pub(super) per_norm: f32,
    /// What all estimates have in common, and the error that they have in common.
    pub(super) constant: f32,
    pub(super) slack: f32,
}

/// Computes a tile of upper bounds. `a`: the panel of R queries, a word of four integers per query and four dimensions; `b`: the record of the
/// items, a word per column and four dimensions, then their parameters; `out`: R rows, `stride` apart.
type Bounds = unsafe fn(queries: &[Query], a: &[u32], b: &[u32], out: &mut [f32], stride: usize);

/// A set of register-tile kernels for one kind of processor.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    /// Columns of every tile.
    pub(super) columns: usize,
    /// The kernel of `R` rows at position `R - 1`.
    tiles: &'static [Tile],
    products: Products,
    /// Tiles of integers, where they are faster than those of floats, of as many rows.
    pub(super) integer: Option<&'static [Bounds]>,
}

impl Kernel {
    /// Pairs whose products are taken side by side: enough to hide the latency of their sums, and few enough that rows which lie a multiple of
    /// 4 KiB apart find room in the first-level cache.
    pub(super) const PAIRS: usize = 4;

    /// The fastest kernel of this machine.
    pub(super) fn best() -> Self {
        Self::available()[0]
    }

    /// All kernels that this machine can run, fastest first; the last is the portable one.
    pub(super) fn available() -> Vec<Self> {
        let mut kernels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if Instructions::Avx512.usable() {
                kernels.push(Self {
                    columns: x86::AVX512_COLUMNS,
                    tiles: &x86::AVX512,
                    products: x86::products,
                    integer: Instructions::Avx512Vnni.usable().then_some(&x86::VNNI),
                });
            }
            if Instructions::Avx2.usable() {
                kernels.push(Self {
                    columns: x86::AVX2_COLUMNS,
                    tiles: &x86::AVX2,
                    products: x86::products,
                    integer: Instructions::AvxVnni.usable().then_some(&x86::NARROW_VNNI),
                });
            }
        }
        kernels.push(Self {
            columns: portable::COLUMNS,
            tiles: &portable::TILES,
            products: portable::products,
            integer: None,
        });
        kernels
    }

    /// Most rows of a tile.
    pub(super) fn rows(&self) -> usize {
        self.tiles.len()
    }

    /// The scores of `rows` packed queries with `columns` packed items.
    ///
    /// # Panics
    /// When the panels do not hold the same number of dimensions, or `out` is too short.
    pub(super) fn tile(&self, rows: usize, a: &[f32], b: &[f32], out: &mut [f32], stride: usize) {
        assert_eq!(a.len() * self.columns, b.len() * rows, "panels of different widths");
        assert!(stride >= self.columns && out.len() >= (rows - 1) * stride + self.columns, "output of a tile");
        // SAFETY: `available` lists a kernel only where the processor has its instructions; that is all that its functions ask for beyond
        // the sizes, which they check like any slice access.
        unsafe { self.tiles[rows - 1](a, b, out, stride) }
    }

    /// Inner products of pairs of rows: every bit is that of [`Kernel::tile`].
    ///
    /// # Panics
    /// When a row is shorter than the first.
    pub(super) fn products(&self, pairs: [(&[f32], &[f32]); Self::PAIRS]) -> [f32; Self::PAIRS] {
        // SAFETY: as for `tile`.
        unsafe { (self.products)(pairs) }
    }

    /// This kernel with integers that any machine has, slower than its floats.
    #[cfg(test)]
    pub(super) fn with_portable_integers(self) -> Self {
        Self { integer: Some(&portable::INTEGER[..self.rows()]), ..self }
    }

    /// Upper bounds of the scores of packed queries with [`INTEGER_COLUMNS`] packed items.
    ///
    /// # Panics
    /// When this kernel has no integers, the panels do not hold the same number of dimensions, or `out` is too short.
    pub(super) fn bounds(&self, queries: &[Query], a: &[u32], b: &[u32], out: &mut [f32], stride: usize) {
        let (rows, columns) = (queries.len(), INTEGER_COLUMNS);
        assert_eq!((a.len() / rows + PARAMETERS) * columns, b.len(), "panels of different widths");
        assert!(stride >= columns && out.len() >= (rows - 1) * stride + columns, "output of a tile");
        let tiles = self.integer.expect("a kernel of integers");
        // SAFETY: as for `tile`.
        unsafe { tiles[rows - 1](queries, a, b, out, stride) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(i: usize) -> f32 {
        ((i * 7919 + 13) % 257) as f32 / 128.0 - 1.0
    }

    /// Every flavour, every number of rows: against f64 sums, and nothing outside the tile is written.
    #[test]
    fn every_kernel_agrees_with_a_plain_loop() {
        for kernel in Kernel::available() {
            let columns = kernel.columns;
            for (rows, width) in (1..=kernel.rows()).flat_map(|rows| [0, 1, 37].map(|width| (rows, width))) {
                let a: Vec<f32> = (0..rows * width).map(value).collect();
                let b: Vec<f32> = (0..columns * width).map(|i| value(i + 1000)).collect();
                let stride = columns + 3;
                let mut out = vec![9.0; rows * stride];
                kernel.tile(rows, &a, &b, &mut out, stride);
                for (i, got) in out.iter().enumerate() {
                    let (row, column) = (i / stride, i % stride);
                    let dot = |k: usize| f64::from(a[k * rows + row]) * f64::from(b[k * columns + column]);
                    let want = if column < columns { (0..width).map(dot).sum() } else { 9.0 };
                    assert!((f64::from(*got) - want).abs() < 1e-5, "{rows} x {columns} x {width}: {got} for {want}");
                }
            }
        }
    }

    /// A score must not depend on the number of rows that share its tile.
    #[test]
    fn tiles_of_any_height_agree_in_every_bit() {
        let width = 301;
        for kernel in Kernel::available() {
            let (rows, columns) = (kernel.rows(), kernel.columns);
            let a: Vec<f32> = (0..rows * width).map(value).collect();
            let b: Vec<f32> = (0..columns * width).map(|i| value(3 * i) * 1.7).collect();
            let mut all = vec![0.0; rows * columns];
            kernel.tile(rows, &a, &b, &mut all, columns);
            for row in 0..rows {
                let alone: Vec<f32> = (0..width).map(|k| a[k * rows + row]).collect();
                let mut out = vec![0.0; columns];
                kernel.tile(1, &alone, &b, &mut out, columns);
                assert_eq!(out, all[row * columns..][..columns]);
            }
        }
    }
}
