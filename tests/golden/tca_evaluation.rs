//! Temporal Context Aggregation: metrics of near-duplicate retrieval, training items, several workers.

use coembed::data::near_duplicate::{self, ClipBatch, Crop};
use coembed::matrix::Matrix;
use coembed::metrics::near_duplicate::{
    CcWebEvaluation, Collection, CurveRule, Evaluation, EvveEvaluation, FivrEvaluation, FivrReport, Options, Report,
    Results, trapezoid_average_precision,
};
use coembed::relevance::near_duplicate::{CcWebLabel, CcWebTruth, FivrLabel, FivrTask, FivrTruth};
use coembed::train::Schedule;

use crate::support::Case;

/// A fixture of similarities, queries x videos.
struct Problem {
    case: Case,
    videos: usize,
}

impl Problem {
    fn load(name: &str) -> Self {
        let case = Case::load("tca", name);
        let videos = case.shape("input.sim")[1];
        Self { case, videos }
    }

    fn row<T>(&self, values: Vec<T>, row: usize) -> Vec<T> {
        values.into_iter().skip(row * self.videos).take(self.videos).collect()
    }

    /// Columns of a row that are not 0.
    fn listed(&self, name: &str, row: usize) -> Vec<u32> {
        let marks = self.row(self.case.i64(name), row);
        (0..).zip(marks).filter(|(_, mark)| *mark != 0).map(|(column, _)| column).collect()
    }

    fn results(&self, query: usize) -> Results {
        let similarities = self.row(self.case.f64("input.sim"), query);
        let mut results = Results::new(self.videos);
        for video in self.listed("input.present", query) {
            results.insert(video, similarities[video as usize]).unwrap();
        }
        results
    }

    /// Queries that have results.
    fn found(&self) -> Vec<usize> {
        let marks = self.case.i64("input.query_found");
        (0..marks.len()).filter(|&query| marks[query] != 0).collect()
    }

    fn own(&self, query: usize) -> Option<u32> {
        Some(self.case.rows("input.query_video")[query])
    }

    /// Columns that are there: those of `in_all_db`, or all.
    fn collection(&self) -> Collection {
        let there =
            |video: u32| !self.case.has("input.in_all_db") || self.case.i64("input.in_all_db")[video as usize] != 0;
        let all: Vec<u32> = (0..).take(self.videos).collect();
        Collection::new(self.videos).with_database(&all, there).unwrap()
    }

    fn compare(&self, mean: &str, ap: &str, report: &Report) {
        self.case.compare(mean, &[report.ap.mean]);
        let mut values = vec![-1.0; self.case.shape(ap)[0]];
        for (query, value) in self.found().into_iter().zip(&report.ap.values) {
            values[query] = *value;
        }
        self.case.compare(ap, &values);
    }
}

fn cc_web(name: &str) {
    let problem = Problem::load(name);
    let collection = problem.collection();
    let mut evaluation = CcWebEvaluation::new(&collection, Options::cc_web_as_published());
    let letter = |code: i64| CcWebLabel::of_letter(["E", "S", "L", "M", "V", "X"][code as usize - 1]).unwrap();
    for query in problem.found() {
        let labels = (0..).zip(problem.row(problem.case.i64("input.label"), query));
        let labels = labels.filter(|(_, code)| *code > 0).map(|(video, code)| (video, letter(code))).collect();
        let truth = CcWebTruth { labels, excluded: problem.listed("input.excluded", query) };
        evaluation.add(problem.own(query), &truth, &problem.results(query)).unwrap();
    }
    let report = evaluation.finish().unwrap();
    for (name, report) in [
        ("cc_web", &report.cc_web),
        ("cc_web_star", &report.cc_web_star),
        ("cc_web_clean", &report.cc_web_clean),
        ("cc_web_star_clean", &report.cc_web_star_clean),
    ] {
        problem.compare(&format!("output.{name}"), &format!("output.ap_{name}"), report);
    }
    problem.case.finish();
}

pub fn map_ccweb() {
    cc_web("map_ccweb");
}

