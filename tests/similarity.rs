//! Similarity kernels against plain f64 loops, for shapes that are no multiple of any tile.

use std::ops::ControlFlow;

use coembed::matrix::{Matrix, MatrixView};
use coembed::metrics::graded::{self, ApDefinition, Depth, Gain, GradedOptions};
use coembed::metrics::rank::{self, MissingTruth, RankOptions};
use coembed::metrics::standing::{Standing, positives};
use coembed::metrics::{EmptyPolicy, TiePolicy, VideosByTexts};
use coembed::relevance::SparseRelevance;
use coembed::similarity::{
    Embeddings, FrameSets, Gallery, GalleryError, MapError, MappedEmbeddings, Measure, Precision, Side,
    SimilarityError, chamfer, similarity, standings, symmetric_chamfer, top_k, top_k_with_progress,
};
use half::{bf16, f16};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const MEASURES: [Measure; 3] = [Measure::InnerProduct, Measure::Cosine, Measure::NegativeSquaredEuclidean];

fn random(rows: usize, cols: usize, seed: u64) -> Matrix<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Matrix::from_fn(rows, cols, |_, _| rng.random::<f32>() - 0.5)
}

/// Few different values, hence many equal scores and duplicate rows.
fn coarse(rows: usize, cols: usize, seed: u64) -> Matrix<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Matrix::from_fn(rows, cols, |_, _| rng.random_range(-1..=1) as f32)
}

fn naive(a: &[f32], b: &[f32], measure: Measure) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    match measure {
        Measure::InnerProduct => dot(a, b),
        Measure::Cosine => dot(a, b) / (dot(a, a).sqrt().max(1e-12) * dot(b, b).sqrt().max(1e-12)),
        Measure::NegativeSquaredEuclidean => -a.iter().zip(b).map(|(&x, &y)| f64::from(x - y).powi(2)).sum::<f64>(),
    }
}

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn similarities_agree_with_a_plain_loop(
        rows in 0_usize..40, cols in 0_usize..300, width in 0_usize..70, seed: u64, which in 0_usize..3,
    ) {
        let (queries, items) = (random(rows, width, seed), random(cols, width, seed ^ 1));
        let got = similarity(queries.view(), items.view(), MEASURES[which]).unwrap();
        for i in 0..rows {
            for j in 0..cols {
                let want = naive(queries.row(i), items.row(j), MEASURES[which]);
                prop_assert!((f64::from(got.row(i)[j]) - want).abs() < 1e-5, "{} for {want}", got.row(i)[j]);
            }
        }
    }

    #[test]
    fn top_k_is_the_head_of_a_sort(
        rows in 0_usize..40, cols in 1_usize..700, width in 0_usize..5, seed: u64, which in 0_usize..3,
    ) {
        let (queries, items) = (coarse(rows, width, seed), coarse(cols, width, seed ^ 1));
        let k = 1 + seed as usize % cols;
        let full = similarity(queries.view(), items.view(), MEASURES[which]).unwrap();
        let top = top_k(queries.view(), items.view(), MEASURES[which], k).unwrap();
        for i in 0..rows {
            let mut order: Vec<u32> = (0..cols as u32).collect();
            order.sort_by(|&a, &b| full.row(i)[b as usize].partial_cmp(&full.row(i)[a as usize]).unwrap());
            prop_assert_eq!(top.indices.row(i), &order[..k]);
            for (score, &item) in top.scores.row(i).iter().zip(&order) {
                prop_assert_eq!(*score, full.row(i)[item as usize]);
            }
        }
    }

    #[test]
    fn chamfer_agrees_with_a_plain_loop(
        query_lengths in prop::collection::vec(1_usize..40, 0..4),
        item_lengths in prop::collection::vec(1_usize..200, 0..6),
        width in 0_usize..20, seed: u64, which in 0_usize..3,
    ) {
        let (query_offsets, item_offsets) = (offsets(&query_lengths), offsets(&item_lengths));
        let queries = random(*query_offsets.last().unwrap(), width, seed);
        let items = random(*item_offsets.last().unwrap(), width, seed ^ 1);
        let (q, v) = (
            FrameSets::new(queries.view(), &query_offsets).unwrap(),
            FrameSets::new(items.view(), &item_offsets).unwrap(),
        );
        let one = chamfer(q, v, MEASURES[which]).unwrap();
        let both = symmetric_chamfer(q, v, MEASURES[which]).unwrap();
        for (i, span) in query_offsets.windows(2).enumerate() {
            let a: Vec<&[f32]> = (span[0]..span[1]).map(|row| queries.row(row)).collect();
            for (j, span) in item_offsets.windows(2).enumerate() {
                let b: Vec<&[f32]> = (span[0]..span[1]).map(|row| items.row(row)).collect();
                let (there, back) = (naive_chamfer(&a, &b, MEASURES[which]), naive_chamfer(&b, &a, MEASURES[which]));
                prop_assert!((f64::from(one.row(i)[j]) - there).abs() < 1e-5);
                prop_assert!((f64::from(both.row(i)[j]) - 0.5 * (there + back)).abs() < 1e-5);
            }
        }
    }
}

