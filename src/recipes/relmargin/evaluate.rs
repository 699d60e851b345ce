use dfdx::prelude::{Dim, HasShape, Tensor};

use super::RelMarginError;
use super::sampling::level_name;
use crate::data::retrieval::LEVELS;
use crate::matrix::Matrix;
use crate::metrics::graded::{self, GradedOptions, GradedReport};
use crate::metrics::rank::{self, RankOptions, RankReport};
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
    Matrix::new(values, rows, width)
        .map_err(|_| OpError::Undefined { op: "embed", reason: "chunks of different widths" })
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
        let graded = graded::evaluate(similarity.view(), relevance, &GradedOptions::as_published())?;
        let ranks = ground_truth
            .map(|truth| rank::evaluate(similarity.view(), truth, &RankOptions::as_published()))
            .transpose()?;
        Ok(Self { similarity, graded, ranks })
    }
}

/// A model evaluated on a split.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The verb space (JPoSE).
    pub verb: Option<LevelEvaluation>,
    /// The noun space (JPoSE).
    pub noun: Option<LevelEvaluation>,
    /// The action space; for MMEN that of its caption type.
    pub caption: LevelEvaluation,
}

impl Evaluation {
    /// The scores of a level under the published names, in [0, 1]: `action/nDCG/vid2txt` and so on.
    pub fn numbers(&self, level: Level, name: &str) -> Vec<(String, f64)> {
        let evaluation = match level {
            Level::Verb => self.verb.as_ref(),
            Level::Noun => self.noun.as_ref(),
            Level::Caption => Some(&self.caption),
        };
        let Some(GradedReport { v2t, t2v, .. }) = evaluation.map(|evaluation| &evaluation.graded) else {
            return vec![];
        };
        let ndcg = [v2t.ndcg.mean, t2v.ndcg.mean];
        let map = [v2t.ap.mean, t2v.ap.mean];
        [("nDCG", ndcg), ("mAP", map)]
            .into_iter()
            .flat_map(|(metric, [v2t, t2v])| {
                let named = [("vid2txt", v2t), ("txt2vid", t2v), ("avg", 0.5 * (v2t + t2v))];
                named.map(|(direction, value)| (format!("{name}/{metric}/{direction}"), value))
            })
            .collect()
    }

    /// The scores of every level, and recalls in percent where ground truths are named.
    pub fn all_numbers(&self) -> Vec<(String, f64)> {
        let mut numbers: Vec<_> = LEVELS.iter().flat_map(|level| self.numbers(*level, level_name(*level))).collect();
        for (direction, ranks) in self.caption.ranks.iter().flat_map(|r| [("vid2txt", &r.v2t), ("txt2vid", &r.t2v)]) {
            let recalls =
                [("R@1", ranks.r1), ("R@5", ranks.r5), ("R@10", ranks.r10), ("MdR", ranks.median), ("MnR", ranks.mean)];
            numbers.extend(recalls.map(|(name, value)| (format!("action/{name}/{direction}"), value)));
        }
        numbers
    }

    /// The output line of the published test script: `ir1; ir10; cr1; cr10; nDCG v2t; t2v; avg; mAP v2t; t2v; avg`, with
    /// decimal commas; without the recalls where no ground truths are named.
    pub fn published_line(&self) -> String {
        let LevelEvaluation { graded, ranks, .. } = &self.caption;
        let recalls = ranks.iter().flat_map(|r| [r.t2v.r1, r.t2v.r10, r.v2t.r1, r.v2t.r10]).map(|v| format!("{v:.2}"));
        let GradedReport { v2t, t2v, .. } = graded;
        let graded = [v2t.ndcg.mean, t2v.ndcg.mean, graded.ndcg_avg(), v2t.ap.mean, t2v.ap.mean, graded.map_avg()];
        let all: Vec<String> = recalls.chain(graded.map(|v| format!("{v:.3}"))).collect();
        all.join("; ").replace('.', ",")
    }
}
