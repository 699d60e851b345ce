//! Collaborative Experts and its relatives: metrics and challenge predictions.

use coembed::matrix::Matrix;
use coembed::metrics::captions::{self, tied_places_as_queries};
use coembed::metrics::labels::{self, OwnLabels};
use coembed::metrics::rank::{RankOptions, RankScores};
use coembed::metrics::{EmptyPolicy, TextsByVideos, TiePolicy};

use crate::support::Case;

/// `input.query_masks`, or one real caption of each video.
fn mask(case: &Case) -> Matrix<bool> {
    if !case.has("input.query_masks") {
        return Matrix::from_fn(case.shape("input.sims")[1], 1, |_, _| true);
    }
    let (values, shape) = (case.f64("input.query_masks"), case.shape("input.query_masks"));
    Matrix::new(values.iter().map(|&value| value == 1.0).collect(), shape[0], shape[1]).unwrap()
}

fn compare_scores(case: &Case, prefix: &str, scores: &RankScores) {
    let values = [
        ("R1", scores.r1),
        ("R5", scores.r5),
        ("R10", scores.r10),
        ("R50", scores.r50),
        ("MedR", scores.median),
        ("MeanR", scores.mean),
        ("geometric_mean_R1-R5-R10", scores.geometric_mean()),
    ];
    for (name, value) in values {
        case.compare(&format!("{prefix}{name}"), &[value]);
    }
    let ranks: Vec<f64> = scores.ranks.iter().map(|rank| rank.unwrap() - 1.0).collect();
    case.compare(&format!("{prefix}ranks_zero_based"), &ranks);
}

fn both_directions(name: &str) {
    let case = Case::load("ce", name);
    let options = RankOptions::collaborative_experts();
    let report =
        captions::evaluate(TextsByVideos::new(case.matrix("input.sims").view()), mask(&case).view(), &options).unwrap();
    compare_scores(&case, "output.t2v_metrics.", &report.t2v);
    compare_scores(&case, "output.v2t_metrics.", &report.v2t);
    case.finish();
}

pub fn metrics_basic() {
    both_directions("metrics_basic");
}

pub fn metrics_constant() {
    both_directions("metrics_constant");
}

pub fn metrics_multicaption_masked() {
    both_directions("metrics_multicaption_masked");
}

pub fn metrics_multicaption_ties() {
    both_directions("metrics_multicaption_ties");
}

pub fn metrics_perfect() {
    both_directions("metrics_perfect");
}

pub fn metrics_single() {
    both_directions("metrics_single");
}

pub fn metrics_small_gallery() {
    both_directions("metrics_small_gallery");
}

pub fn metrics_ties() {
    both_directions("metrics_ties");
}

pub fn metrics_retrieval_as_classification() {
    let case = Case::load("ce", "metrics_retrieval_as_classification");
    let (similarity, labelled) = (case.matrix("input.sims"), mask(&case));
    let options = RankOptions::collaborative_experts();
    let own = OwnLabels::SubtractIndex;
    let scores =
        labels::retrieval_as_classification(TextsByVideos::new(similarity.view()), labelled.view(), own, &options)
            .unwrap();
    compare_scores(&case, "output.", &scores);
    case.finish();
}

pub fn metrics_map() {
    let case = Case::load("ce", "metrics_map");
    let (similarity, labelled) = (case.matrix("input.sims"), mask(&case));
    let (ties, empty) = (TiePolicy::Average, EmptyPolicy::Zero);
    let ap =
        labels::mean_average_precision(TextsByVideos::new(similarity.view()), labelled.view(), ties, empty).unwrap();
    case.compare("output.ap_per_label", &ap.values);
    case.compare("output.mAP", &[ap.mean]);
    case.finish();
}

pub fn metrics_moee_original() {
    let case = Case::load("ce", "metrics_moee_original");
    for name in ["basic", "ties"] {
        let similarity = case.matrix(&format!("input.{name}.sims"));
        let scores = tied_places_as_queries(TextsByVideos::new(similarity.view())).unwrap();
        let fractions = [("R1", scores.r1), ("R5", scores.r5), ("R10", scores.r10)];
        for (recall, percent) in fractions {
            case.compare(&format!("output.{name}.{recall}"), &[percent / 100.0]);
        }
        case.compare(&format!("output.{name}.MR"), &[scores.median]);
    }
    case.finish();
}

pub fn challenge_topk() {
    let case = Case::load("ce", "challenge_topk");
    let k = case.shape("output.topk_indices")[1];
    let best = captions::top_k(TextsByVideos::new(case.matrix("input.sims").view()), mask(&case).view(), k).unwrap();
    let best: Vec<f64> = best.as_slice().iter().map(|&column| column as f64).collect();
    case.compare("output.topk_indices", &best);
    case.finish();
}
