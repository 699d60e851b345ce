//! Similarity matrix and streaming top-k at the size of the EPIC-Kitchens-100 test split (9668 x 3842, 512 dimensions), against the machine's
//! plain matrix product and against full matrix + selection, both measured in the same run. Prints the ratios.

#[path = "common/plain.rs"]
mod plain;

use std::time::Duration;

use coembed::matrix::Matrix;
use coembed::similarity::{Measure, similarity, similarity_into, top_k};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plain::{embeddings, plain_product, shortest};
use rayon::prelude::*;

const QUERIES: usize = 9668;
const ITEMS: usize = 3842;
const WIDTH: usize = 512;
const FLOPS: f64 = 2.0 * QUERIES as f64 * ITEMS as f64 * WIDTH as f64;

/// The peer of top-k: the full matrix, then a selection in every row.
fn full_then_select(a: &Matrix<f32>, b: &Matrix<f32>, measure: Measure, k: usize) -> Vec<Vec<u32>> {
    let full = similarity(a.view(), b.view(), measure).unwrap();
    let select = |i: usize| {
        let row = full.row(i);
        let better = |&a: &u32, &b: &u32| row[b as usize].total_cmp(&row[a as usize]).then(a.cmp(&b));
        let mut order: Vec<u32> = (0..row.len() as u32).collect();
        order.select_nth_unstable_by(k - 1, better);
        order.truncate(k);
        order.sort_unstable_by(better);
        order
    };
    (0..full.rows()).into_par_iter().map(select).collect()
}

fn largest_error(a: &Matrix<f32>, b: &Matrix<f32>, measure: Measure) -> f64 {
    let full = similarity(a.view(), b.view(), measure).unwrap();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    let error = |(i, j): (usize, usize)| {
        let (x, y) = (a.row(i), b.row(j));
        let want = match measure {
            Measure::InnerProduct => dot(x, y),
            Measure::Cosine => dot(x, y) / (dot(x, x) * dot(y, y)).sqrt(),
            Measure::NegativeSquaredEuclidean => 2.0 * dot(x, y) - dot(x, x) - dot(y, y),
        };
        (f64::from(full.row(i)[j]) - want).abs()
    };
    (0..a.rows())
        .step_by(37)
        .flat_map(|i| (0..b.rows()).step_by(11).map(move |j| (i, j)))
        .map(error)
        .fold(0.0, f64::max)
}

fn kernels(criterion: &mut Criterion) {
    let (queries, items) = (embeddings(QUERIES, WIDTH, 1), embeddings(ITEMS, WIDTH, 2));
    let rate = |time: Duration| FLOPS / time.as_secs_f64() / 1e9;
    let mut out = Matrix::from_fn(QUERIES, ITEMS, |_, _| 0.0_f32);
    let plain = shortest(5, || plain_product(&queries, &items, out.as_mut_slice()));
    println!("{} threads, {QUERIES} x {ITEMS} x {WIDTH}", rayon::current_num_threads());
    println!("plain matrix product: {:.0} GFLOP/s", rate(plain));
    for measure in [Measure::InnerProduct, Measure::Cosine, Measure::NegativeSquaredEuclidean] {
        let into = shortest(5, || similarity_into(queries.view(), items.view(), measure, &mut out).unwrap());
        let time = shortest(5, || similarity(queries.view(), items.view(), measure).unwrap());
        println!(
            "{measure:?}: {:.0} GFLOP/s, {:.0} % of the plain product; with a newly allocated result {:.0} %; largest error against f64 {:.1e}",
            rate(into),
            100.0 * rate(into) / rate(plain),
            100.0 * rate(time) / rate(plain),
            largest_error(&queries, &items, measure)
        );
    }
    for k in [1, 10, 100] {
        let streaming = shortest(5, || top_k(queries.view(), items.view(), Measure::Cosine, k).unwrap());
        let full = shortest(3, || full_then_select(&queries, &items, Measure::Cosine, k));
        let top = top_k(queries.view(), items.view(), Measure::Cosine, k).unwrap();
        let same = full_then_select(&queries, &items, Measure::Cosine, k)
            .iter()
            .enumerate()
            .all(|(i, order)| top.indices.row(i) == order);
        println!(
            "top-{k}: {streaming:.0?}, {:.0} % of the plain product's rate; full matrix + select {full:.0?}, ratio {:.2}; same items: {same}",
            100.0 * rate(streaming) / rate(plain),
            full.as_secs_f64() / streaming.as_secs_f64()
        );
    }

    let mut group = criterion.benchmark_group("similarity");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(4));
    group.throughput(Throughput::Elements((QUERIES * ITEMS * WIDTH) as u64));
    group.bench_function("plain product", |b| b.iter(|| plain_product(&queries, &items, out.as_mut_slice())));
    group.bench_function("cosine", |b| {
        b.iter(|| similarity_into(queries.view(), items.view(), Measure::Cosine, &mut out).unwrap());
    });
    group.bench_function("top-10", |b| b.iter(|| top_k(queries.view(), items.view(), Measure::Cosine, 10).unwrap()));
    group.finish();
}

criterion_group!(benches, kernels);
criterion_main!(benches);
