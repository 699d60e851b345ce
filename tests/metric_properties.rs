use std::cmp::Ordering;

use coembed::matrix::Matrix;
use coembed::metrics::graded::{self, ApDefinition, Depth, Gain, GradedOptions, GradedScores, PerQuery};
use coembed::metrics::rank::{self, RankOptions, TiedTruths};
use coembed::metrics::{EmptyPolicy, TextsByVideos, TiePolicy, TieRange, VideosByTexts};
use coembed::relevance::{ClassSet, Classes, EmptyUnion, Level, dense_relevance, relevance, sparse_relevance};
use coembed::similarity::{Measure, similarity, top_k};
use proptest::prelude::*;

const ALL_TIES: [TiePolicy; 5] =
    [TiePolicy::Average, TiePolicy::Ascending, TiePolicy::Descending, TiePolicy::Optimistic, TiePolicy::Pessimistic];

fn precision(scores: &GradedScores) -> &PerQuery {
    scores.ap.as_ref().unwrap()
}

fn options(ties: TiePolicy) -> GradedOptions {
    GradedOptions { ndcg_ties: ties, ap_ties: ties, empty: EmptyPolicy::Zero, ..Default::default() }
}

fn transposed<T: Copy>(m: &Matrix<T>) -> Matrix<T> {
    Matrix::from_fn(m.cols(), m.rows(), |i, j| m.row(j)[i])
}

// ---------------------------------------------------------------- strategies

fn shape() -> impl Strategy<Value = (usize, usize)> {
    (1..10_usize, 1..70_usize)
}

fn matrix<T: std::fmt::Debug + Clone>(
    (rows, cols): (usize, usize),
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Matrix<T>> {
    prop::collection::vec(value, rows * cols).prop_map(move |data| Matrix::new(data, rows, cols).unwrap())
}

/// Relevances as class overlaps give them, with many zeros and ones.
fn relevances(shape: (usize, usize)) -> impl Strategy<Value = Matrix<f64>> {
    matrix(shape, prop::sample::select(vec![0.0, 0.0, 0.0, 0.0, 0.25, 1.0 / 3.0, 0.5, 0.75, 1.0, 1.0]))
}

/// Scores that are spread, tied, or crowded by an outlier.
fn scores(shape: (usize, usize)) -> impl Strategy<Value = Matrix<f64>> {
    prop_oneof![
        matrix(shape, -1.0..1.0_f64).boxed(),
        matrix(shape, (-3..3_i8).prop_map(|x| f64::from(x) * -0.5)).boxed(),
        matrix(
            shape,
            prop_oneof![20 => (-3..3_i8).prop_map(|x| f64::from(x) * 1e-3), 1 => Just(1e30), 1 => Just(-0.0)]
        )
        .boxed(),
    ]
}

fn problem() -> impl Strategy<Value = (Matrix<f64>, Matrix<f64>)> {
    shape().prop_flat_map(|shape| (scores(shape), relevances(shape)))
}

/// All scores of a matrix differ: a random permutation of 0, 1, ..
fn untied() -> impl Strategy<Value = (Matrix<f64>, Matrix<f64>)> {
    shape().prop_flat_map(|(rows, cols)| {
        let order: Vec<usize> = (0..rows * cols).collect();
        let scores = Just(order)
            .prop_shuffle()
            .prop_map(move |order| Matrix::new(order.iter().map(|&x| x as f64 - 100.0).collect(), rows, cols).unwrap());
        (scores, relevances((rows, cols)))
    })
}

fn class_set() -> impl Strategy<Value = ClassSet> {
    prop::collection::vec(-1..6_i64, 0..4).prop_map(|ids| ids.into_iter().collect())
}

fn classes() -> impl Strategy<Value = Vec<Classes>> {
    let item = (class_set(), class_set()).prop_map(|(verbs, nouns)| Classes { verbs, nouns });
    prop::collection::vec(item, 1..12)
}

// ---------------------------------------------------------------- naive oracle

/// Full comparison sort and textbook loops, one query, for policies that order ties by index or relevance.
fn oracle(scores: &[f64], relevance: &[f64], options: &GradedOptions) -> (f64, f64) {
    let order = |ties: TiePolicy| {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| {
            let tie = match ties {
                TiePolicy::Ascending => a.cmp(&b),
                TiePolicy::Descending => b.cmp(&a),
                TiePolicy::Optimistic => relevance[b].total_cmp(&relevance[a]),
                TiePolicy::Pessimistic => relevance[a].total_cmp(&relevance[b]),
                TiePolicy::Average => unreachable!("has no order"),
            };
            scores[b].partial_cmp(&scores[a]).unwrap().then(tie)
        });
        order.into_iter().map(|item| relevance[item]).collect::<Vec<f64>>()
    };
    let gain = |r: f64| if options.gain == Gain::Linear { r } else { r.exp2() - 1.0 };
    let depth = match options.depth {
        Depth::All => scores.len(),
        Depth::Relevant => relevance.iter().filter(|&&r| r > 0.0).count(),
        Depth::At(k) => k,
    };
    let dcg = |relevances: &[f64]| -> f64 {
        relevances.iter().take(depth).enumerate().map(|(i, &r)| gain(r) / (i as f64 + 2.0).log2()).sum()
    };
    let mut ideal = relevance.to_vec();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let (dcg, idcg) = (dcg(&order(options.ndcg_ties)), dcg(&ideal));

    let ranked = order(options.ap_ties);
    let (mut sum, mut above, mut hits) = (0.0, 0.0, 0);
    for (i, &r) in ranked.iter().enumerate() {
        let (credit, hit) = match options.ap {
            ApDefinition::Binary { threshold } => (f64::from(r >= threshold), r >= threshold),
            ApDefinition::FractionalPrecision => (r, r == 1.0),
        };
        above += credit;
        if hit {
            hits += 1;
            sum += above / (i + 1) as f64;
        }
    }
    (if idcg > 0.0 { dcg / idcg } else { 0.0 }, if hits > 0 { sum / f64::from(hits) } else { 0.0 })
}

