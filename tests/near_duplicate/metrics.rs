//! Random data with ties, missing videos and repeated ids, and the cases at the edges.

use std::collections::BTreeSet;

use coembed::metrics::near_duplicate::{
    CcWebEvaluation, Collection, CurveRule, Evaluation, EvveEvaluation, FivrEvaluation, MicroEvaluation,
    MissingPositives, NearDuplicateError, NonFinite, Options, OwnVideo, PrecisionRecallCurve, Results,
};
use coembed::metrics::{EmptyPolicy, MetricError, TiePolicy};
use coembed::relevance::near_duplicate::{CcWebLabel, CcWebTruth, FivrLabel, FivrTask, FivrTruth};
use proptest::prelude::*;

use crate::published;

/// One query among `videos`, which it is one of.
#[derive(Debug, Clone)]
struct Problem {
    videos: usize,
    own: u32,
    there: Vec<bool>,
    relevant: Vec<u32>,
    results: Vec<(u32, f64)>,
}

fn problem() -> impl Strategy<Value = Problem> {
    (2..12_u32).prop_flat_map(|videos| {
        let coarse = prop_oneof![9 => (-2..3_i8).prop_map(f64::from), 1 => Just(-0.0)];
        let score = prop_oneof![coarse, -1.0..1.0_f64];
        let number = videos as usize;
        (
            0..videos,
            prop::collection::vec(prop::bool::weighted(0.8), number),
            prop::collection::vec(0..videos, 0..number),
            prop::collection::vec((0..videos, score), 0..2 * number),
        )
            .prop_map(move |(own, there, relevant, results)| Problem {
                videos: number,
                own,
                there,
                relevant,
                results,
            })
    })
}

impl Problem {
    fn collection(&self) -> Collection {
        let all: Vec<u32> = (0..).take(self.videos).collect();
        Collection::new(self.videos).with_database(&all, |video| self.there[video as usize]).unwrap()
    }

    fn all_db(&self) -> BTreeSet<u32> {
        (0..).zip(&self.there).filter(|(_, there)| **there).map(|(video, _)| video).collect()
    }

    fn results(&self) -> Results {
        results(self.videos, &self.results)
    }

    fn ap(&self, options: Options) -> Option<f64> {
        let collection = self.collection();
        Evaluation::new(&collection, options).add(Some(self.own), &self.relevant, &self.results()).unwrap()
    }
}

fn results(videos: usize, listed: &[(u32, f64)]) -> Results {
    let mut results = Results::new(videos);
    results.extend(listed.iter().copied()).unwrap();
    results
}

fn close(got: f64, want: f64) -> Result<(), TestCaseError> {
    prop_assert!((got - want).abs() < 1e-12, "got {got}, want {want}");
    Ok(())
}

fn same(got: Option<f64>, want: Option<f64>) -> Result<(), TestCaseError> {
    prop_assert_eq!(got.is_some(), want.is_some());
    close(got.unwrap_or(0.0), want.unwrap_or(0.0))
}

/// All orders of up to five items.
fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![vec![]];
    }
    let with_first = |first: usize| {
        let mut rest = items.to_vec();
        let item = rest.remove(first);
        orders(&rest).into_iter().map(move |order| [vec![item.clone()], order].concat())
    };
    (0..items.len()).flat_map(with_first).collect()
}

/// What evaluating all orders of insertion gives: mean, lowest, highest.
fn over_orders(problem: &Problem, value: impl Fn(&Problem) -> f64) -> (f64, f64, f64) {
    let orders = orders(&problem.results).into_iter();
    let values: Vec<f64> = orders.map(|results| value(&Problem { results, ..problem.clone() })).collect();
    let fold = |better: fn(f64, f64) -> f64| values.iter().copied().reduce(better).unwrap();
    (values.iter().sum::<f64>() / values.len() as f64, fold(f64::min), fold(f64::max))
}

/// Each video at most once, at most five results.
fn few(mut problem: Problem) -> Problem {
    let mut seen = BTreeSet::new();
    problem.results.retain(|(video, _)| seen.insert(*video));
    problem.results.truncate(5);
    problem
}

