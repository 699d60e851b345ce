//! Safe f32 matrix product over row-major slices (crate `gemm`: AVX-512 where the machine has it).

/// A row-major matrix operand, optionally read transposed.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    transposed: bool,
}

impl<'a> Operand<'a> {
    /// `rows x cols`, stored row-major.
    pub(crate) fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "operand of {rows} x {cols}");
        Self { data, rows, cols, transposed: false }
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
        let (row, col) = (self.cols as isize, 1);
        if self.transposed { (col, row) } else { (row, col) }
    }
}

/// Work below this many multiply-adds stays on the calling thread.
const PARALLEL_ABOVE: usize = 1 << 18;

/// `out += a · b` if `accumulate`, else `out = a · b`; `out` is row-major and contiguous.
///
/// The sum over the inner axis is never split between threads, so the result does not depend on their number.
pub(crate) fn gemm(a: Operand, b: Operand, out: &mut [f32], accumulate: bool) {
    let ((m, k), (k2, n)) = (a.shape(), b.shape());
    assert_eq!(k, k2, "inner sizes of a matrix product");
    assert_eq!(out.len(), m * n, "output of a {m} x {n} matrix product");
    if k == 0 && !accumulate {
        out.fill(0.0);
    }
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let (a_rs, a_cs) = a.strides();
    let (b_rs, b_cs) = b.strides();
    let parallelism = if m * n * k > PARALLEL_ABOVE { gemm::Parallelism::Rayon(0) } else { gemm::Parallelism::None };
    // SAFETY: the asserts above and in `Operand::new` prove that every index `i * rs + j * cs` inside the given sizes
    // lies inside the three slices; `out` is borrowed exclusively, so it aliases neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            a.data.as_ptr(),
            a_cs,
            a_rs,
            b.data.as_ptr(),
            b_cs,
            b_rs,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