fn close(got: f64, want: f64) -> Result<(), TestCaseError> {
    prop_assert!((got - want).abs() <= 1e-12, "{got} instead of {want}");
    Ok(())
}

fn check_against_oracle(
    s: &Matrix<f64>,
    r: &Matrix<f64>,
    got: &GradedScores,
    o: &GradedOptions,
) -> Result<(), TestCaseError> {
    for i in 0..s.rows() {
        let (ndcg, ap) = oracle(s.row(i), r.row(i), o);
        close(got.ndcg.values[i], ndcg)?;
        close(precision(got).values[i], ap)?;
    }
    close(got.ndcg.mean, got.ndcg.values.iter().sum::<f64>() / s.rows() as f64)
}

// ---------------------------------------------------------------- laws

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn graded_metrics_agree_with_a_naive_sort(
        (s, r) in problem(), ndcg_ties in 1..5_usize, ap_ties in 1..5_usize, depth in 0..20_usize,
        exponential: bool, fractional: bool,
    ) {
        let depth = match depth { 0..6 => Depth::All, 6..12 => Depth::Relevant, k => Depth::At(k - 11) };
        let o = GradedOptions {
            gain: if exponential { Gain::Exponential } else { Gain::Linear },
            depth,
            ndcg_ties: ALL_TIES[ndcg_ties],
            ap: if fractional { ApDefinition::FractionalPrecision } else { ApDefinition::Binary { threshold: 0.5 } },
            ap_ties: ALL_TIES[ap_ties],
            empty: EmptyPolicy::Zero,
        };
        let report = graded::evaluate(VideosByTexts::new(s.view()), &r, &o).unwrap();
        check_against_oracle(&s, &r, &report.v2t, &o)?;
        check_against_oracle(&transposed(&s), &transposed(&r), &report.t2v, &o)?;
        // The same scores as f32, compared with the oracle on the rounded values.
        let single = Matrix::from_fn(s.rows(), s.cols(), |i, j| s.row(i)[j] as f32);
        let widened = Matrix::from_fn(s.rows(), s.cols(), |i, j| f64::from(single.row(i)[j]));
        check_against_oracle(&widened, &r, &graded::evaluate_rows(single.view(), &r, &o).unwrap(), &o)?;
        // Dense and sparse relevance are the same thing.
        let sparse = coembed::relevance::SparseRelevance::from_dense(r.view()).unwrap();
        prop_assert_eq!(graded::evaluate(VideosByTexts::new(s.view()), &sparse, &o).unwrap(), report);
    }

    #[test]
    fn a_transposed_view_gives_the_same_numbers_under_the_same_names(
        (s, r) in problem(), bad: prop::sample::Index, average: bool,
    ) {
        let ties = if average { TiePolicy::Average } else { TiePolicy::Ascending };
        let (graded_options, rank_options) = (options(ties), RankOptions { ties, ..Default::default() });
        let of_video = |i| (0..r.cols()).filter(|&j| r.row(i)[j] > 0.0).collect();
        let truths: Vec<Vec<usize>> = (0..r.rows()).map(of_video).collect();
        let mut texts_by_videos = transposed(&s);
        let same = |stored: &Matrix<f64>, s: &Matrix<f64>| {
            let views = [VideosByTexts::new(s.view()), TextsByVideos::new(stored.view()).transposed()];
            let [direct, turned] = views.map(|view| {
                let range = rank::evaluate_tie_range(view, &truths, &rank_options);
                (graded::evaluate(view, &r, &graded_options), rank::evaluate(view, &truths, &rank_options), range)
            });
            prop_assert_eq!(&direct, &turned);
            Ok(direct)
        };
        let (report, ..) = same(&texts_by_videos, &s)?;
        // The directions are those that rows as queries give of either matrix.
        let report = report.unwrap();
        prop_assert_eq!(report.v2t, graded::evaluate_rows(s.view(), &r, &graded_options).unwrap());
        let t2v = graded::evaluate_rows(texts_by_videos.view(), &transposed(&r), &graded_options);
        prop_assert_eq!(report.t2v, t2v.unwrap());

        // Errors name rows and columns of the orientation asked for, and the first of them.
        for value in [f64::INFINITY, f64::NEG_INFINITY] {
            let (video, text) = (bad.index(s.as_slice().len()) / s.cols(), bad.index(s.as_slice().len()) % s.cols());
            texts_by_videos.row_mut(text)[video] = value;
            texts_by_videos.row_mut(s.cols() - 1)[s.rows() - 1] = value;
            let (error, ..) = same(&texts_by_videos, &transposed(&texts_by_videos))?;
            let named = format!("similarity at row {video}, column {text} is {value}, not a finite number");
            prop_assert_eq!(error.unwrap_err().to_string(), named);
        }
    }

    #[test]
    fn graded_metrics_lie_between_0_and_1((s, r) in problem()) {
        for ties in ALL_TIES {
            for (ap, depth) in [(ApDefinition::FractionalPrecision, Depth::Relevant), (ApDefinition::default(), Depth::All)] {
                let scores = graded::evaluate_rows(s.view(), &r, &GradedOptions { ap, depth, ..options(ties) }).unwrap();
                for value in scores.ndcg.values.iter().chain(&precision(&scores).values) {
                    prop_assert!((0.0..=1.0 + 1e-12).contains(value), "{}", value);
                }
            }
        }
    }

    #[test]
    fn an_ideal_ranking_scores_1((_, r) in problem()) {
        for o in [GradedOptions::as_published(), options(TiePolicy::Average), options(TiePolicy::Pessimistic)] {
            let scores = graded::evaluate_rows(r.view(), &r, &o).unwrap();
            for i in 0..r.rows() {
                let expect = |empty: &[usize]| if empty.contains(&i) { 0.0 } else { 1.0 };
                close(scores.ndcg.values[i], expect(&scores.ndcg.empty))?;
                close(precision(&scores).values[i], expect(&precision(&scores).empty))?;
            }
        }
    }

    #[test]
    fn order_of_items_and_monotone_transforms_do_not_matter((s, r) in untied(), shift in 0..70_usize) {
        let o = GradedOptions::as_published();
        let zero = GradedOptions { empty: EmptyPolicy::Zero, ..o };
        let reference = graded::evaluate(VideosByTexts::new(s.view()), &r, &zero).unwrap();
        let warped = Matrix::from_fn(s.rows(), s.cols(), |i, j| (s.row(i)[j] / 50.0).exp());
        prop_assert_eq!(&graded::evaluate(VideosByTexts::new(warped.view()), &r, &o).unwrap(), &reference);
        let rotate = |m: &Matrix<f64>| Matrix::from_fn(m.rows(), m.cols(), |i, j| m.row(i)[(j + shift) % m.cols()]);
        let rotated = graded::evaluate_rows(rotate(&s).view(), &rotate(&r), &o).unwrap();
        for i in 0..s.rows() {
            close(rotated.ndcg.values[i], reference.v2t.ndcg.values[i])?;
            close(precision(&rotated).values[i], precision(&reference.v2t).values[i])?;
        }
    }

    #[test]
    fn without_ties_all_tie_policies_agree((s, r) in untied()) {
        let scores = ALL_TIES.map(|ties| graded::evaluate(VideosByTexts::new(s.view()), &r, &options(ties)).unwrap());
        prop_assert!(scores.iter().all(|report| *report == scores[0]));
    }

    #[test]
    fn tie_policies_bracket_each_other((s, r) in problem()) {
        let run = |ties| graded::evaluate_rows(s.view(), &r, &options(ties)).unwrap();
        let (low, high) = (run(TiePolicy::Pessimistic), run(TiePolicy::Optimistic));
        for ties in ALL_TIES {
            let scores = run(ties);
            for i in 0..s.rows() {
                let values = |x: &GradedScores| [x.ndcg.values[i], precision(x).values[i]];
                for ((low, value), high) in values(&low).into_iter().zip(values(&scores)).zip(values(&high)) {
                    prop_assert!(low <= value + 1e-12 && value <= high + 1e-12, "{} {} {}", low, value, high);
                }
            }
        }
    }

    #[test]
    fn average_is_the_mean_over_all_orders(
        levels in prop::collection::vec(0..2_i8, 5), relevance in relevances((1, 5)), fractional: bool,
    ) {
        let ap = if fractional { ApDefinition::FractionalPrecision } else { ApDefinition::default() };
        let o = GradedOptions { ap, depth: Depth::Relevant, ..options(TiePolicy::Average) };
        let s = Matrix::new(levels.iter().map(|&x| f64::from(x)).collect(), 1, 5).unwrap();
        let got = graded::evaluate_rows(s.view(), &relevance, &o).unwrap();
        let (mut ndcg, mut ap, mut orders) = (0.0, 0.0, 0.0);
        for_each_permutation(&mut [0, 1, 2, 3, 4], 0, &mut |items| {
            let pick = |row: &[f64]| items.map(|item| row[item]);
            let index = GradedOptions { ndcg_ties: TiePolicy::Ascending, ap_ties: TiePolicy::Ascending, ..o };
            let one = oracle(&pick(s.row(0)), &pick(relevance.row(0)), &index);
            (ndcg, ap, orders) = (ndcg + one.0, ap + one.1, orders + 1.0);
        });
        close(got.ndcg.values[0], ndcg / orders)?;
        close(precision(&got).values[0], ap / orders)?;
    }

    #[test]
    fn average_recall_is_the_mean_over_all_orders(
        levels in prop::collection::vec(0..3_i8, 5), truths in prop::collection::btree_set(0..5_usize, 1..5), single: bool,
    ) {
        let s = Matrix::new(levels.iter().map(|&x| f64::from(x)).collect(), 1, 5).unwrap();
        let tied_truths = if single { TiedTruths::Single } else { TiedTruths::First };
        let truths: Vec<usize> = truths.into_iter().collect();
        let options = RankOptions { tied_truths, ..Default::default() };
        let got = rank::evaluate(VideosByTexts::new(s.view()), std::slice::from_ref(&truths), &options).unwrap();
        // `Single`: the rank of any one of the best ground truths, the others being items like all others.
        let best = truths.iter().map(|&item| levels[item]).max().unwrap();
        let counted: Vec<usize> = truths.into_iter().filter(|&item| levels[item] == best).collect();
        let counted = if single { &counted[..1] } else { &counted };
        let (mut recalls, mut mean, mut orders) = ([0.0; 5], 0.0, 0.0);
        for_each_permutation(&mut [0, 1, 2, 3, 4], 0, &mut |items| {
            let mut order = items;
            order.sort_by_key(|&item| -levels[item]);
            let rank = order.iter().position(|item| counted.contains(item)).unwrap();
            (rank..5).for_each(|k| recalls[k] += 100.0);
            (mean, orders) = (mean + (rank + 1) as f64, orders + 1.0);
        });
        for (k, recall) in (1..).zip(recalls) {
            prop_assert!((got.v2t.recall(k) - recall / orders).abs() < 1e-10, "{} {:?}", k, got.v2t);
        }
        close(got.v2t.mean, mean / orders)?;
        prop_assert_eq!([got.v2t.r1, got.v2t.r5], [got.v2t.recall(1), got.v2t.recall(5)]);
        let range = rank::evaluate_tie_range(VideosByTexts::new(s.view()), &[counted.to_vec()], &options);
        let TieRange { worst, best } = range.unwrap();
        for k in 1..5 {
            let [worst, expected, best] = [&worst, &got, &best].map(|report| report.v2t.recall(k));
            prop_assert!(worst <= expected + 1e-10 && expected <= best + 1e-10, "{} {} {}", worst, expected, best);
        }
    }

    #[test]
    fn ranks_agree_with_a_naive_sort((s, r) in problem()) {
        let truths: Vec<Vec<usize>> = (0..r.rows()).map(|i| (0..r.cols()).filter(|&j| r.row(i)[j] == 1.0).collect()).collect();
        let evaluate = |ties| {
            rank::evaluate(VideosByTexts::new(s.view()), &truths, &RankOptions { ties, ..Default::default() })
        };
        let Ok(low) = evaluate(TiePolicy::Optimistic) else { return Ok(()) }; // no ground truth at all
        let run = |ties| evaluate(ties).unwrap();
        let (high, average) = (run(TiePolicy::Pessimistic), run(TiePolicy::Average));
        for (ties, then) in [(TiePolicy::Ascending, Ordering::Less), (TiePolicy::Descending, Ordering::Greater)] {
            let got = run(ties);
            let directions = [
                (&s, &r, &got.v2t, &low.v2t, &high.v2t, &average.v2t),
                (&transposed(&s), &transposed(&r), &got.t2v, &low.t2v, &high.t2v, &average.t2v),
            ];
            for (s, r, got, low, high, average) in directions {
                for i in 0..s.rows() {
                    let (s, r) = (s.row(i), r.row(i));
                    let rank_of = |item: usize| {
                        1 + (0..s.len()).filter(|&j| s[j] > s[item] || (s[j] == s[item] && j.cmp(&item) == then)).count()
                    };
                    let best = (0..s.len()).filter(|&j| r[j] == 1.0).map(rank_of).min();
                    prop_assert_eq!(got.ranks[i], best.map(|rank| rank as f64));
                    if let (Some(low), Some(mid), Some(high)) = (low.ranks[i], average.ranks[i], high.ranks[i]) {
                        prop_assert!(low <= mid && mid <= high);
                    }
                    prop_assert!(low.ranks[i] <= got.ranks[i] && got.ranks[i] <= high.ranks[i]);
                }
            }
        }
    }

    #[test]
    fn relevance_is_symmetric_and_1_on_the_diagonal(items in classes()) {
        for level in [Level::Verb, Level::Noun, Level::Action] {
            for a in &items {
                for b in &items {
                    let r = relevance(a, b, level, EmptyUnion::Zero);
                    prop_assert_eq!(r, relevance(b, a, level, EmptyUnion::Zero));
                    prop_assert!((0.0..=1.0).contains(&r));
                }
                prop_assert_eq!(relevance(a, a, level, EmptyUnion::One), 1.0);
                if !a.verbs.is_empty() && !a.nouns.is_empty() {
                    prop_assert_eq!(relevance(a, a, level, EmptyUnion::Zero), 1.0);
                    prop_assert_eq!(&a.to_string().parse::<Classes>().unwrap(), a);
                }
            }
        }
    }

    #[test]
    fn sparse_relevance_equals_dense(rows in classes(), columns in classes(), one: bool) {
        let empty = if one { EmptyUnion::One } else { EmptyUnion::Zero };
        for level in [Level::Verb, Level::Noun, Level::Action] {
            let dense = dense_relevance(&rows, &columns, level, empty);
            let sparse = sparse_relevance(&rows, &columns, level, empty).unwrap();
            prop_assert_eq!(sparse.to_dense(), dense.clone());
            prop_assert_eq!(sparse.transpose().to_dense(), transposed(&dense));
            prop_assert!(sparse.values().iter().all(|&value| value > 0.0));
        }
    }

    #[test]
    fn class_texts_never_panic(text in "[-0-9,_a \\[\\]]{0,12}") {
        let _ = text.parse::<Classes>();
        let _ = ClassSet::from_list(&text);
    }
}