proptest! {
    #[test]
    fn vcdb_and_fivr_are_the_published_loop(problem in problem()) {
        let want = published::filtered(problem.own, &problem.relevant, &problem.all_db(), &problem.results);
        same(problem.ap(Options::fivr_as_published()), want)?;
        let mut truth = problem.relevant.clone();
        truth.push(problem.own);
        let want = published::filtered(problem.own, &truth, &problem.all_db(), &problem.results);
        same(Problem { relevant: truth, ..problem }.ap(Options::vcdb_as_published()), want)?;
    }

    #[test]
    fn activity_net_is_the_published_loop(problem in problem()) {
        let others: Vec<_> = problem.results.iter().filter(|(video, _)| *video != problem.own).copied().collect();
        let want = published::unfiltered(&problem.relevant, &problem.all_db(), &others);
        same(problem.ap(Options::activity_net_as_published()), want)?;
    }

    #[test]
    fn cc_web_is_the_published_loop(problem in problem(), labels in prop::collection::vec(0..6_u8, 12)) {
        // A third relevant, a third labelled and not, a third unlabelled; half of each excluded.
        let label = |video: usize| [Some(true), Some(false), None][usize::from(labels[video] % 3)];
        let wanted: Vec<Option<bool>> = (0..problem.videos).map(label).collect();
        let excluded: Vec<bool> = (0..problem.videos).map(|video| labels[video] < 3).collect();
        let letter = |relevant: bool| if relevant { CcWebLabel::Long } else { CcWebLabel::Dissimilar };
        let labels = (0..).zip(&wanted).filter_map(|(video, label)| Some((video, letter((*label)?)))).collect();
        let listed = (0..).zip(&excluded).filter(|(_, excluded)| **excluded).map(|(video, _)| video).collect();
        let collection = problem.collection();
        let mut evaluation = CcWebEvaluation::new(&collection, Options {
            empty: EmptyPolicy::Zero,
            ..Options::cc_web_as_published()
        });
        evaluation.add(Some(problem.own), &CcWebTruth { labels, excluded: listed }, &problem.results()).unwrap();
        let report = evaluation.finish().unwrap();
        for (report, all, clean) in [
            (report.cc_web, false, false),
            (report.cc_web_star, true, false),
            (report.cc_web_clean, false, true),
            (report.cc_web_star_clean, true, true),
        ] {
            let want = published::cc_web(&wanted, &excluded, &problem.results, all, clean);
            close(report.ap.mean, want.unwrap_or(0.0))?;
        }
    }

    #[test]
    fn evve_is_the_published_loop(problems in prop::collection::vec(problem(), 1..5)) {
        // All of one size and one collection.
        let videos = problems.iter().map(|problem| problem.videos).max().unwrap();
        let mut there = problems[0].there.clone();
        there.resize(videos, true);
        let shared = Problem { videos, there, ..problems[0].clone() };
        let (collection, all_db) = (shared.collection(), shared.all_db());
        let mut evaluation = EvveEvaluation::new(&collection, 3, Options::evve_as_published());
        let mut wanted = vec![];
        for (number, problem) in problems.iter().enumerate() {
            let results = results(videos, &problem.results);
            evaluation.add(number % 2, None, &problem.relevant, &results).unwrap();
            wanted.push(published::trapezoids(&problem.relevant, &all_db, &problem.results));
        }
        let report = evaluation.finish().unwrap();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        close(report.all.ap.mean, mean(&wanted))?;
        close(report.events[0].unwrap(), mean(&wanted.iter().copied().step_by(2).collect::<Vec<_>>()))?;
        prop_assert_eq!(report.events[1].is_some(), problems.len() > 1);
        prop_assert_eq!(report.events[2], None);
    }

    #[test]
    fn the_curve_is_that_of_the_official_script(problem in problem()) {
        let collection = problem.collection();
        let options = Options::fivr_as_published();
        let mut curve = PrecisionRecallCurve::new(&collection, options, CurveRule::AsPublished);
        curve.add(Some(problem.own), &problem.relevant, &problem.results()).unwrap();
        let want = published::curve(problem.own, &problem.relevant, &problem.all_db(), &problem.results);
        let got = curve.finish();
        prop_assert_eq!(got.is_some(), want.is_some());
        for (got, want) in got.into_iter().flatten().zip(want.into_iter().flatten()) {
            close(got, want)?;
        }
    }

    #[test]
    fn average_ties_are_the_mean_over_all_orders(problem in problem().prop_map(few)) {
        let with = |ties| Options { ties, ..Options::default() };
        let ap = |problem: &Problem| problem.ap(with(TiePolicy::Ascending)).unwrap_or(0.0);
        let (mean, lowest, highest) = over_orders(&problem, ap);
        close(problem.ap(with(TiePolicy::Average)).unwrap_or(0.0), mean)?;
        close(problem.ap(with(TiePolicy::Pessimistic)).unwrap_or(0.0), lowest)?;
        close(problem.ap(with(TiePolicy::Optimistic)).unwrap_or(0.0), highest)?;

        let collection = problem.collection();
        let trapezoids = |problem: &Problem, ties| {
            let mut evaluation = EvveEvaluation::new(&collection, 1, Options { empty: EmptyPolicy::Zero, ..with(ties) });
            evaluation.add(0, Some(problem.own), &problem.relevant, &problem.results()).unwrap();
            evaluation.finish().unwrap().all.ap.mean
        };
        let (mean, ..) = over_orders(&problem, |problem| trapezoids(problem, TiePolicy::Ascending));
        close(trapezoids(&problem, TiePolicy::Average), mean)?;
    }

    #[test]
    fn micro_average_precision_ranks_all_pairs_at_once(problems in prop::collection::vec(problem(), 1..5)) {
        let videos = problems.iter().map(|problem| problem.videos).max().unwrap();
        let all: Vec<u32> = (0..).take(videos).collect();
        let collection = Collection::new(videos).with_database(&all, |_| true).unwrap();
        let options = Options { ties: TiePolicy::Ascending, ..Options::default() };
        let mut evaluation = MicroEvaluation::new(&collection, options);
        let (mut pairs, mut hits, mut positives) = (vec![], vec![], 0);
        for problem in &problems {
            let results = results(videos, &problem.results);
            evaluation.add(Some(problem.own), &problem.relevant, &results).unwrap();
            let truth: BTreeSet<u32> = problem.relevant.iter().filter(|v| **v != problem.own).copied().collect();
            positives += truth.len();
            for (video, similarity) in results.iter().filter(|(video, _)| *video != problem.own) {
                pairs.push((pairs.len() as u32, similarity));
                hits.push(truth.contains(&video));
            }
        }
        prop_assert_eq!((evaluation.pairs(), evaluation.positives()), (pairs.len(), positives));
        if positives == 0 {
            prop_assert_eq!(evaluation.average_precision(), Err(NearDuplicateError::NoPositives));
            return Ok(());
        }
        let sum = published::sum_of_precisions(published::ranking(&pairs), |pair| hits[pair as usize]);
        let ap = evaluation.average_precision().unwrap();
        close(ap, sum / positives as f64)?;
        let range = evaluation.tie_range().unwrap();
        prop_assert!(range.worst <= ap + 1e-12 && ap <= range.best + 1e-12);
    }

    #[test]
    fn the_order_of_videos_without_ties_does_not_matter(problem in problem(), seed in any::<u64>()) {
        let mut distinct = few(problem);
        for (place, (_, similarity)) in distinct.results.iter_mut().enumerate() {
            *similarity += place as f64 * 1e-3;
        }
        let mut turned = distinct.clone();
        if !turned.results.is_empty() {
            let by = seed as usize % turned.results.len();
            turned.results.rotate_left(by);
        }
        for options in [Options::default(), Options::vcdb_as_published(), Options::cc_web_as_published()] {
            same(turned.ap(options), distinct.ap(options))?;
        }
    }
}

