//! Chamfer similarity of one query of 300 frames with 100 videos of 300 frames of 1024 dimensions, one-sided and symmetric. Prints the share
//! of the rate of a plain matrix product of the same frames, measured in the same run.

#[path = "common/plain.rs"]
mod plain;

use std::time::Duration;

use coembed::matrix::Matrix;
use coembed::similarity::{FrameSets, Measure, chamfer, inner_product, symmetric_chamfer};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plain::{embeddings, plain_product, shortest};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FRAMES: usize = 300;
const VIDEOS: usize = 100;
const WIDTH: usize = 1024;
const FLOPS: f64 = 2.0 * (FRAMES * FRAMES * VIDEOS * WIDTH) as f64;

fn frames(sets: usize, seed: u64) -> (Matrix<f32>, Vec<usize>) {
    (embeddings(FRAMES * sets, WIDTH, seed), (0..=sets).map(|set| FRAMES * set).collect())
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