pub fn map_ccweb_ties() {
    cc_web("map_ccweb_ties");
}

fn vcdb(name: &str) {
    let problem = Problem::load(name);
    let collection = problem.collection();
    let mut evaluation = Evaluation::new(&collection, Options::vcdb_as_published());
    for query in problem.found() {
        let own = problem.own(query);
        let relevant: Vec<u32> = problem.listed("input.gt_pairs", query).into_iter().chain(own).collect();
        evaluation.add(own, &relevant, &problem.results(query)).unwrap();
    }
    problem.compare("output.map", "output.ap", &evaluation.finish().unwrap());
    problem.case.finish();
}

pub fn map_vcdb() {
    vcdb("map_vcdb");
}

pub fn map_vcdb_ties() {
    vcdb("map_vcdb_ties");
}

/// Labels are bits: 1 ND, 2 DS, 4 CS, 8 IS, 16 DA.
fn fivr_truth(problem: &Problem, query: usize) -> FivrTruth {
    let bits = problem.row(problem.case.i64("input.label_bits"), query);
    let mut truth = FivrTruth::default();
    for (bit, label) in FivrLabel::ALL.into_iter().enumerate() {
        truth.add(label, (0..).zip(&bits).filter(|(_, bits)| *bits >> bit & 1 == 1).map(|(video, _)| video));
    }
    truth
}

fn fivr(name: &str) {
    let problem = Problem::load(name);
    let collection = problem.collection();
    let mut evaluation = FivrEvaluation::new(&collection, &FivrTask::VISUAL, Options::fivr_as_published());
    for query in problem.found() {
        evaluation.add(problem.own(query), &fivr_truth(&problem, query), &problem.results(query)).unwrap();
    }
    for FivrReport { task, report, .. } in evaluation.finish() {
        let task = task.to_string().to_lowercase();
        problem.compare(&format!("output.{task}"), &format!("output.ap_{task}"), &report.unwrap());
    }
    problem.case.finish();
}

pub fn map_fivr() {
    fivr("map_fivr");
}

pub fn map_fivr_ties() {
    fivr("map_fivr_ties");
}

fn evve(name: &str) {
    let problem = Problem::load(name);
    let collection = problem.collection();
    let events = problem.case.shape("input.positive")[0];
    let mut evaluation = EvveEvaluation::new(&collection, events, Options::evve_as_published());
    for query in problem.found() {
        let event = problem.case.rows("input.query_event")[query] as usize;
        let relevant = problem.listed("input.positive", event);
        evaluation.add(event, None, &relevant, &problem.results(query)).unwrap();
    }
    let report = evaluation.finish().unwrap();
    problem.compare("output.map", "output.ap", &report.all);
    let events: Vec<f64> = report.events.iter().map(|event| event.unwrap_or(0.0)).collect();
    problem.case.compare("output.event_map", &events);
    problem.case.finish();
}

pub fn map_evve() {
    evve("map_evve");
}

pub fn map_evve_ties() {
    evve("map_evve_ties");
}

pub fn evve_ap() {
    let case = Case::load("tca", "evve_ap");
    for name in case.names("output.ap") {
        let number = name.trim_start_matches("output.ap");
        let ranks: Vec<usize> = case.rows(&format!("input.ranks{number}")).into_iter().map(|r| r as usize).collect();
        let positives = case.i64(&format!("input.n{number}"))[0] as usize;
        case.compare(&name, &[trapezoid_average_precision(&ranks, positives)]);
    }
    case.finish();
}