fn for_each_permutation(items: &mut [usize; 5], from: usize, f: &mut impl FnMut([usize; 5])) {
    if from == items.len() {
        return f(*items);
    }
    for i in from..items.len() {
        items.swap(from, i);
        for_each_permutation(items, from + 1, f);
        items.swap(from, i);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn top_k_is_the_head_of_the_sorted_matrix(
        rows in 1..40_usize, cols in prop_oneof![1..60_usize, 1000..2200_usize], width in 1..9_usize, seed: u64,
        coarse: bool, share in 0.0..1.0_f64, measure in prop::sample::select(vec![Measure::InnerProduct, Measure::Cosine, Measure::NegativeSquaredEuclidean]),
    ) {
        let mut state = seed;
        let mut embeddings = |n: usize| Matrix::from_fn(n, width, |_, _| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let x = (state >> 40) as f32 / (1 << 24) as f32 - 0.5;
            if coarse { (4.0 * x).round() } else { x }
        });
        let (queries, items) = (embeddings(rows), embeddings(cols));
        let k = 1 + (share * share * (cols - 1) as f64) as usize;
        let full = similarity(queries.view(), items.view(), measure).unwrap();
        let top = top_k(queries.view(), items.view(), measure, k).unwrap();
        for i in 0..rows {
            let row = full.row(i);
            let mut order: Vec<u32> = (0..cols as u32).collect();
            order.sort_by(|&a, &b| row[b as usize].partial_cmp(&row[a as usize]).unwrap().then(a.cmp(&b)));
            prop_assert_eq!(top.indices.row(i), &order[..k]);
            prop_assert!(top.scores.row(i).iter().zip(&order).all(|(&score, &j)| score == row[j as usize]));
            for (j, &got) in row.iter().enumerate() {
                let want = in_f64(queries.row(i), items.row(j), measure);
                prop_assert!((f64::from(got) - want).abs() <= 1e-5 * (1.0 + want.abs()), "{} {}", got, want);
            }
        }
    }
}

fn in_f64(a: &[f32], b: &[f32], measure: Measure) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    match measure {
        Measure::InnerProduct => dot(a, b),
        Measure::Cosine => dot(a, b) / (dot(a, a).sqrt().max(1e-12) * dot(b, b).sqrt().max(1e-12)),
        Measure::NegativeSquaredEuclidean => {
            -a.iter().zip(b).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum::<f64>()
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let s = Matrix::from_fn(90, 333, |i, j| ((i * 7919 + j * 104_729) % 50) as f32);
    let r = Matrix::from_fn(90, 333, |i, j| ((i * j) % 5) as f64 / 4.0);
    let embeddings = Matrix::from_fn(333, 40, |i, j| ((i * 31 + j * 17) % 23) as f32 - 11.0);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let report = graded::evaluate(VideosByTexts::new(s.view()), &r, &GradedOptions::default()).unwrap();
            (report, top_k(embeddings.view(), embeddings.view(), Measure::Cosine, 9).unwrap())
        })
    };
    assert_eq!(with(1), with(3));
}
