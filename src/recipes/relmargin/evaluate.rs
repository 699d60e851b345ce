use dfdx::prelude::{Dim, HasShape, Tensor};

use super::RelMarginError;
use crate::matrix::Matrix;
use crate::metrics::VideosByTexts;
use crate::metrics::graded::{self, GradedOptions, GradedReport, GradedScores};
use crate::metrics::rank::{self, RankOptions, RankReport, RankScores};
use crate::ops::{self, OpError, OpsDevice};
use crate::relevance::{Level, SparseRelevance};
use crate::similarity;

/// Rows embedded at a time.
const CHUNK: usize = 4096;

/// Embeds every row of a split, in chunks.
pub(super) fn embed_all<E: Dim, D: OpsDevice>(
    rows: usize,
    embed: impl Fn(&[u32]) -> Result<Tensor<(usize, E), f32, D>, OpError>,
) -> Result<Matrix<f32>, OpError> {
    let (mut values, mut width) = (vec![], 0);
    let all: Vec<u32> = (0..rows as u32).collect();
    for chunk in all.chunks(CHUNK) {
        let embedded = embed(chunk)?;
        width = embedded.shape().1.size();
        values.extend(ops::to_vec(&embedded)?);
    }
    let got = values.len();
    Matrix::new(values, rows, width).map_err(|_| OpError::Shape {
        op: "embed",
        what: "number of values",
        expected: rows.saturating_mul(width),
        got,
    })
}

/// As published, where queries without a relevant item are worth 0: there is always a mean.
fn map(scores: &GradedScores) -> f64 {
    scores.ap.as_ref().map_or(0.0, |ap| ap.mean)
}

const DIRECTIONS: [&str; 3] = ["vid2txt", "txt2vid", "avg"];

/// The name of a score: of a level, a metric (`nDCG` or `mAP`) and a direction, or `avg` of both.
pub(super) fn score_name(level: Level, metric: &str, direction: &str) -> String {
    format!("{level}/{metric}/{direction}")
}

/// Names of the scores of a level.
pub(super) fn graded_names(level: Level) -> impl Iterator<Item = String> {
    let of = move |metric| DIRECTIONS.map(|direction| score_name(level, metric, direction));
    ["nDCG", "mAP"].into_iter().flat_map(of)
}

/// One space evaluated: similarities and what they are worth.
#[derive(Debug, Clone)]
pub struct LevelEvaluation {
    /// Videos by captions.
    pub similarity: Matrix<f32>,
    /// nDCG and mAP in both directions, as published.
    pub graded: GradedReport,
    /// Recalls, where ground truths are named.
    pub ranks: Option<RankReport>,
}

impl LevelEvaluation {
    /// Compares embeddings by inner product and evaluates as published.
    ///
    /// # Errors
    /// [`RelMarginError`].
    pub fn new(
        videos: &Matrix<f32>,
        texts: &Matrix<f32>,
        relevance: &SparseRelevance,
        ground_truth: Option<&[Vec<usize>]>,
    ) -> Result<Self, RelMarginError> {
        let similarity = similarity::inner_product(videos.view(), texts.view())?;
        let graded =
            graded::evaluate(VideosByTexts::new(similarity.view()), relevance, &GradedOptions::as_published())?;
        let ranks = ground_truth
            .map(|truth| rank::evaluate(VideosByTexts::new(similarity.view()), truth, &RankOptions::as_published()))
            .transpose()?;
        Ok(Self { similarity, graded, ranks })
    }
}

/// A model evaluated on a split.
#[derive(Debug, Clone)]
pub struct RelMarginEvaluation {
    /// The space that it is judged by.
    pub main: LevelEvaluation,
    /// Its level.
    pub level: Level,
    /// The other spaces that it has.
    pub parts: Vec<(Level, LevelEvaluation)>,
}

impl RelMarginEvaluation {
    /// nDCG and mAP of every space under the published names, in [0, 1]: `action/nDCG/vid2txt` and so on.
    pub fn graded_numbers(&self) -> Vec<(String, f64)> {
        let spaces = self.parts.iter().map(|(level, evaluation)| (*level, evaluation));
        let of_space = |(level, LevelEvaluation { graded, .. }): (Level, &LevelEvaluation)| {
            let of = |v2t: f64, t2v: f64| [v2t, t2v, 0.5 * (v2t + t2v)];
            let ndcg = of(graded.v2t.ndcg.mean, graded.t2v.ndcg.mean);
            let map = of(map(&graded.v2t), map(&graded.t2v));
            graded_names(level).zip(ndcg.into_iter().chain(map)).collect::<Vec<_>>()
        };
        spaces.chain([(self.level, &self.main)]).flat_map(of_space).collect()
    }

    /// The same, and recalls in percent where ground truths are named.
    pub fn numbers(&self) -> Vec<(String, f64)> {
        let mut numbers = self.graded_numbers();
        for (direction, ranks) in self.main.ranks.iter().flat_map(|r| [("vid2txt", &r.v2t), ("txt2vid", &r.t2v)]) {
            let RankScores { r1, r5, r10, median, mean, .. } = ranks;
            let recalls = [("R@1", r1), ("R@5", r5), ("R@10", r10), ("MdR", median), ("MnR", mean)];
            numbers.extend(recalls.map(|(name, value)| (format!("{name}/{direction}"), *value)));
        }
        numbers
    }

    /// What the published test script of JPoSE prints: two lines of nDCG and mAP, and [`RelMarginEvaluation::published_line`].
    pub fn published_output(&self) -> String {
        let GradedReport { v2t, t2v, .. } = &self.main.graded;
        let line = |name, v2t: f64, t2v: f64| format!("{name}: VT:{v2t:.3} TV:{t2v:.3} AVG:{:.3}\n", 0.5 * (v2t + t2v));
        let graded = line("nDCG", v2t.ndcg.mean, t2v.ndcg.mean) + &line("mAP", map(v2t), map(t2v));
        graded + &self.published_line()
    }

    /// The output line of the published test scripts: `ir1; ir10; cr1; cr10; nDCG v2t; t2v; avg; mAP v2t; t2v; avg`, with
    /// decimal commas; without the recalls where no ground truths are named.
    pub fn published_line(&self) -> String {
        let LevelEvaluation { graded, ranks, .. } = &self.main;
        let recalls = ranks.iter().flat_map(|r| [r.t2v.r1, r.t2v.r10, r.v2t.r1, r.v2t.r10]).map(|v| format!("{v:.2}"));
        let GradedReport { v2t, t2v, .. } = graded;
        let both = |v2t: f64, t2v: f64| [v2t, t2v, 0.5 * (v2t + t2v)];
        let graded = [both(v2t.ndcg.mean, t2v.ndcg.mean), both(map(v2t), map(t2v))].concat();
        let all: Vec<String> = recalls.chain(graded.iter().map(|v| format!("{v:.3}"))).collect();
        all.join("; ").replace('.', ",")
    }
}