const TIES: [TiePolicy; 5] =
    [TiePolicy::Average, TiePolicy::Ascending, TiePolicy::Descending, TiePolicy::Optimistic, TiePolicy::Pessimistic];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// With ties, duplicates, queries without positives: counts by a plain loop, and metrics in every bit those of the matrix.
    #[test]
    fn standings_agree_with_the_matrix(
        rows in 1_usize..60, cols in 1_usize..300, width in 0_usize..4, seed: u64, which in 0_usize..3, density in 0.0..0.3,
    ) {
        let (queries, items) = (coarse(rows, width, seed), coarse(cols, width, seed ^ 1));
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 2);
        let mut grade = |_, _| if rng.random_bool(density) { rng.random_range(1..=2) as f64 / 2.0 } else { 0.0 };
        let relevance = SparseRelevance::from_dense(Matrix::from_fn(rows, cols, &mut grade).view()).unwrap();
        let full = similarity(queries.view(), items.view(), MEASURES[which]).unwrap();
        let counted = standings(queries.view(), items.view(), MEASURES[which], &relevance).unwrap();

        for i in 0..rows {
            for (&j, &got) in relevance.row(i).0.iter().zip(counted.rows.row(i)) {
                prop_assert_eq!(got, standing(full.row(i), j as usize));
            }
        }
        let by_column = relevance.transpose();
        for j in 0..cols {
            let scores: Vec<f32> = (0..rows).map(|i| full.row(i)[j]).collect();
            for (&i, &got) in by_column.row(j).0.iter().zip(counted.columns.row(j)) {
                prop_assert_eq!(got, standing(&scores, i as usize));
            }
        }

        let truths: Vec<Vec<usize>> =
            (0..rows).map(|i| relevance.row(i).0.iter().map(|&j| j as usize).collect()).collect();
        for ties in TIES {
            let options = RankOptions { ties, missing: MissingTruth::Last, ..Default::default() };
            let want = rank::evaluate(VideosByTexts::new(full.view()), &truths, &options);
            prop_assert_eq!(rank::evaluate_standings(&counted, &options), want);
            let options = GradedOptions { ndcg_ties: ties, ap_ties: ties, empty: EmptyPolicy::Zero, ..Default::default() };
            let want = graded::evaluate(VideosByTexts::new(full.view()), &relevance, &options);
            prop_assert_eq!(graded::evaluate_standings(&counted, &options), want);
        }
        let want = graded::evaluate(VideosByTexts::new(full.view()), &relevance, &GradedOptions::as_published());
        prop_assert_eq!(graded::evaluate_standings(&counted, &GradedOptions::as_published()), want);
        let other = GradedOptions {
            gain: Gain::Exponential,
            depth: Depth::At(3),
            ap: ApDefinition::Binary { threshold: 0.5 },
            empty: EmptyPolicy::Zero,
            ..Default::default()
        };
        let want = graded::evaluate(VideosByTexts::new(full.view()), &relevance, &other);
        prop_assert_eq!(graded::evaluate_standings(&counted, &other), want);
    }
}

