//! Rank metrics of 9668 x 3842 embeddings of 512 dimensions from counted standings against the way through the full matrix, in the same run.

#[path = "common/plain.rs"]
mod plain;

use std::time::Duration;

use coembed::metrics::VideosByTexts;
use coembed::metrics::rank::{self, RankOptions};
use coembed::metrics::standing::positives;
use coembed::similarity::{Measure, similarity, standings};
use criterion::{Criterion, criterion_group, criterion_main};
use plain::{embeddings, shortest};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const QUERIES: usize = 9668;
const ITEMS: usize = 3842;
const WIDTH: usize = 512;

fn kernels(criterion: &mut Criterion) {
    let (queries, items) = (embeddings(QUERIES, WIDTH, 1), embeddings(ITEMS, WIDTH, 2));
    let options = RankOptions::default();
    println!("{} threads, {QUERIES} x {ITEMS} x {WIDTH}", rayon::current_num_threads());
    let matrix_alone = shortest(3, || similarity(queries.view(), items.view(), Measure::Cosine).unwrap());
    println!("the matrix alone: {matrix_alone:.0?}");
    for per_query in [1, 8] {
        let truths: Vec<Vec<usize>> =
            (0..QUERIES).map(|i| (0..per_query).map(|p| (i + p * 479) % ITEMS).collect()).collect();
        let relevance = positives(&truths, ITEMS).unwrap();
        let counted = || {
            let counted = standings(queries.view(), items.view(), Measure::Cosine, &relevance).unwrap();
            rank::evaluate_standings(&counted, &options).unwrap()
        };
        let through_matrix = || {
            let full = similarity(queries.view(), items.view(), Measure::Cosine).unwrap();
            rank::evaluate(VideosByTexts::new(full.view()), &truths, &options).unwrap()
        };
        let (ours, peer) = (shortest(3, counted), shortest(3, through_matrix));
        println!(
            "{per_query} positives per query: {ours:.0?}; through the matrix {peer:.0?}, ratio {:.2}; same numbers: {}",
            ours.as_secs_f64() / peer.as_secs_f64(),
            counted() == through_matrix()
        );
        criterion.bench_function(&format!("standings/{per_query}"), |b| b.iter(counted));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(4));
    targets = kernels
}
criterion_main!(benches);
