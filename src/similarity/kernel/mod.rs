//! Register tiles: the innermost loops of every similarity.
//!
//! A tile is `R x columns` sums over the whole inner axis, with R query rows and a fixed number of item columns, both read from packed
//! panels in which the values of one dimension lie side by side. Every sum adds its products in ascending order of the dimension into one
//! accumulator, so a score depends on its two rows alone: not on the tile they fall into, their neighbours, or the number of threads.
//!
//! Which kernel runs is decided once per call by what the processor offers. Kernels with fused multiply-add round once per product, the
//! portable one twice: they agree within rounding, not in every bit.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Computes a tile. `a`: the panel of the queries, R values per dimension; `b`: the panel of the items, one value per column and dimension;
/// `out`: R rows, `stride` apart.
type Tile = unsafe fn(a: &[f32], b: &[f32], out: &mut [f32], stride: usize);

/// Sums the squares of a row. Every flavour gives the same bits.
type Squares = unsafe fn(row: &[f32]) -> f64;

/// A set of register-tile kernels for one kind of processor.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    /// Columns of every tile.
    pub(super) columns: usize,
    /// The kernel of `R` rows at position `R - 1`.
    tiles: &'static [Tile],
    squares: Squares,
}

impl Kernel {
    /// The fastest kernel of this machine.
    pub(super) fn best() -> Self {
        Self::available()[0]
    }

    /// All kernels that this machine can run, fastest first; the last is the portable one.
    pub(super) fn available() -> Vec<Self> {
        let mut kernels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                kernels.push(Self { columns: x86::AVX512_COLUMNS, tiles: &x86::AVX512, squares: x86::squares_avx512 });
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                kernels.push(Self { columns: x86::AVX2_COLUMNS, tiles: &x86::AVX2, squares: x86::squares_avx2 });
            }
        }
        kernels.push(Self { columns: portable::COLUMNS, tiles: &portable::TILES, squares: portable::squares });
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

    /// Euclidean norm of a row; not finite exactly when one of its values is not.
    pub(super) fn norm(&self, row: &[f32]) -> f64 {
        // SAFETY: as for `tile`.
        unsafe { (self.squares)(row) }.sqrt()
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
