//! Our side of the comparisons in `benches/peers`: `peer_similarity <work> <repetitions>` prints `time <seconds>` for every repetition and
//! a checksum that the program of the same name in `benches/peers` must reproduce from the same inputs.
//!
//! The number of threads is `RAYON_NUM_THREADS`.

use std::time::Instant;

use coembed::matrix::Matrix;
use coembed::metrics::graded::{self, GradedOptions};
use coembed::metrics::rank::{self, RankOptions};
use coembed::relevance::SparseRelevance;
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

/// Ranks, nDCG and mAP in both directions for similarities of the size of EPIC-Kitchens-100's test split, as published. Relevance is graded:
/// half for an equal one of 12 classes, half for an equal one of 40, 10 % of all entries being non-zero.
fn retrieval(repetitions: usize) -> f64 {
    let (rows, columns) = (9668, 3842);
    let similarity = values(0, rows, columns);
    let class = |i: usize, classes: usize| ((value(i) + 0.5) * classes as f32) as usize;
    let classes = |start: usize, n: usize| -> Vec<[usize; 2]> {
        (start..start + n).map(|i| [class(2 * i, 12), class(2 * i + 1, 40)]).collect()
    };
    let (videos, texts) = (classes(1 << 26, rows), classes(1 << 27, columns));
    let half = |equal| if equal { 0.5 } else { 0.0 };
    let relevance = |i: usize, j: usize| half(videos[i][0] == texts[j][0]) + half(videos[i][1] == texts[j][1]);
    let relevance = SparseRelevance::from_dense(Matrix::from_fn(rows, columns, relevance).view()).unwrap();
    let truths: Vec<Vec<usize>> = (0..rows).map(|i| vec![i % columns]).collect();
    let (graded, ranks) = repeat(repetitions, || {
        let graded = graded::evaluate(similarity.view(), &relevance, &GradedOptions::as_published()).unwrap();
        (graded, rank::evaluate(similarity.view(), &truths, &RankOptions::as_published()).unwrap())
    });
    graded.ndcg_avg() + graded.map_avg() + ranks.v2t.mean + ranks.t2v.mean + ranks.rsum()
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
        Some("retrieval") => retrieval,
        // `cargo bench` and `cargo test` run every bench without arguments.
        None => return,
        Some(other) => panic!("unknown work {other}: top10, chamfer, retrieval"),
    };
    let repetitions = arguments.get(1).map_or(1, |n| n.parse().expect("repetitions"));
    println!("check {:.6}", work(repetitions));
}
