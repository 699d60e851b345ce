//! Laws of the rank metrics with several captions per video, and the published algorithm as their oracle.

use coembed::matrix::Matrix;
use coembed::metrics::captions;
use coembed::metrics::labels::{self, OwnLabels};
use coembed::metrics::rank::{self, MissingTruth, RankOptions, TiedTruths};
use coembed::metrics::{EmptyPolicy, TextsByVideos, TiePolicy, VideosByTexts};
use proptest::prelude::*;

/// Similarities (texts x videos, with ties or without) and which captions are real.
fn problem() -> impl Strategy<Value = (Matrix<f32>, Matrix<bool>)> {
    (1..9_usize, 1..5_usize).prop_flat_map(|(videos, captions)| {
        let size = videos * captions * videos;
        let score = prop_oneof![(-4..4_i8).prop_map(|x| f32::from(x) * 0.25), -1.0..1.0_f32];
        let scores = prop_oneof![
            prop::collection::vec(score, size),
            prop::collection::vec(Just(0.5_f32), size),
            prop::collection::vec(-1.0..1.0_f32, size),
        ];
        let mask = prop::collection::vec(prop::bool::weighted(0.7), videos * captions);
        (scores, mask).prop_map(move |(scores, mask)| {
            let real = Matrix::new(mask, videos, captions).unwrap();
            (Matrix::new(scores, videos * captions, videos).unwrap(), real)
        })
    })
}

/// The published algorithm: sort, then the mean of all positions that hold the value, from 0.
fn mean_position(distances: &[f64], of: usize) -> f64 {
    let mut sorted = distances.to_vec();
    sorted.sort_by(f64::total_cmp);
    let places: Vec<usize> = (0..sorted.len()).filter(|&place| sorted[place] == distances[of]).collect();
    places.iter().sum::<usize>() as f64 / places.len() as f64
}

fn published(similarity: &Matrix<f32>, real: &Matrix<bool>) -> (Vec<f64>, Vec<f64>) {
    let (videos, captions) = (real.rows(), real.cols());
    let distance = |row: usize, column: usize| -f64::from(similarity.row(row)[column]);
    let rows = (0..videos * captions).filter(|&row| real.as_slice()[row]);
    let t2v = rows.map(|row| {
        let distances: Vec<f64> = (0..videos).map(|video| distance(row, video)).collect();
        mean_position(&distances, row / captions)
    });
    let v2t = (0..videos).map(|video| {
        let masked = |row: usize| if real.as_slice()[row] { distance(row, video) } else { 1e8 };
        let distances: Vec<f64> = (0..videos * captions).map(masked).collect();
        let own = (0..captions).filter(|&caption| real.row(video)[caption]);
        own.map(|caption| mean_position(&distances, video * captions + caption)).fold(f64::INFINITY, f64::min)
    });
    (t2v.collect(), v2t.collect())
}

fn zero_based(ranks: &[Option<f64>]) -> Vec<f64> {
    ranks.iter().map(|rank| rank.unwrap() - 1.0).collect()
}

/// Videos in another order, each with its captions.
fn permuted(similarity: &Matrix<f32>, real: &Matrix<bool>, order: &[usize]) -> (Matrix<f32>, Matrix<bool>) {
    let captions = real.cols();
    let row = |i: usize| order[i / captions] * captions + i % captions;
    (
        Matrix::from_fn(similarity.rows(), order.len(), |i, j| similarity.row(row(i))[order[j]]),
        Matrix::from_fn(order.len(), captions, |video, caption| real.row(order[video])[caption]),
    )
}

