//! Our side of the comparisons in `benches/peers`: `peer_similarity <work> <repetitions>` prints `time <seconds>` for every repetition and
//! a checksum that the program of the same name in `benches/peers` must reproduce from the same inputs.
//!
//! The number of threads is `RAYON_NUM_THREADS`.

use std::time::Instant;

use coembed::matrix::Matrix;
use coembed::similarity::{FrameSets, Measure, chamfer, top_k};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Number `i` of a sequence that both sides can compute: a hash of `i`, uniform in [-0.5, 0.5), exact in f32.
fn value(i: usize) -> f32 {
    let mut x = (i as u32).wrapping_mul(2_654_435_761);
    x = (x ^ (x >> 16)).wrapping_mul(73_244_475);
    x ^= x >> 16;
    (x >> 8) as f32 / (1 << 24) as f32 - 0.5
}

fn values(start: usize, rows: usize, cols: usize) -> Matrix<f32> {
    Matrix::new((start..start + rows * cols).map(value).collect(), rows, cols).unwrap()
}

/// Exact top-10 of 10,000 x 100,000 embeddings of 512 dimensions by inner product.
fn top10(repetitions: usize) -> f64 {
    let (queries, items) = (values(0, 10_000, 512), values(10_000 * 512, 100_000, 512));
    let top = repeat(repetitions, || top_k(queries.view(), items.view(), Measure::InnerProduct, 10).unwrap());
    top.scores.as_slice().iter().map(|&score| f64::from(score)).sum()
}

/// Chamfer similarity of one query with 1,000 videos of 300 frames of 1024 dimensions.
fn chamfer_1000(repetitions: usize) -> f64 {
    let (query, items) = (values(0, 300, 1024), values(300 * 1024, 300_000, 1024));
    let offsets: Vec<usize> = (0..=1000).map(|video| 300 * video).collect();
    let query = FrameSets::new(query.view(), &[0, 300]).unwrap();
    let items = FrameSets::new(items.view(), &offsets).unwrap();
    let scores = repeat(repetitions, || chamfer(query, items, Measure::InnerProduct).unwrap());
    scores.as_slice().iter().map(|&score| f64::from(score)).sum::<f64>() / 1000.0
}

/// The last result.
fn repeat<T>(repetitions: usize, mut work: impl FnMut() -> T) -> T {
    let mut timed = || {
        let start = Instant::now();
        let result = work();
        println!("time {:.6}", start.elapsed().as_secs_f64());
        result
    };
    (1..repetitions).for_each(|_| drop(timed()));
    timed()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let work = match arguments.first().map(String::as_str) {
        Some("top10") => top10,
        Some("chamfer") => chamfer_1000,
        // `cargo bench` and `cargo test` run every bench without arguments.
        None => return,
        Some(other) => panic!("unknown work {other}: top10, chamfer"),
    };
    let repetitions = arguments.get(1).map_or(1, |n| n.parse().expect("repetitions"));
    println!("check {:.6}", work(repetitions));
}
