//! Safe matrix product of f32 or f64 over row-major slices (crate `gemm`: AVX-512 where the machine has it).

use num_traits::Float;

/// A row-major matrix operand, optionally read transposed.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a, E = f32> {
    data: &'a [E],
    rows: usize,
    cols: usize,
    /// Distance between the starts of two rows.
    stride: usize,
    transposed: bool,
}

impl<'a, E> Operand<'a, E> {
    /// `rows x cols`, stored row-major.
    pub(crate) fn new(data: &'a [E], rows: usize, cols: usize) -> Self {
        assert_eq!(Some(data.len()), rows.checked_mul(cols), "operand of {rows} x {cols}");
        Self { data, rows, cols, stride: cols, transposed: false }
    }

    /// `rows x cols`, rows `stride` apart: some columns of a wider matrix.
    pub(crate) fn strided(data: &'a [E], rows: usize, cols: usize, stride: usize) -> Self {
        assert!(stride >= cols && holds(data, rows, cols, stride), "operand of {rows} x {cols}");
        Self { data, rows, cols, stride, transposed: false }
    }

    /// The transpose, without moving data.
    pub(crate) fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    fn shape(&self) -> (usize, usize) {
        if self.transposed { (self.cols, self.rows) } else { (self.rows, self.cols) }
    }

    /// (row stride, column stride)
    fn strides(&self) -> (isize, isize) {
        let (row, col) = (self.stride as isize, 1);
        if self.transposed { (col, row) } else { (row, col) }
    }
}

/// Whether the last of `rows` rows of `cols` values, `stride` apart, ends within the data.
fn holds<E>(data: &[E], rows: usize, cols: usize, stride: usize) -> bool {
    let end = rows.checked_sub(1).map_or(Some(0), |last| last.checked_mul(stride)?.checked_add(cols));
    end.is_some_and(|end| end <= data.len())
}

/// Which threads compute a product.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The calling one.
    One,
    /// All of the current pool, if there is enough work.
    All,
}

/// Work below this many multiply-adds stays on the calling thread.
pub(crate) const PARALLEL_ABOVE: usize = 1 << 18;

/// `out += a · b` if `accumulate`, else `out = a · b`; rows of `out` are `stride` apart.
///
/// The sum over the inner axis is never split between threads, so the result does not depend on their number.
///
/// # Panics
/// When the operands do not fit together or `out` is too short.
pub(crate) fn gemm<E: Float + 'static>(
    a: Operand<E>,
    b: Operand<E>,
    out: &mut [E],
    stride: usize,
    accumulate: bool,
    threads: Threads,
) {
    let ((m, k), (k2, n)) = (a.shape(), b.shape());
    assert_eq!(k, k2, "inner sizes of a matrix product");
    if m == 0 || n == 0 {
        return;
    }
    assert!(stride >= n && holds(out, m, n, stride), "output of a {m} x {n} matrix product");
    if k == 0 {
        if !accumulate {
            out.chunks_mut(stride).take(m).for_each(|row| row[..n].fill(E::zero()));
        }
        return;
    }
    // SAFETY: the asserts above are what `multiply` asks for; `out` is borrowed exclusively, so it overlaps neither operand.
    unsafe { multiply(a, b, out.as_mut_ptr(), stride, accumulate, threads) }
}

/// `a · b`, in a buffer that nothing is written to before.
///
/// # Panics
/// When the operands do not fit together.
pub(crate) fn product(a: Operand, b: Operand, threads: Threads) -> Vec<f32> {
    let ((m, k), (k2, n)) = (a.shape(), b.shape());
    assert_eq!(k, k2, "inner sizes of a matrix product");
    if m == 0 || n == 0 || k == 0 {
        return vec![0.0; m * n];
    }
    let mut out = Vec::with_capacity(m * n);
    // SAFETY: the buffer has room for m rows of n values, and `multiply` without `accumulate` writes all of them and reads none.
    unsafe {
        multiply(a, b, out.as_mut_ptr(), n, false, threads);
        out.set_len(m * n);
    }
    out
}

/// # Safety
/// The inner sizes of the operands are equal and no size is 0; `out` may be written for all of its rows, `stride` apart, and read as well
/// if `accumulate`; it overlaps neither operand.
unsafe fn multiply<E: Float + 'static>(
    a: Operand<E>,
    b: Operand<E>,
    out: *mut E,
    stride: usize,
    accumulate: bool,
    threads: Threads,
) {
    let ((m, k), n) = (a.shape(), b.shape().1);
    let (a_rs, a_cs) = a.strides();
    let (b_rs, b_cs) = b.strides();
    let parallel = threads == Threads::All && m * n * k > PARALLEL_ABOVE;
    let parallelism = if parallel { gemm::Parallelism::Rayon(0) } else { gemm::Parallelism::None };
    // SAFETY: the constructors of `Operand` prove that every index `i * rs + j * cs` inside their sizes lies inside their slices, whose lengths
    // fit an isize; the caller vouches for `out`. Without `accumulate` its old contents are not read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            stride as isize,
            accumulate,
            a.data.as_ptr(),
            a_cs,
            a_rs,
            b.data.as_ptr(),
            b_cs,
            b_rs,
            E::one(),
            E::one(),
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_of_its_own_equals_one_that_is_written_into_a_buffer() {
        for (m, k, n) in [(1, 1, 1), (3, 5, 2), (40, 70, 33), (2, 0, 3), (0, 2, 3)] {
            let values = |len: usize| (0..len).map(|i| (i as f32).sin()).collect::<Vec<_>>();
            let (a, b) = (values(m * k), values(k * n));
            let mut into = vec![9.0; m * n];
            gemm(Operand::new(&a, m, k), Operand::new(&b, k, n), &mut into, n, false, Threads::All);
            assert_eq!(product(Operand::new(&a, m, k), Operand::new(&b, k, n), Threads::All), into);
        }
    }

    #[test]
    fn only_the_tile_is_written() {
        let a = Operand::new(&[1.0, 2.0, 3.0, 4.0], 2, 2);
        let b = Operand::new(&[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], 3, 2);
        let mut out = [9.0; 9];
        gemm(a, b.t(), &mut out, 4, false, Threads::One);
        assert_eq!(out, [1.0, 2.0, 3.0, 9.0, 3.0, 4.0, 7.0, 9.0, 9.0]);
        gemm(a, b.t(), &mut out, 4, true, Threads::One);
        assert_eq!(out, [2.0, 4.0, 6.0, 9.0, 6.0, 8.0, 14.0, 9.0, 9.0]);
        let none = Operand::new(&[], 2, 0);
        gemm(none, none.t(), &mut out, 4, false, Threads::One);
        assert_eq!(out, [0.0, 0.0, 6.0, 9.0, 0.0, 0.0, 14.0, 9.0, 9.0]);
    }
}