pub fn map_fivr_official() {
    let problem = Problem::load("map_fivr_official");
    let collection = problem.collection();
    let (tasks, options) = (&FivrTask::ALL, Options::fivr_as_published());
    let mut evaluation = FivrEvaluation::with_curves(&collection, tasks, options, CurveRule::AsPublished);
    for query in 0..problem.case.shape("input.sim")[0] {
        evaluation.add(None, &fivr_truth(&problem, query), &problem.results(query)).unwrap();
    }
    for FivrReport { task, report, curve } in evaluation.finish() {
        let (task, ap) = (task.to_string().to_lowercase(), report.unwrap().ap);
        let evaluated = |(query, value): (usize, &f64)| (!ap.empty.contains(&query)).then_some(*value);
        let values: Vec<f64> = ap.values.iter().enumerate().filter_map(evaluated).collect();
        problem.case.compare(&format!("output.ap_{task}"), &values);
        problem.case.compare(&format!("output.map_{task}"), &[ap.mean]);
        problem.case.compare(&format!("output.pr_curve_{task}"), &curve.unwrap());
    }
    problem.case.finish();
}

/// Rates and epochs stand in words in the fixture: `lr 1e-5, 40 epochs`.
pub fn lr_schedule() {
    let case = Case::load("tca", "lr_schedule");
    for name in case.names("output.lr_") {
        let words = case.meta(&name.replace("output.lr", "run"));
        let (rate, epochs) = words.split_once(',').unwrap();
        let rate: f64 = rate.trim_start_matches("lr ").parse().unwrap();
        let epochs: usize = epochs.trim().trim_end_matches(" epochs").parse().unwrap();
        let at = |epoch: usize| rate * f64::from(Schedule::CosineByEpoch.factor(epoch as f64, epochs));
        case.compare(&name, &(0..epochs).map(at).collect::<Vec<_>>());
    }
    case.finish();
}

fn crop(case: &Case, number: &str) -> Crop {
    let start = format!("input.start{number}");
    let sampled = format!("input.sampled_index{number}");
    let indices = |name: &str| case.has(name).then(|| case.rows(name).into_iter().map(|i| i as usize).collect());
    let start: Option<Vec<usize>> = indices(&start);
    Crop { start: start.map_or(0, |start| start[0]), sampled: indices(&sampled) }
}

pub fn resize_axis() {
    let case = Case::load("tca", "resize_axis");
    let length = case.number("T") as usize;
    for name in case.names("output.y") {
        let number = name.trim_start_matches("output.y");
        let (frames, crop) = (case.matrix(&format!("input.x{number}")), crop(&case, number));
        let resized = near_duplicate::resize_axis(frames.view(), length, &crop).unwrap();
        assert_eq!((resized.rows(), resized.cols()), (case.shape(&name)[0], case.shape(&name)[1]));
        case.compare_f32(&name, resized.as_slice());
    }
    case.finish();
}

pub fn pair_item() {
    let case = Case::load("tca", "pair_item");
    let (length, negatives) = (case.number("T") as usize, case.number("neg_num") as usize);
    let feature = |name: &str| case.matrix(&format!("input.feat_{name}"));
    let drawn: Vec<Matrix<f32>> = ["b2", "b0", "b1"].map(feature).into();
    assert_eq!(drawn.len(), negatives);
    // Only videos that are too long draw a start.
    let mut starts = case.rows("input.window_starts_in_call_order").into_iter();
    let mut crop = |frames: usize| {
        let start = if frames > length { starts.next().unwrap() as usize } else { 0 };
        Crop { start, sampled: None }
    };
    let mut clips = |videos: &[Matrix<f32>]| {
        let mut clips = ClipBatch::new(length, videos[0].cols());
        videos.iter().for_each(|frames| clips.push(frames.view(), &crop(frames.rows())).unwrap());
        clips
    };
    let batches = [("a", clips(&[feature("a0")])), ("p", clips(&[feature("a1")])), ("n", clips(&drawn))];
    for (name, batch) in batches {
        // Published: a column for each frame.
        let width = batch.frames.len() / (length * batch.lengths.len());
        let by_column = |clip: &[f32]| -> Vec<f32> {
            (0..length * width).map(|at| clip[at % length * width + at / length]).collect()
        };
        let transposed: Vec<f32> = batch.frames.chunks(length * width).flat_map(by_column).collect();
        case.compare_f32(&format!("output.{name}"), &transposed);
        case.compare(&format!("output.len_{name}"), &batch.lengths.iter().map(|n| *n as f64).collect::<Vec<_>>());
    }
    case.finish();
}
