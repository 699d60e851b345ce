//! What the benches of similarities share: embeddings, the shortest of some runs, and the machine's plain rate.

// Every bench uses a part of this.
#![allow(dead_code)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use coembed::matrix::Matrix;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub fn embeddings(rows: usize, width: usize, seed: u64) -> Matrix<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Matrix::from_fn(rows, width, |_, _| rng.random::<f32>() - 0.5)
}

pub fn shortest<T>(runs: usize, mut f: impl FnMut() -> T) -> Duration {
    let mut time = || {
        let start = Instant::now();
        black_box(f());
        start.elapsed()
    };
    (0..runs).map(|_| time()).min().unwrap()
}

/// One call of the `gemm` crate for all rows of `a` and `b`, with its own threads and a result allocated beforehand: the machine's plain rate.
pub fn plain_product(a: &Matrix<f32>, b: &Matrix<f32>, out: &mut [f32]) {
    assert_eq!((a.cols(), out.len()), (b.cols(), a.rows() * b.rows()));
    // SAFETY: shapes and strides are those of the three row-major buffers; `out` is borrowed mutably and so overlaps neither operand.
    unsafe {
        gemm::gemm(
            a.rows(),
            b.rows(),
            a.cols(),
            out.as_mut_ptr(),
            1,
            b.rows() as isize,
            false,
            a.as_slice().as_ptr(),
            1,
            a.cols() as isize,
            b.as_slice().as_ptr(),
            b.cols() as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}