fn standing(scores: &[f32], item: usize) -> Standing {
    let equal = |items: &[f32]| items.iter().filter(|&&x| x == scores[item]).count() as u32;
    Standing {
        greater: scores.iter().filter(|&&x| x > scores[item]).count() as u32,
        equal_before: equal(&scores[..item]),
        equal_after: equal(&scores[item + 1..]),
    }
}

/// Scores that all differ by little: a positive counted against itself, or scored in another order of sums, would show.
#[test]
fn positives_have_the_scores_of_the_matrix_in_every_bit() {
    let (queries, items) = (random(150, 700, 20), random(2500, 700, 21));
    let truths: Vec<Vec<usize>> = (0..150).map(|i| vec![(i * 17) % 2500, (i * 31 + 5) % 2500]).collect();
    let relevance = positives(&truths, 2500).unwrap();
    for measure in MEASURES {
        let full = similarity(queries.view(), items.view(), measure).unwrap();
        let want = rank::evaluate(VideosByTexts::new(full.view()), &truths, &RankOptions::default()).unwrap();
        for threads in [1, 3] {
            let counted = on_threads(threads, || standings(queries.view(), items.view(), measure, &relevance).unwrap());
            for i in 0..150 {
                for (&j, &got) in relevance.row(i).0.iter().zip(counted.rows.row(i)) {
                    assert_eq!(got, standing(full.row(i), j as usize));
                }
            }
            assert_eq!(rank::evaluate_standings(&counted, &RankOptions::default()).unwrap(), want);
        }
    }
}

#[test]
fn positives_that_do_not_fit_are_errors() {
    let (queries, mut items) = (random(2, 3, 22), random(4, 3, 23));
    let narrow = positives(&[vec![0], vec![1]], 3).unwrap();
    let error = standings(queries.view(), items.view(), Measure::Cosine, &narrow).unwrap_err();
    assert_eq!(error.to_string(), "the positives are 2x3, the similarities 2x4");
    items.row_mut(3)[1] = f32::NAN;
    let good = positives(&[vec![0], vec![0, 3]], 4).unwrap();
    let error = standings(queries.view(), items.view(), Measure::Cosine, &good).unwrap_err();
    assert_eq!(error.to_string(), "row 3 of the items, dimension 1 is NaN, not a finite number");
}