/// Four videos, all there, query 0.
fn plain(relevant: &[u32], results: &[(u32, f64)]) -> Problem {
    let (relevant, results) = (relevant.to_vec(), results.to_vec());
    Problem { videos: 4, own: 0, there: vec![true; 4], relevant, results }
}

#[test]
fn all_relevant_is_one_and_copies_of_vcdb_stay_below() {
    let all = plain(&[0, 1, 2, 3], &[(1, 0.3), (0, 0.9), (2, 0.3), (3, 0.2)]);
    assert_eq!(all.ap(Options::default()), Some(1.0));
    assert_eq!(all.ap(Options::vcdb_as_published()), Some(3.0 / 4.0));
    assert_eq!(all.ap(Options::cc_web_as_published()), Some(1.0));
}

#[test]
fn relevant_videos_that_are_not_there_count_for_cc_web_alone() {
    let mut problem = plain(&[1, 2], &[(1, 0.5), (3, 0.4)]);
    problem.there[2] = false;
    assert_eq!(problem.ap(Options::default()), Some(1.0));
    assert_eq!(problem.ap(Options { missing: MissingPositives::Counted, ..Options::default() }), Some(0.5));
    // Results that are not there take ranks where nothing is filtered.
    let outside = plain(&[1], &[(3, 0.9), (1, 0.5)]);
    let outside = Problem { there: vec![true, true, true, false], ..outside };
    assert_eq!(outside.ap(Options::default()), Some(1.0));
    assert_eq!(outside.ap(Options::activity_net_as_published()), Some(0.5));
}

