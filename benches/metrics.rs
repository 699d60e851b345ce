//! nDCG and mAP in both directions on the EPIC-Kitchens-100 test split (9668 x 3842), against a naive implementation in the same run: a
//! transposed copy, one comparison sort per query and metric, the same threads. Prints the ratio.
//!
//! Relevance is the real one where the annotation files are present (`COEMBED_DATA`), else a synthetic one of the same density.

use std::hint::black_box;
use std::time::{Duration, Instant};

use coembed::matrix::{Matrix, MatrixView};
use coembed::metrics::graded::{GradedOptions, GradedScores, evaluate};
use coembed::metrics::rank::{self, RankOptions};
use coembed::metrics::{Score, VideosByTexts};
use coembed::relevance::{EmptyUnion, Level, SparseRelevance, sparse_relevance};
use criterion::{Criterion, criterion_group, criterion_main};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

#[path = "common/annotations.rs"]
mod annotations;

fn relevance() -> SparseRelevance {
    let Some(folder) = annotations::folder() else { return synthetic() };
    let (videos, captions) = annotations::classes(&folder);
    let start = Instant::now();
    let relevance = sparse_relevance(&videos, &captions, Level::Action, EmptyUnion::Zero).unwrap();
    println!("relevance: real, {} non-zeros, built in {:.0?}", relevance.non_zeros(), start.elapsed());
    relevance
}

/// 11.4 % non-zeros, of which 1.5 % ones.
fn synthetic() -> SparseRelevance {
    println!("relevance: synthetic");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let dense = Matrix::from_fn(9668, 3842, |_, _| match rng.random::<f64>() {
        x if x < 0.0017 => 1.0,
        x if x < 0.1137 => 0.5,
        _ => 0.0,
    });
    SparseRelevance::from_dense(dense.view()).unwrap()
}

/// Bell-shaped scores, somewhat informed by the relevance, as a model gives them.
fn similarity(relevance: &SparseRelevance) -> Matrix<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut noise = || (0..4).map(|_| rng.random::<f64>() - 0.5).sum::<f64>();
    let mut similarity = Matrix::from_fn(relevance.rows(), relevance.cols(), |_, _| 0.3 * noise());
    for i in 0..relevance.rows() {
        let (columns, values) = relevance.row(i);
        columns.iter().zip(values).for_each(|(&j, &value)| similarity.row_mut(i)[j as usize] += 0.3 * value);
    }
    similarity
}

/// Means of nDCG and AP as the published programs compute them, query by query with two full sorts over dense rows.
fn naive<S: Score>(similarity: MatrixView<'_, S>, relevance: MatrixView<'_, f64>) -> (f64, f64) {
    let query = |i: usize| {
        let (scores, relevance) = (similarity.row(i), relevance.row(i));
        let k = relevance.iter().filter(|&&r| r > 0.0).count();
        let dcg = |order: &mut dyn Iterator<Item = f64>| -> f64 {
            order.take(k).enumerate().map(|(r, rel)| rel / (r as f64 + 2.0).log2()).sum()
        };
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[a].partial_cmp(&scores[b]).unwrap());
        let mut ideal = relevance.to_vec();
        ideal.sort_by(|a, b| b.total_cmp(a));
        let ndcg = dcg(&mut order.iter().rev().map(|&j| relevance[j])) / dcg(&mut ideal.into_iter());

        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap());
        let (mut above, mut sum, mut hits) = (0.0, 0.0, 0.0);
        for (r, &j) in order.iter().enumerate() {
            above += relevance[j];
            if relevance[j] == 1.0 {
                (sum, hits) = (sum + above / (r + 1) as f64, hits + 1.0);
            }
        }
        let finite = |x: f64| if x.is_finite() { x } else { 0.0 };
        (finite(ndcg), finite(sum / hits))
    };
    let values: Vec<(f64, f64)> = (0..similarity.rows()).into_par_iter().map(query).collect();
    let n = values.len() as f64;
    (values.iter().map(|v| v.0).sum::<f64>() / n, values.iter().map(|v| v.1).sum::<f64>() / n)
}

fn transposed<T: Copy + Default>(m: &Matrix<T>) -> Matrix<T> {
    let mut out = Matrix::from_fn(m.cols(), m.rows(), |_, _| T::default());
    for i in 0..m.rows() {
        for (j, &value) in m.row(i).iter().enumerate() {
            out.row_mut(j)[i] = value;
        }
    }
    out
}

/// Shortest of a few runs.
fn shortest<T>(runs: usize, mut f: impl FnMut() -> T) -> (Duration, T) {
    let mut best = None;
    for _ in 0..runs {
        let start = Instant::now();
        let value = black_box(f());
        let time = start.elapsed();
        if best.as_ref().is_none_or(|(shortest, _)| time < *shortest) {
            best = Some((time, value));
        }
    }
    best.unwrap()
}

fn compare<S: Score>(name: &str, similarity: &Matrix<S>, relevance: &SparseRelevance, dense: &Matrix<f64>) {
    let options = GradedOptions::as_published();
    let (ours, report) = shortest(5, || evaluate(VideosByTexts::new(similarity.view()), relevance, &options).unwrap());
    let (theirs, want) = shortest(2, || {
        let rows = naive(similarity.view(), dense.view());
        let columns = naive(transposed(similarity).view(), transposed(dense).view());
        [rows.0, rows.1, columns.0, columns.1]
    });
    let map = |scores: &GradedScores| scores.ap.as_ref().map_or(0.0, |ap| ap.mean);
    let got = [report.v2t.ndcg.mean, map(&report.v2t), report.t2v.ndcg.mean, map(&report.t2v)];
    let error = got.iter().zip(want).fold(0.0_f64, |m, (got, want)| m.max((got - want).abs()));
    println!(
        "{name}: nDCG + mAP both directions {ours:.0?}, naive sorts {theirs:.0?}, ratio {:.1}, largest difference {error:.1e}",
        theirs.as_secs_f64() / ours.as_secs_f64()
    );
}

fn metrics(criterion: &mut Criterion) {
    let relevance = relevance();
    let double = similarity(&relevance);
    let single = Matrix::from_fn(double.rows(), double.cols(), |i, j| double.row(i)[j] as f32);
    {
        let dense = relevance.to_dense();
        println!("{} threads", rayon::current_num_threads());
        compare("f32", &single, &relevance, &dense);
        compare("f64", &double, &relevance, &dense);
        let tied = Matrix::from_fn(double.rows(), double.cols(), |i, j| (8.0 * single.row(i)[j]).floor() / 8.0);
        compare("f32, rounded to eighths (ties)", &tied, &relevance, &dense);
    }
    let truths: Vec<Vec<usize>> = (0..relevance.rows())
        .map(|i| {
            let (columns, values) = relevance.row(i);
            columns.iter().zip(values).filter(|(_, value)| **value == 1.0).map(|(&j, _)| j as usize).collect()
        })
        .collect();
    let graded = GradedOptions::as_published();
    let ranks = RankOptions::as_published();
    let mut group = criterion.benchmark_group("epic100");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(4));
    group.bench_function("graded f32", |b| {
        b.iter(|| evaluate(VideosByTexts::new(single.view()), &relevance, &graded).unwrap())
    });
    group.bench_function("graded f64", |b| {
        b.iter(|| evaluate(VideosByTexts::new(double.view()), &relevance, &graded).unwrap())
    });
    group.bench_function("rank f32", |b| {
        b.iter(|| rank::evaluate(VideosByTexts::new(single.view()), &truths, &ranks).unwrap())
    });
    group.finish();
}

criterion_group!(benches, metrics);
criterion_main!(benches);
