//! Top-k, chamfer similarity and retrieval metrics, for comparison with `benches/peers/similarity.py`; see docs/performance.md.

#[path = "common/device.rs"]
mod device;
#[path = "common/inputs.rs"]
mod inputs;
#[path = "common/peer.rs"]
mod peer;

use coembed::matrix::Matrix;
use coembed::metrics::VideosByTexts;
use coembed::metrics::graded::{self, GradedOptions};
use coembed::metrics::rank::{self, RankOptions};
use coembed::relevance::SparseRelevance;
use coembed::similarity::{FrameSets, Gallery, Measure};
#[cfg(not(feature = "cuda"))]
use coembed::similarity::{chamfer, top_k};
#[cfg(feature = "cuda")]
use gpu::{chamfer, top_k};
use inputs::{value, values};
use peer::Work;

fn matrix(seed: u32, rows: usize, cols: usize) -> Matrix<f32> {
    Matrix::new(values(seed, rows * cols, 1.0), rows, cols).unwrap()
}

/// Exact top-10 of 10,000 x 100,000 embeddings of 512 dimensions by inner product.
fn top10() -> Work {
    let (queries, items) = (matrix(1, 10_000, 512), matrix(2, 100_000, 512));
    Box::new(move |clock| {
        let top = clock.time(|| top_k(queries.view(), items.view(), Measure::InnerProduct, 10)).unwrap();
        top.scores.as_slice().iter().map(|&score| f64::from(score)).sum()
    })
}

/// Exact top-10 of a few queries among the same items, which are prepared once, on the CPU.
fn few(queries: usize) -> Work {
    let queries = matrix(1, queries, 512);
    let gallery = Gallery::new(matrix(2, 100_000, 512), Measure::InnerProduct).unwrap();
    Box::new(move |clock| {
        let top = clock.time(|| gallery.top_k(queries.view(), 10)).unwrap();
        top.scores.as_slice().iter().map(|&score| f64::from(score)).sum()
    })
}

/// Frames of videos in shots of 5 to 24: a base of each shot, and a tenth of noise; rows of length 1.
fn shots(seed: u32, videos: usize) -> Matrix<f32> {
    let (frames, width) = (300, 1024);
    let (bases, noise) = (values(seed, videos * 60 * width, 1.0), values(seed + 100, videos * frames * width, 0.1));
    let mut rows = Vec::with_capacity(noise.len());
    for video in 0..videos {
        let (mut shot, mut left) = (0, 0);
        for frame in 0..frames {
            if left == 0 {
                shot += 1;
                left = 5 + (seed as usize + 31 * video + 7 * shot * shot) % 20;
            }
            left -= 1;
            let base = &bases[(video * 60 + shot - 1) * width..][..width];
            let noise = &noise[(video * frames + frame) * width..][..width];
            let row: Vec<f32> = base.iter().zip(noise).map(|(base, noise)| base + noise).collect();
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            rows.extend(row.iter().map(|x| x / norm));
        }
    }
    Matrix::new(rows, videos * frames, width).unwrap()
}

/// Chamfer similarity of one query with 1,000 videos of 300 frames of 1024 dimensions.
fn chamfer_1000(query: Matrix<f32>, items: Matrix<f32>) -> Work {
    let offsets: Vec<usize> = (0..=1000).map(|video| 300 * video).collect();
    Box::new(move |clock| {
        let query = FrameSets::new(query.view(), &[0, 300]).unwrap();
        let items = FrameSets::new(items.view(), &offsets).unwrap();
        let scores = clock.time(|| chamfer(query, items, Measure::InnerProduct)).unwrap();
        scores.as_slice().iter().map(|&score| f64::from(score)).sum::<f64>() / 1000.0
    })
}

/// Ranks, nDCG and mAP in both directions for similarities of the size of EPIC-Kitchens-100's test split, as published. Relevance is graded:
/// half for an equal one of 12 classes, half for an equal one of 40, 10 % of all entries being non-zero.
fn retrieval() -> Work {
    let (rows, columns) = (9668, 3842);
    let similarity = matrix(1, rows, columns);
    let class = |seed, i: u32, classes: f32| ((value(seed, i) + 0.5) * classes) as usize;
    let classes = |seed, n: u32| -> Vec<[usize; 2]> {
        (0..n).map(|i| [class(seed, 2 * i, 12.0), class(seed, 2 * i + 1, 40.0)]).collect()
    };
    let (videos, texts) = (classes(2, rows as u32), classes(3, columns as u32));
    let half = |equal| if equal { 0.5 } else { 0.0 };
    let relevance = |i: usize, j: usize| half(videos[i][0] == texts[j][0]) + half(videos[i][1] == texts[j][1]);
    let relevance = SparseRelevance::from_dense(Matrix::from_fn(rows, columns, relevance).view()).unwrap();
    let truths: Vec<Vec<usize>> = (0..rows).map(|i| vec![i % columns]).collect();
    Box::new(move |clock| {
        let (graded, ranks) = clock.time(|| {
            let graded =
                graded::evaluate(VideosByTexts::new(similarity.view()), &relevance, &GradedOptions::as_published())
                    .unwrap();
            (
                graded,
                rank::evaluate(VideosByTexts::new(similarity.view()), &truths, &RankOptions::as_published()).unwrap(),
            )
        });
        graded.ndcg_avg() + graded.map_avg().unwrap_or_default() + ranks.v2t.mean + ranks.t2v.mean + ranks.rsum()
    })
}

/// The same on the first GPU, opened once.
#[cfg(feature = "cuda")]
mod gpu {
    use coembed::matrix::{Matrix, MatrixView};
    use coembed::similarity::cuda::{Cuda, CudaError};
    use coembed::similarity::{FrameSets, Measure, TopK};

    thread_local!(static GPU: Cuda = Cuda::new(0).unwrap_or_else(|error| panic!("{error}")));

    type Frames<'a> = FrameSets<'a, MatrixView<'a, f32>>;

    pub fn top_k(q: MatrixView<'_, f32>, i: MatrixView<'_, f32>, m: Measure, k: usize) -> Result<TopK, CudaError> {
        GPU.with(|gpu| gpu.top_k(q, i, m, k))
    }

    pub fn chamfer(queries: Frames<'_>, items: Frames<'_>, measure: Measure) -> Result<Matrix<f32>, CudaError> {
        GPU.with(|gpu| gpu.chamfer(queries, items, measure))
    }
}

fn main() {
    peer::main(&[
        ("top10", top10),
        ("top10_of_1", || few(1)),
        ("top10_of_1_panorama", || few(1)),
        ("top10_of_10", || few(10)),
        ("top10_of_10_panorama", || few(10)),
        ("chamfer", || chamfer_1000(matrix(1, 300, 1024), matrix(2, 300_000, 1024))),
        ("chamfer_shots", || chamfer_1000(shots(1, 1), shots(2, 1000))),
        ("retrieval", retrieval),
    ]);
}