/// Which video has which label, drawn from `bits`.
fn labelled(similarity: &Matrix<f32>, bits: u64) -> Matrix<bool> {
    let drawn = |i: usize, j: usize| bits.rotate_left((7 * i + 3 * j) as u32 % 64) & 1 == 1;
    Matrix::from_fn(similarity.rows(), similarity.cols(), drawn)
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

proptest! {
    #[test]
    fn ranks_are_those_of_the_published_algorithm((similarity, real) in problem()) {
        let options = RankOptions::collaborative_experts();
        let report = captions::evaluate(TextsByVideos::new(similarity.view()), real.view(), &options);
        prop_assume!(report.is_ok());
        let report = report.unwrap();
        let (t2v, v2t) = published(&similarity, &real);
        prop_assert_eq!(zero_based(&report.t2v.ranks), t2v.clone());
        prop_assert_eq!(zero_based(&report.v2t.ranks), v2t.clone());
        for (scores, ranks) in [(&report.t2v, t2v), (&report.v2t, v2t)] {
            let share = |found: &dyn Fn(f64) -> bool| {
                100.0 * ranks.iter().filter(|rank| found(**rank)).count() as f64 / ranks.len() as f64
            };
            prop_assert_eq!(scores.r1, share(&|rank| rank == 0.0));
            prop_assert_eq!(scores.r5, share(&|rank| rank < 5.0));
            prop_assert_eq!(scores.r10, share(&|rank| rank < 10.0));
            prop_assert_eq!(scores.r50, share(&|rank| rank < 50.0));
        }
    }

    #[test]
    fn videos_may_come_in_any_order((similarity, real) in problem(), seed in any::<u64>()) {
        let videos = real.rows();
        let mut order: Vec<usize> = (0..videos).collect();
        order.sort_by_key(|&video| (video as u64 + 1).wrapping_mul(seed | 1).rotate_left(23));
        let other = permuted(&similarity, &real, &order);
        let evaluate = |(similarity, real): (&Matrix<f32>, &Matrix<bool>), options: &RankOptions| {
            captions::evaluate(TextsByVideos::new(similarity.view()), real.view(), options)
        };
        for ties in [TiePolicy::Average, TiePolicy::Optimistic, TiePolicy::Pessimistic] {
            for tied_truths in [TiedTruths::First, TiedTruths::Single] {
                let options = RankOptions { ties, tied_truths, ..RankOptions::collaborative_experts() };
                let Ok(one) = evaluate((&similarity, &real), &options) else { continue };
                let two = evaluate((&other.0, &other.1), &options).unwrap();
                let moved: Vec<_> = order.iter().map(|&video| one.v2t.ranks[video]).collect();
                prop_assert_eq!(&two.v2t.ranks, &moved);
                prop_assert_eq!(sorted(zero_based(&one.t2v.ranks)), sorted(zero_based(&two.t2v.ranks)));
                prop_assert_eq!((one.t2v.r1, one.t2v.r5, one.t2v.median), (two.t2v.r1, two.t2v.r5, two.t2v.median));
            }
        }
    }

    #[test]
    fn masked_captions_play_no_part((similarity, real) in problem(), noise in -9.0..9.0_f32) {
        let noisy = Matrix::from_fn(similarity.rows(), similarity.cols(), |i, j| {
            if real.as_slice()[i] { similarity.row(i)[j] } else { noise }
        });
        for options in [RankOptions::default(), RankOptions::collaborative_experts(), RankOptions::as_published()] {
            let report = |similarity: &Matrix<f32>| {
                captions::evaluate(TextsByVideos::new(similarity.view()), real.view(), &options)
            };
            prop_assert_eq!(report(&noisy), report(&similarity));
        }
        let best = |similarity: &Matrix<f32>| captions::top_k(TextsByVideos::new(similarity.view()), real.view(), 3);
        prop_assert_eq!(best(&noisy), best(&similarity));
    }

    #[test]
    fn a_transposed_view_gives_the_same_numbers_under_the_same_names(
        (similarity, real) in problem(), bits in any::<u64>(),
    ) {
        let stored = Matrix::from_fn(similarity.cols(), similarity.rows(), |i, j| similarity.row(j)[i]);
        let labelled = labelled(&similarity, bits);
        let views = [TextsByVideos::new(similarity.view()), VideosByTexts::new(stored.view()).transposed()];
        for options in [RankOptions::default(), RankOptions::collaborative_experts(), RankOptions::as_published()] {
            let [direct, turned] = views.map(|view| {
                let labels = labels::retrieval_as_classification(view, labelled.view(), OwnLabels::Left, &options);
                (captions::evaluate(view, real.view(), &options), labels)
            });
            prop_assert_eq!(direct, turned);
        }
        let [direct, turned] = views.map(|view| captions::top_k(view, real.view(), 3));
        prop_assert_eq!(direct, turned);
        let [direct, turned] = views.map(captions::tied_places_as_queries);
        prop_assert_eq!(direct, turned);
        let (ties, empty) = (TiePolicy::Average, EmptyPolicy::Zero);
        let [direct, turned] = views.map(|view| labels::mean_average_precision(view, labelled.view(), ties, empty));
        prop_assert_eq!(direct, turned);
    }

    #[test]
    fn without_masks_it_is_the_transposed_rank_metric((similarity, real) in problem()) {
        let (videos, captions) = (real.rows(), real.cols());
        let all = Matrix::from_fn(videos, captions, |_, _| true);
        let truths: Vec<Vec<usize>> =
            (0..videos).map(|video| (video * captions..(video + 1) * captions).collect()).collect();
        for options in [RankOptions::default(), RankOptions::collaborative_experts(), RankOptions::as_published()] {
            let one = captions::evaluate(TextsByVideos::new(similarity.view()), all.view(), &options).unwrap();
            let transposed = TextsByVideos::new(similarity.view()).transposed();
            prop_assert_eq!(one, rank::evaluate(transposed, &truths, &options).unwrap());
        }
    }

    #[test]
    fn a_better_tie_policy_gives_no_worse_rank((similarity, real) in problem()) {
        let with = |ties, tied_truths| {
            let options =
                RankOptions { ties, tied_truths, missing: MissingTruth::Infinite, ..RankOptions::default() };
            captions::evaluate(TextsByVideos::new(similarity.view()), real.view(), &options)
        };
        let Ok(best) = with(TiePolicy::Optimistic, TiedTruths::Single) else { return Ok(()) };
        let expected = with(TiePolicy::Average, TiedTruths::First).unwrap();
        let single = with(TiePolicy::Average, TiedTruths::Single).unwrap();
        let worst = with(TiePolicy::Pessimistic, TiedTruths::Single).unwrap();
        let steps = [&best, &expected, &single, &worst].map(|report| zero_based(&report.v2t.ranks));
        for pair in steps.windows(2) {
            prop_assert!(pair[0].iter().zip(&pair[1]).all(|(a, b)| a <= b));
        }
    }

    #[test]
    fn the_best_videos_are_sorted_and_complete((similarity, real) in problem(), k in 0..12_usize) {
        let best = captions::top_k(TextsByVideos::new(similarity.view()), real.view(), k).unwrap();
        let rows: Vec<usize> = (0..similarity.rows()).filter(|&row| real.as_slice()[row]).collect();
        prop_assert_eq!((best.rows(), best.cols()), (rows.len(), k.min(similarity.cols())));
        for (i, &row) in rows.iter().enumerate() {
            let mut order: Vec<usize> = (0..similarity.cols()).collect();
            order.sort_by(|&a, &b| similarity.row(row)[b].total_cmp(&similarity.row(row)[a]));
            order.truncate(k);
            prop_assert_eq!(best.row(i), &order[..]);
        }
    }

    #[test]
    fn labels_that_lead_leave_nothing_above_them((similarity, _) in problem(), bits in any::<u64>()) {
        let (labels, videos) = (similarity.rows(), similarity.cols());
        let labelled = labelled(&similarity, bits);
        // Scores that put a video's labels above all others, in the order of their indices.
        let ideal = Matrix::from_fn(labels, videos, |i, j| {
            if labelled.row(i)[j] { 2.0 - i as f64 / labels as f64 } else { -(i as f64) }
        });
        let options = RankOptions::collaborative_experts();
        for own in [OwnLabels::Left, OwnLabels::SubtractIndex] {
            let ideal = TextsByVideos::new(ideal.view());
            let Ok(scores) = labels::retrieval_as_classification(ideal, labelled.view(), own, &options) else {
                return Ok(());
            };
            prop_assert_eq!((scores.r1, scores.mean), (100.0, 1.0));
        }
        let (similarity, ties) = (TextsByVideos::new(similarity.view()), TiePolicy::Average);
        let ap = labels::mean_average_precision(similarity, labelled.view(), ties, EmptyPolicy::Zero);
        prop_assert!(ap.unwrap().values.iter().all(|ap| (0.0..=1.0).contains(ap)));
    }
}