#[test]
fn queries_without_relevant_videos_are_skipped_counted_or_refused() {
    let collection = plain(&[], &[]).collection();
    let run = |empty| {
        let mut evaluation = Evaluation::new(&collection, Options { empty, ..Options::default() });
        let found = results(4, &[(1, 0.5), (2, 0.4)]);
        assert_eq!(evaluation.add(Some(0), &[2], &found).unwrap(), Some(0.5));
        assert_eq!(evaluation.add(Some(1), &[1], &found).unwrap(), None);
        evaluation.finish()
    };
    let skipped = run(EmptyPolicy::Skip).unwrap().ap;
    assert_eq!((skipped.values, skipped.empty, skipped.mean), (vec![0.5, 0.0], vec![1], 0.5));
    assert_eq!(run(EmptyPolicy::Zero).unwrap().ap.mean, 0.25);
    let error = run(EmptyPolicy::Error).unwrap_err();
    assert_eq!(error.to_string(), "average precision: query 1 (row) has no relevant item");
}

#[test]
fn no_query_is_an_error_for_each_task_alone() {
    let collection = plain(&[], &[]).collection();
    let error = Evaluation::new(&collection, Options::default()).finish().unwrap_err();
    assert!(matches!(error, NearDuplicateError::Metric(MetricError::NoQueries { .. })), "{error}");
    assert!(error.to_string().ends_with("no query was found"), "{error}");
    let mut evaluation = FivrEvaluation::with_curves(&collection, &FivrTask::ALL, Options::default(), CurveRule::Sound);
    let mut truth = FivrTruth::default();
    truth.add(FivrLabel::DuplicateScene, [2]);
    evaluation.add(Some(0), &truth, &results(4, &[(2, 0.1)])).unwrap();
    let reports = evaluation.finish();
    let found: Vec<bool> = reports.iter().map(|of| of.report.is_ok()).collect();
    assert_eq!(found, [true, true, true, false]);
    assert_eq!((reports[0].curve, reports[3].curve), (Some([1.0; 21]), None));
}

#[test]
fn the_sound_curve_ranks_what_was_not_returned_last() {
    let collection = plain(&[], &[]).collection();
    let curve = |rule| {
        let mut curve = PrecisionRecallCurve::new(&collection, Options::default(), rule);
        // One relevant video with a negative similarity, one that was not returned.
        curve.add(Some(0), &[1, 2], &results(4, &[(1, -0.5)])).unwrap();
        curve.finish().unwrap()
    };
    assert_eq!((curve(CurveRule::Sound)[10], curve(CurveRule::Sound)[11]), (1.0, 0.5));
    assert_eq!((curve(CurveRule::AsPublished)[10], curve(CurveRule::AsPublished)[11]), (0.5, 0.5));
}

#[test]
fn nan_ranks_last_as_published_and_is_an_error_otherwise() {
    let nan = plain(&[2], &[(1, f64::NAN), (2, -3.0), (3, f64::NEG_INFINITY)]);
    assert_eq!(nan.ap(Options::fivr_as_published()), Some(1.0));
    let collection = nan.collection();
    let mut evaluation = Evaluation::new(&collection, Options::default());
    let error = evaluation.add(Some(0), &[2], &nan.results()).unwrap_err();
    assert_eq!(error.to_string(), "the similarity of video 1 is NaN, not a finite number");
    // The query before it leaves nothing behind.
    assert_eq!(evaluation.add(Some(0), &[3], &results(4, &[(2, 0.5), (3, 0.4)])).unwrap(), Some(0.5));
    let infinite = plain(&[3], &[(1, f64::INFINITY), (2, 1.0), (3, f64::INFINITY)]);
    let options = Options { non_finite: NonFinite::NanLast, ..Options::default() };
    assert_eq!(infinite.ap(options), Some(0.75));
}

#[test]
fn numbers_beyond_the_collection_are_refused() {
    let collection = plain(&[], &[]).collection();
    let unknown = NearDuplicateError::UnknownVideo { video: 9, videos: 4 };
    let own = Options { own: OwnVideo::Ranked, ..Options::default() };
    let error = Evaluation::new(&collection, own).add(None, &[1, 9], &Results::new(4)).unwrap_err();
    assert_eq!((error.to_string(), &error), ("video 9: numbers go from 0 to 3".to_string(), &unknown));
    let mut evaluation = CcWebEvaluation::new(&collection, own);
    let truth = CcWebTruth { labels: vec![(9, CcWebLabel::Exact)], excluded: vec![] };
    assert_eq!(evaluation.add(None, &truth, &Results::new(4)), Err(unknown));
    let mut evaluation = EvveEvaluation::new(&collection, 2, own);
    let error = evaluation.add(2, None, &[], &Results::new(4)).unwrap_err();
    assert_eq!(error, NearDuplicateError::UnknownEvent { event: 2, events: 2 });
    // Results of more numbers than the collection has are results outside of it.
    let many = results(100, &[(99, 0.9), (1, 0.5)]);
    for (options, want) in [(own, 1.0), (Options::cc_web_as_published(), 0.5)] {
        assert_eq!(Evaluation::new(&collection, options).add(None, &[1], &many).unwrap(), Some(want));
    }
}