fn offsets(lengths: &[usize]) -> Vec<usize> {
    let ends = lengths.iter().scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

fn naive_chamfer(a: &[&[f32]], b: &[&[f32]], measure: Measure) -> f64 {
    let best = |x: &[f32]| b.iter().map(|y| naive(x, y, measure)).fold(f64::NEG_INFINITY, f64::max);
    a.iter().map(|x| best(x)).sum::<f64>() / a.len() as f64
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    // More items than one thread packs at once, few and many queries; frames of more than one group and query block.
    let (queries, few, items) = (random(200, 600, 1), random(3, 600, 2), random(4000, 600, 3));
    let item_offsets: Vec<usize> = (0..=8).map(|set| 500 * set).collect();
    let truths: Vec<Vec<usize>> = (0..200).map(|i| vec![(i * 17) % 4000, (i * 31 + 5) % 4000, 3]).collect();
    let relevance = positives(&truths, 4000).unwrap();
    let first = positives(&truths[..3], 4000).unwrap();
    let run = |threads| {
        on_threads(threads, || {
            let sets = FrameSets::new(items.view(), &item_offsets).unwrap();
            let query = FrameSets::new(queries.view(), &[0, 180, 200]).unwrap();
            (
                bits(similarity(queries.view(), items.view(), Measure::Cosine).unwrap().as_slice()),
                top_k(queries.view(), items.view(), Measure::NegativeSquaredEuclidean, 7).unwrap(),
                top_k(few.view(), items.view(), Measure::InnerProduct, 500).unwrap(),
                bits(chamfer(query, sets, Measure::InnerProduct).unwrap().as_slice()),
                bits(symmetric_chamfer(query, sets, Measure::Cosine).unwrap().as_slice()),
                standings(queries.view(), items.view(), Measure::Cosine, &relevance).unwrap(),
                standings(few.view(), items.view(), Measure::InnerProduct, &first).unwrap(),
            )
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
}

#[test]
fn symmetric_chamfer_is_symmetric_and_1_for_equal_sets_of_unit_rows() {
    let (a, b) = (random(37, 64, 4), random(150, 64, 5));
    let (q, v) = (FrameSets::new(a.view(), &[0, 37]).unwrap(), FrameSets::new(b.view(), &[0, 150]).unwrap());
    let there = symmetric_chamfer(q, v, Measure::Cosine).unwrap().into_vec()[0];
    let back = symmetric_chamfer(v, q, Measure::Cosine).unwrap().into_vec()[0];
    approx::assert_relative_eq!(there, back, epsilon = 1e-7);
    approx::assert_relative_eq!(chamfer(q, q, Measure::Cosine).unwrap().into_vec()[0], 1.0, epsilon = 1e-6);
}

#[test]
fn frame_sets_that_do_not_fit_are_named() {
    let frames = random(5, 3, 6);
    let sets = |offsets| FrameSets::new(frames.view(), offsets);
    assert_eq!(sets(&[0, 3]).unwrap_err(), SimilarityError::Offsets { index: 1, frames: 5 });
    assert_eq!(sets(&[0, 4, 3, 5]).unwrap_err(), SimilarityError::Offsets { index: 2, frames: 5 });
    assert_eq!(sets(&[1, 5]).unwrap_err(), SimilarityError::Offsets { index: 0, frames: 5 });
    assert_eq!(sets(&[]).unwrap_err(), SimilarityError::Offsets { index: 0, frames: 5 });
    let (good, hole) = (sets(&[0, 5]).unwrap(), sets(&[0, 2, 2, 5]).unwrap());
    let error = chamfer(good, hole, Measure::Cosine).unwrap_err();
    assert_eq!(error.to_string(), "set 1 of the items has no frame");
    assert_eq!(
        chamfer(hole, good, Measure::Cosine).unwrap_err(),
        SimilarityError::EmptySet { side: Side::Queries, set: 1 }
    );
    let wide = random(5, 4, 6);
    let wide = FrameSets::new(wide.view(), &[0, 5]).unwrap();
    assert_eq!(chamfer(good, wide, Measure::Cosine).unwrap_err(), SimilarityError::Dimensions { queries: 3, items: 4 });
}

/// Half-precision storage must give the very scores of the widened values.
#[test]
fn half_precision_is_widened_exactly() {
    let (queries, items) = (random(20, 33, 7), random(300, 33, 8));
    let halves: Vec<f16> = items.as_slice().iter().map(|&x| f16::from_f32(x)).collect();
    let brains: Vec<bf16> = queries.as_slice().iter().map(|&x| bf16::from_f32(x)).collect();
    let wide_items = Matrix::new(halves.iter().map(|x| x.to_f32()).collect(), 300, 33).unwrap();
    let wide_queries = Matrix::new(brains.iter().map(|x| x.to_f32()).collect(), 20, 33).unwrap();
    let (halves, brains) = (MatrixView::new(&halves, 300, 33).unwrap(), MatrixView::new(&brains, 20, 33).unwrap());
    for measure in MEASURES {
        let want = similarity(wide_queries.view(), wide_items.view(), measure).unwrap();
        assert_eq!(similarity(brains, halves, measure).unwrap(), want);
        let top = top_k(brains, halves, measure, 5).unwrap();
        assert_eq!(top, top_k(wide_queries.view(), wide_items.view(), measure, 5).unwrap());
    }
}

fn mapped(
    bytes: &[u8],
    offset: usize,
    rows: usize,
    cols: usize,
    storage: Precision,
) -> Result<MappedEmbeddings, MapError> {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    // SAFETY: the file has no name, so nobody else can change it.
    let map = unsafe { memmap2::Mmap::map(&file) }.unwrap();
    MappedEmbeddings::new(map, offset, rows, cols, storage)
}

#[test]
fn mapped_files_give_the_bits_of_memory() {
    // An offset that is not aligned, bytes behind the data, and more items than are packed at once.
    let (queries, items) = (random(30, 300, 9), random(5000, 300, 10));
    let surround = |data: Vec<u8>| [b"odd".to_vec(), data, b"rest".to_vec()].concat();
    let raw = surround(items.as_slice().iter().flat_map(|x| x.to_le_bytes()).collect());
    let file = mapped(&raw, 3, 5000, 300, Precision::F32).unwrap();
    let narrow: Vec<f16> = items.as_slice().iter().map(|&x| f16::from_f32(x)).collect();
    let raw = surround(narrow.iter().flat_map(|x| x.to_le_bytes()).collect());
    let narrow_file = mapped(&raw, 3, 5000, 300, Precision::F16).unwrap();
    let narrow = MatrixView::new(&narrow, 5000, 300).unwrap();
    for threads in [1, 2] {
        on_threads(threads, || {
            let in_memory = top_k(queries.view(), items.view(), Measure::Cosine, 10).unwrap();
            assert_eq!(top_k(queries.view(), &file, Measure::Cosine, 10).unwrap(), in_memory);
            let in_memory = top_k(queries.view(), narrow, Measure::InnerProduct, 10).unwrap();
            assert_eq!(top_k(queries.view(), &narrow_file, Measure::InnerProduct, 10).unwrap(), in_memory);
        });
    }
    let brains: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
    let file = mapped(&brains, 0, 1, 2, Precision::Bf16).unwrap();
    assert_eq!(file.block(0..1, &mut Vec::new()), [1.5, -2.0]);
}

#[test]
fn files_that_are_too_short_are_errors() {
    let file = |offset, rows, cols| mapped(&[0; 24], offset, rows, cols, Precision::F32);
    assert!(file(0, 2, 3).is_ok());
    assert!(file(24, 0, 3).is_ok());
    let error = file(1, 2, 3).unwrap_err();
    assert_eq!(
        error.to_string(),
        "2 x 3 embeddings of 4 bytes each, from byte 1 on, do not fit into a file of 24 bytes"
    );
    assert!(file(0, 7, 1).is_err());
    assert!(file(usize::MAX, 2, 3).is_err());
    assert!(file(0, usize::MAX, 3).is_err());
    assert!(file(0, usize::MAX, 0).is_ok());
}

#[test]
fn progress_is_told_and_can_stop() {
    let (queries, items) = (random(5, 2000, 11), random(3000, 2000, 12));
    let mut told = Vec::new();
    let top = top_k_with_progress(queries.view(), items.view(), Measure::Cosine, 3, |done, total| {
        told.push((done, total));
        ControlFlow::Continue(())
    });
    assert_eq!(top.unwrap(), top_k(queries.view(), items.view(), Measure::Cosine, 3).unwrap());
    assert!(told.len() > 1 && told.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(told.last(), Some(&(3000, 3000)));
    let stopped = top_k_with_progress(queries.view(), items.view(), Measure::Cosine, 3, |_, _| ControlFlow::Break(()));
    assert_eq!(stopped.unwrap_err(), SimilarityError::Cancelled { done: told[0].0, total: 3000 });
}

/// The first bad value in order of rows is named, wherever blocks and threads fall.
#[test]
fn bad_items_are_named_while_streaming() {
    let (queries, mut items) = (random(3, 500, 13), random(9000, 500, 14));
    items.row_mut(8000)[7] = f32::NAN;
    items.row_mut(7777)[499] = f32::INFINITY;
    for threads in [1, 3] {
        let error = on_threads(threads, || top_k(queries.view(), items.view(), Measure::InnerProduct, 1).unwrap_err());
        assert_eq!(error.to_string(), "row 7777 of the items, dimension 499 is inf, not a finite number");
    }
    // A norm that overflows comes first, in an earlier block of items or in the same one; what comes behind does not change its numbers.
    items.row_mut(1000).fill(1e36);
    items.row_mut(1500).fill(2e37);
    items.row_mut(6000)[0] = f32::NAN;
    let queries = Matrix::from_fn(3, 500, |_, _| 1e3);
    let error = |threads| {
        on_threads(threads, || top_k(queries.view(), items.view(), Measure::InnerProduct, 1).unwrap_err().to_string())
    };
    assert!(error(1).contains(" and row 1000 of the items with a norm of 2.236067"), "{}", error(1));
    assert_eq!(error(1), error(3));
    // Standings read the positives of a query alone first.
    let of_one = positives(&[vec![], vec![3, 1500], vec![]], 9000).unwrap();
    let error = standings(queries.view(), items.view(), Measure::InnerProduct, &of_one).unwrap_err().to_string();
    assert!(error.starts_with("row 1 of the queries with a norm of 2.236067"), "{error}");
    assert!(error.contains(" and row 1500 of the items with a norm of 4.472135"), "{error}");
}

/// On a card, where there is one: the sums are in another order there, so coarse values, whose sums are exact, must give the CPU's very
/// results, ties included.
#[cfg(feature = "cuda")]
#[test]
fn a_gpu_gives_the_results_of_the_cpu() {
    let gpu = coembed::similarity::cuda::Cuda::new(0).unwrap();
    let (queries, items) = (coarse(4500, 40, 30), coarse(9000, 40, 31));
    let item_offsets: Vec<usize> = (0..=9).map(|set| 1000 * set).collect();
    let q = FrameSets::new(queries.view(), &[0, 1, 300, 4300, 4500]).unwrap();
    let v = FrameSets::new(items.view(), &item_offsets).unwrap();
    for measure in [Measure::InnerProduct, Measure::NegativeSquaredEuclidean] {
        for k in [1, 10, 700] {
            let want = top_k(queries.view(), items.view(), measure, k).unwrap();
            assert_eq!(gpu.top_k(queries.view(), items.view(), measure, k).unwrap(), want);
        }
        assert_eq!(gpu.chamfer(q, v, measure).unwrap(), chamfer(q, v, measure).unwrap());
        let (got, want) = (gpu.symmetric_chamfer(q, v, measure).unwrap(), symmetric_chamfer(q, v, measure).unwrap());
        for (got, want) in got.as_slice().iter().zip(want.as_slice()) {
            approx::assert_relative_eq!(got, want, max_relative = 1e-6);
        }
    }
    let got = gpu.chamfer(q, v, Measure::Cosine).unwrap();
    for (got, want) in got.as_slice().iter().zip(chamfer(q, v, Measure::Cosine).unwrap().as_slice()) {
        approx::assert_relative_eq!(got, want, max_relative = 1e-5);
    }
}

fn map_of(path: &std::path::Path) -> memmap2::Mmap {
    let file = std::fs::File::open(path).unwrap();
    // SAFETY: the file is this test's own.
    unsafe { memmap2::Mmap::map(&file).unwrap() }
}

#[test]
fn a_gallery_finds_what_its_items_have() {
    let folder = tempfile::tempdir().unwrap();
    for (cols, measure) in [(64, Measure::InnerProduct), (70, Measure::Cosine), (1, Measure::NegativeSquaredEuclidean)]
    {
        for rows in [1, 33, 700] {
            let (queries, items) = (random(9, cols, 1), random(rows, cols, 2));
            let k = 7.min(rows);
            let want = top_k(queries.view(), items.view(), measure, k).unwrap();
            let truths: Vec<Vec<usize>> = (0..9).map(|i| vec![i * 31 % rows]).collect();
            let positives = positives(&truths, rows).unwrap();
            let counts = standings(queries.view(), items.view(), measure, &positives).unwrap();
            let gallery = Gallery::new(items.view(), measure).unwrap();
            let path = folder.path().join(format!("{cols}-{rows}"));
            gallery.save(&path).unwrap();
            let again = Gallery::open(map_of(&path), items.view()).unwrap();
            again.verify().unwrap();
            assert_eq!(again.measure(), measure);
            for gallery in [gallery, again] {
                let got = gallery.top_k(queries.view(), k).unwrap();
                assert_eq!(got.indices, want.indices);
                assert_eq!(bits(got.scores.as_slice()), bits(want.scores.as_slice()));
                assert_eq!(gallery.standings(queries.view(), &positives).unwrap(), counts);
            }
        }
    }
}

#[test]
fn copies_of_other_items_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy");
    let items = random(1000, 64, 3);
    Gallery::new(items.view(), Measure::InnerProduct).unwrap().save(&path).unwrap();
    let opened = |path: &std::path::Path, items: &Matrix<f32>| Gallery::open(map_of(path), items.view()).map(|_| ());

    let error = opened(&path, &random(999, 64, 3)).unwrap_err();
    assert_eq!(error.to_string(), "the copy is of 1000 x 64 items, these are 999 x 64");
    let error = opened(&path, &random(1000, 64, 4)).unwrap_err();
    assert!(matches!(error, GalleryError::Changed { rows } if rows == (0..32)));

    // A row that is not among those that are compared at first: `verify` sees it, and a search that its score matters to.
    let mut changed = items.clone();
    changed.row_mut(40).fill(0.5);
    let gallery = Gallery::open(map_of(&path), changed.view()).unwrap();
    let error = gallery.verify().unwrap_err();
    assert_eq!(error.to_string(), "the copy does not belong to the items: it differs at one of the rows 32 to 63");
    let query = Matrix::new(items.row(40).to_vec(), 1, 64).unwrap();
    match gallery.top_k(query.view(), 1) {
        Err(error) => assert_eq!(error, SimilarityError::Changed { item: 40 }),
        // A processor without products of integers reads the items themselves.
        Ok(found) => assert_eq!(found, top_k(query.view(), changed.view(), Measure::InnerProduct, 1).unwrap()),
    }
}

#[test]
fn no_bytes_make_a_copy_that_misleads_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy");
    let items = random(100, 20, 3);
    Gallery::new(items.view(), Measure::Cosine).unwrap().save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Gallery::open(map_of(&path), items.view()).map(|_| ()).map_err(|error| error.to_string())
    };
    open(&whole).unwrap();
    for len in [1, 63, 64, 100, whole.len() - 1] {
        let error = open(&whole[..len]).unwrap_err();
        assert!(error.contains("shorter than a header") || error.contains("bytes"), "{error}");
    }
    open(&[&whole[..], &[0]].concat()).unwrap_err();
    // Every byte of the header and the centre, and what follows them up to the end of the first record.
    let record = 64 + 128 + 32 * (20 + 4 * 5);
    for at in (0..8 * 5 + 8).chain(64..64 + 80).chain((64 + 128..record).step_by(3)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        assert!(open(&bytes).is_err() || (32..48).contains(&at), "byte {at}");
    }
    // Numbers that are none, in the last record.
    let last = whole.len() - 4 * 5 * 32;
    for value in [f32::NAN, f32::INFINITY, -1.0] {
        let mut bytes = whole.clone();
        bytes[last..last + 4].copy_from_slice(&value.to_le_bytes());
        let error = open(&bytes).unwrap_err();
        assert!(error.contains("what it says of row 96 is no bound"), "{error}");
    }
}
