//! Chamfer similarity of one query of 300 frames with 100 videos of 300 frames of 1024 dimensions, one-sided and symmetric. Prints the share
//! of the rate of a plain matrix product of the same frames, measured in the same run.

use std::hint::black_box;
use std::time::{Duration, Instant};

use coembed::matrix::Matrix;
use coembed::similarity::{FrameSets, Measure, chamfer, inner_product, symmetric_chamfer};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FRAMES: usize = 300;
const VIDEOS: usize = 100;
const WIDTH: usize = 1024;
const FLOPS: f64 = 2.0 * (FRAMES * FRAMES * VIDEOS * WIDTH) as f64;

fn frames(sets: usize, seed: u64) -> (Matrix<f32>, Vec<usize>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let frames = Matrix::from_fn(FRAMES * sets, WIDTH, |_, _| rng.random::<f32>() - 0.5);
    (frames, (0..=sets).map(|set| FRAMES * set).collect())
}

fn shortest<T>(runs: usize, mut f: impl FnMut() -> T) -> Duration {
    let mut time = || {
        let start = Instant::now();
        black_box(f());
        start.elapsed()
    };
    (0..runs).map(|_| time()).min().unwrap()
}

/// The machine's plain rate: one call of the `gemm` crate for all frames.
fn plain_product(a: &Matrix<f32>, b: &Matrix<f32>, out: &mut [f32]) {
    assert_eq!(out.len(), a.rows() * b.rows());
    let (stride, width) = (b.rows() as isize, WIDTH as isize);
    let (out, a_data, b_data) = (out.as_mut_ptr(), a.as_slice().as_ptr(), b.as_slice().as_ptr());
    let threads = gemm::Parallelism::Rayon(0);
    // SAFETY: shapes and strides are those of the three row-major buffers; `out` is borrowed mutably and so overlaps neither operand.
    unsafe {
        gemm::gemm(
            a.rows(),
            b.rows(),
            WIDTH,
            out,
            1,
            stride,
            false,
            a_data,
            1,
            width,
            b_data,
            width,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            threads,
        );
    }
}

fn kernels(criterion: &mut Criterion) {
    let ((query, query_offsets), (videos, offsets)) = (frames(1, 1), frames(VIDEOS, 2));
    let q = FrameSets::new(query.view(), &query_offsets).unwrap();
    let v = FrameSets::new(videos.view(), &offsets).unwrap();
    let mut out = vec![0.0; FRAMES * FRAMES * VIDEOS];
    let rate = |time: Duration| FLOPS / time.as_secs_f64() / 1e9;
    let plain = rate(shortest(5, || plain_product(&query, &videos, &mut out)));
    let one = rate(shortest(5, || chamfer(q, v, Measure::InnerProduct).unwrap()));
    let both = rate(shortest(5, || symmetric_chamfer(q, v, Measure::Cosine).unwrap()));
    let matrix = rate(shortest(5, || inner_product(query.view(), videos.view()).unwrap()));
    println!("{} threads; plain product {plain:.0} GFLOP/s", rayon::current_num_threads());
    println!(
        "chamfer {one:.0} GFLOP/s, {:.0} % of it; symmetric, cosine {:.0} %",
        100.0 * one / plain,
        100.0 * both / plain
    );
    println!("our matrix of all frame similarities: {:.0} %", 100.0 * matrix / plain);

    let mut group = criterion.benchmark_group("chamfer");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(4));
    group.throughput(Throughput::Elements(FLOPS as u64 / 2));
    group.bench_function("one-sided", |b| b.iter(|| chamfer(q, v, Measure::InnerProduct).unwrap()));
    group.bench_function("symmetric", |b| b.iter(|| symmetric_chamfer(q, v, Measure::InnerProduct).unwrap()));
    group.finish();
}

criterion_group!(benches, kernels);
criterion_main!(benches);
