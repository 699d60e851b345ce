//! nDCG and mean average precision against graded relevance, in both directions of retrieval.
//!
//! With relevances `R[i, j] >= 0` and `π` the items by falling similarity to query `i` (ranks from 1):
//!
//! ```text
//! DCG_i  = Σ_{r = 1..depth} gain(R[i, π(r)]) / log2(r + 1)        nDCG_i = DCG_i / IDCG_i
//! AP_i   = 1 / n_i Σ_{r : π(r) relevant} P_i(r) / r               n_i: number of relevant items
//! ```
//!
//! `IDCG_i` is the DCG of the items by falling relevance. nDCG: Järvelin & Kekäläinen, *Cumulated Gain-Based Evaluation of IR Techniques*,
//! TOIS 2002. Its use here, and what [`GradedOptions::as_published`] reproduces: Damen et al., *Rescaling Egocentric Vision*, IJCV 2022
//! (EPIC-Kitchens-100, multi-instance retrieval), with relevances as in Wray et al., CVPR 2021.

pub(super) mod query;

use rayon::prelude::*;

use super::order::Ranker;
use super::orientation::Oriented;
use super::standing::{Standing, Standings};
use super::{Direction, EmptyPolicy, MetricError, Score, TiePolicy, TieRange, VideosByTexts, mean};
use crate::matrix::MatrixView;
use crate::relevance::{Relevance, SparseRelevance};
use query::{Area, Dcg, Precision};

/// Gain of an item in the DCG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Gain {
    /// The relevance itself (Järvelin & Kekäläinen 2002), as published.
    #[default]
    Linear,
    /// `2^relevance - 1` (Burges et al., *Learning to Rank using Gradient Descent*, ICML 2005).
    Exponential,
}

/// How many ranks count in DCG and ideal DCG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Depth {
    /// All of them.
    #[default]
    All,
    /// As many as the query has items of non-zero relevance, as published for EPIC-Kitchens-100.
    Relevant,
    /// The first k.
    At(usize),
}

/// What average precision means when relevance is graded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ApDefinition {
    /// The textbook's: an item is relevant or not, relevant when its relevance is at least `threshold` (which must be positive);
    /// `P_i(r)` counts the relevant items among the first `r`.
    Binary {
        /// Smallest relevance that counts.
        threshold: f64,
    },
    /// As published for EPIC-Kitchens-100: relevant are the items of relevance exactly 1, but `P_i(r)` sums the fractional relevances of
    /// ALL items among the first `r`. In [0, 1] for relevances in [0, 1]. Fractionally relevant items raise it, even above full ones:
    /// with it, [`TiePolicy::Optimistic`] and [`TiePolicy::Pessimistic`] still order ties by relevance but are not strict bounds.
    FractionalPrecision,
}

impl Default for ApDefinition {
    fn default() -> Self {
        Self::Binary { threshold: 1.0 }
    }
}

impl ApDefinition {
    /// What an item adds to `P_i(r)`; the item is relevant when this is 1.
    fn credit(self, relevance: f64) -> f64 {
        match self {
            Self::Binary { threshold } => f64::from(relevance >= threshold),
            Self::FractionalPrecision => relevance,
        }
    }

    /// What a relevant item has, in words.
    fn relevant(self) -> String {
        match self {
            Self::Binary { threshold } => {
                format!("a relevance of at least {threshold} (the threshold of ApDefinition::Binary)")
            }
            Self::FractionalPrecision => "a relevance of exactly 1 (ApDefinition::FractionalPrecision)".to_string(),
        }
    }
}

/// Choices of [`evaluate`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GradedOptions {
    /// Gain in the DCG.
    pub gain: Gain,
    /// Ranks that count in the DCG.
    pub depth: Depth,
    /// Tied similarities in the DCG.
    pub ndcg_ties: TiePolicy,
    /// Definition of average precision.
    pub ap: ApDefinition,
    /// Tied similarities in average precision.
    pub ap_ties: TiePolicy,
    /// Queries without a relevant item (nDCG: all relevances 0; AP: no relevant item by its definition).
    pub empty: EmptyPolicy,
}

impl GradedOptions {
    /// The published evaluation of EPIC-Kitchens-100: linear gain, only the first `K_i` ranks (`K_i` items with non-zero relevance), average
    /// precision with fractional precision, empty queries score 0. The published programs sort ascending and reverse for nDCG, and sort the
    /// negated scores for mAP: with stable sorts, nDCG ranks ties by descending index and mAP by ascending index.
    pub fn as_published() -> Self {
        Self {
            gain: Gain::Linear,
            depth: Depth::Relevant,
            ndcg_ties: TiePolicy::Descending,
            ap: ApDefinition::FractionalPrecision,
            ap_ties: TiePolicy::Ascending,
            empty: EmptyPolicy::Zero,
        }
    }
}

/// A metric per query, and its mean.
#[derive(Debug, Clone, PartialEq)]
pub struct PerQuery {
    /// Value of every query; 0 for the empty ones.
    pub values: Vec<f64>,
    /// Queries without a relevant item, in ascending order.
    pub empty: Vec<usize>,
    /// Mean, with the [`EmptyPolicy`] applied.
    pub mean: f64,
}

/// Both metrics in one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct GradedScores {
    /// nDCG.
    pub ndcg: PerQuery,
    /// Average precision; its mean is the mAP. [`MetricError::NoQueries`] where no query has an item that is relevant by the definition of
    /// [`GradedOptions::ap`] and [`EmptyPolicy::Skip`] leaves such queries out: the nDCG of relevances below the threshold does not depend
    /// on it.
    pub ap: Result<PerQuery, MetricError>,
    /// DCG of every query.
    pub dcg: Vec<f64>,
    /// Ideal DCG of every query.
    pub idcg: Vec<f64>,
    /// Number of items with non-zero relevance of every query (`K_i`).
    pub relevant: Vec<usize>,
}

/// Both metrics in both directions.
#[derive(Debug, Clone, PartialEq)]
pub struct GradedReport {
    /// Video to text: videos as queries.
    pub v2t: GradedScores,
    /// Text to video: texts as queries.
    pub t2v: GradedScores,
}

impl GradedReport {
    /// nDCG, mean of the two directions.
    pub fn ndcg_avg(&self) -> f64 {
        0.5 * (self.v2t.ndcg.mean + self.t2v.ndcg.mean)
    }

    /// mAP, mean of the two directions.
    ///
    /// # Errors
    /// [`MetricError::NoQueries`] where a direction has none.
    pub fn map_avg(&self) -> Result<f64, MetricError> {
        let map = |scores: &GradedScores| scores.ap.as_ref().map(|ap| ap.mean).map_err(Clone::clone);
        Ok(0.5 * (map(&self.v2t)? + map(&self.t2v)?))
    }
}

/// nDCG and mAP in both directions.
///
/// # Shapes
/// `similarity`: V x T; `relevance`: V x T, dense or sparse.
///
/// # Errors
/// [`MetricError`]: shapes that differ, similarities that are not finite (the first one is named), negative or immense relevances, queries
/// without relevant items where the options forbid them, no query with a relevance above 0. Where only average precision has no query, that
/// alone is an error, [`GradedScores::ap`].
pub fn evaluate<S: Score, R: Relevance>(
    similarity: VideosByTexts<'_, S>,
    relevance: &R,
    options: &GradedOptions,
) -> Result<GradedReport, MetricError> {
    let VideosByTexts(similarity) = similarity;
    let relevance = relevance.sparse()?;
    check(similarity, &relevance, options)?;
    let (v2t, transposed) =
        rayon::join(|| direction(similarity, &relevance, Direction::Rows, options), || relevance.transpose());
    Ok(GradedReport { v2t: v2t?, t2v: direction(similarity, &transposed, Direction::Columns, options)? })
}

/// [`evaluate`] under the worst and the best order of tied items.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_tie_range<S: Score, R: Relevance>(
    similarity: VideosByTexts<'_, S>,
    relevance: &R,
    options: &GradedOptions,
) -> Result<TieRange<GradedReport>, MetricError> {
    TieRange::of(|ties| evaluate(similarity, relevance, &GradedOptions { ndcg_ties: ties, ap_ties: ties, ..*options }))
}

/// nDCG and mAP with the rows as queries only, whatever they are.
///
/// # Shapes
/// `similarity`: queries x items, larger is more alike; `relevance`: the same, dense or sparse.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_rows<S: Score, R: Relevance>(
    similarity: MatrixView<'_, S>,
    relevance: &R,
    options: &GradedOptions,
) -> Result<GradedScores, MetricError> {
    evaluate_oriented_rows(similarity.into(), relevance, options)
}

pub(super) fn evaluate_oriented_rows<S: Score, R: Relevance>(
    similarity: Oriented<'_, S>,
    relevance: &R,
    options: &GradedOptions,
) -> Result<GradedScores, MetricError> {
    let relevance = relevance.sparse()?;
    check(similarity, &relevance, options)?;
    direction(similarity, &relevance, Direction::Rows, options)
}

/// nDCG and mAP in both directions from [`standings`](crate::similarity::standings()) of videos as queries and texts as items, without a
/// similarity matrix: the same numbers in every bit. The relevances are those of the positives; all other items have none.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_standings(standings: &Standings, options: &GradedOptions) -> Result<GradedReport, MetricError> {
    check_options(options)?;
    let direction = |direction| {
        let standings = standings.direction(direction);
        let positives = standings.positives();
        let logs = logs(positives.cols());
        let query = |group: &mut Vec<f64>, query: usize| {
            let values = positives.row(query).1;
            score(values, options, &logs, &mut Vec::new(), |add| groups(standings.row(query), values, group, add))
        };
        let results = (0..positives.rows()).into_par_iter().map_init(Vec::new, query).collect();
        summarise(results, direction, options)
    };
    Ok(GradedReport { v2t: direction(Direction::Rows)?, t2v: direction(Direction::Columns)? })
}

fn check<S: Score>(
    similarity: Oriented<'_, S>,
    relevance: &SparseRelevance,
    options: &GradedOptions,
) -> Result<(), MetricError> {
    let (similarity_shape, relevance) = (similarity.shape(), (relevance.rows(), relevance.cols()));
    if similarity_shape != relevance {
        return Err(MetricError::Shape { similarity: similarity_shape, relevance });
    }
    check_options(options)?;
    similarity.check()
}

fn check_options(options: &GradedOptions) -> Result<(), MetricError> {
    if options.depth == Depth::At(0) {
        return Err(MetricError::NoDepth);
    }
    match options.ap {
        ApDefinition::Binary { threshold } if !(threshold.is_finite() && threshold > 0.0) => {
            Err(MetricError::Threshold { threshold })
        }
        _ => Ok(()),
    }
}

/// `relevance`: queries x items, so for [`Direction::Columns`] the transpose of the one that goes with `similarity`.
fn direction<S: Score>(
    similarity: Oriented<'_, S>,
    relevance: &SparseRelevance,
    direction: Direction,
    options: &GradedOptions,
) -> Result<GradedScores, MetricError> {
    let logs = logs(relevance.cols());
    let state = || (Ranker::new(relevance.cols()), Vec::new());
    let results = similarity.per_query(direction, state, |(ranker, scratch), query, scores| {
        let (columns, values) = relevance.row(query);
        score(values, options, &logs, scratch, |add| ranker.visit(scores, columns, values, add))
    });
    summarise(results, direction, options)
}

/// log2(r + 1) for the ranks r = 1, 2, ..
fn logs(items: usize) -> Vec<f64> {
    (2..items + 2).map(|r| (r as f64).log2()).collect()
}

/// What a query with the non-zero relevances `values` adds up; `visit` calls back with every group of tied items that holds one.
fn score(
    values: &[f64],
    options: &GradedOptions,
    logs: &[f64],
    scratch: &mut Vec<f64>,
    visit: impl FnOnce(&mut dyn FnMut(usize, &[f64])),
) -> Query {
    let mut dcg = Dcg::new(options, values.len(), logs);
    let mut precision = Precision::new(options.ap, options.ap_ties, Area::Rectangles);
    visit(&mut |rank, group| {
        dcg.add(rank, group, scratch);
        precision.add(rank, group, scratch);
    });
    Query {
        relevant: values.len(),
        dcg: dcg.sum,
        idcg: dcg.ideal(values, scratch),
        precisions: precision.sum,
        hits: values.iter().filter(|&&value| options.ap.credit(value) == 1.0).count(),
    }
}

/// Groups of tied items that hold a positive, best first: how many items score higher, and the relevances in ascending order of index.
/// `standings` and `values` belong to the positives in ascending order of index; `group` is scratch.
fn groups(standings: &[Standing], values: &[f64], group: &mut Vec<f64>, visit: &mut dyn FnMut(usize, &[f64])) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|&i| standings[i].greater);
    for tied in order.chunk_by(|&a, &b| standings[a].greater == standings[b].greater) {
        let Standing { greater, equal_before, equal_after } = standings[tied[0]];
        group.clear();
        group.resize(equal_before as usize + equal_after as usize + 1, 0.0);
        for &i in tied {
            group[standings[i].equal_before as usize] = values[i];
        }
        visit(greater as usize, group);
    }
}

fn summarise(results: Vec<Query>, direction: Direction, options: &GradedOptions) -> Result<GradedScores, MetricError> {
    if let Some(query) = results.iter().position(|q| !(q.idcg.is_finite() && q.precisions.is_finite())) {
        return Err(MetricError::Overflow { direction, query });
    }

    let summary = |metric, value: fn(&Query) -> f64, is_empty: fn(&Query) -> bool, relevant: String| {
        let values: Vec<f64> = results.iter().map(|q| if is_empty(q) { 0.0 } else { value(q) }).collect();
        let empty: Vec<usize> = (0..results.len()).filter(|&i| is_empty(&results[i])).collect();
        let nothing = || reason(results.len(), &relevant);
        Ok(PerQuery { mean: mean(&values, &empty, options.empty, (metric, direction), nothing)?, values, empty })
    };
    // A query without any relevance is empty for both: average precision, which more are empty for, says so.
    let ap = summary("average precision", |q| q.precisions / q.hits as f64, |q| q.hits == 0, options.ap.relevant());
    let ap = match ap {
        Err(error) if !matches!(error, MetricError::NoQueries { .. }) => return Err(error),
        ap => ap,
    };
    Ok(GradedScores {
        ndcg: summary("nDCG", |q| q.dcg / q.idcg, |q| q.idcg == 0.0, "a gain above 0".to_string())?,
        ap,
        dcg: results.iter().map(|q| q.dcg).collect(),
        idcg: results.iter().map(|q| q.idcg).collect(),
        relevant: results.iter().map(|q| q.relevant).collect(),
    })
}

/// Why no query is left of `queries`, none of which has an item of the relevance asked for.
fn reason(queries: usize, relevant: &str) -> String {
    match queries {
        0 => "the matrix has none".to_string(),
        _ => format!("no item of any query has {relevant}, and EmptyPolicy::Skip leaves such queries out"),
    }
}

struct Query {
    relevant: usize,
    dcg: f64,
    idcg: f64,
    precisions: f64,
    hits: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;

    fn one_query(scores: &[f64], relevance: &[f64], options: &GradedOptions) -> GradedScores {
        let similarity = Matrix::new(scores.to_vec(), 1, scores.len()).unwrap();
        let relevance = Matrix::new(relevance.to_vec(), 1, relevance.len()).unwrap();
        evaluate_rows(similarity.view(), &relevance, options).unwrap()
    }

    fn ap(scores: &GradedScores) -> &PerQuery {
        scores.ap.as_ref().unwrap()
    }

    #[test]
    fn published_values_by_hand() {
        // Order of the items: 1, 0, 3, 2; relevances 0.5, 1, 0, 1; K = 3.
        let scores = one_query(&[0.8, 0.9, -0.3, 0.1], &[1.0, 0.5, 1.0, 0.0], &GradedOptions::as_published());
        let dcg = 0.5 + 1.0 / 3.0_f64.log2();
        let idcg = 1.0 + 1.0 / 3.0_f64.log2() + 0.25;
        assert_eq!((scores.dcg[0], scores.idcg[0], scores.relevant[0]), (dcg, idcg, 3));
        assert_eq!(scores.ndcg.mean, dcg / idcg);
        assert_eq!(ap(&scores).mean, 0.5 * (1.5 / 2.0 + 2.5 / 4.0));
    }

    #[test]
    fn textbook_values_by_hand() {
        let scores = one_query(&[0.8, 0.9, -0.3, 0.1], &[1.0, 0.5, 1.0, 0.0], &GradedOptions::default());
        let dcg = 0.5 + 1.0 / 3.0_f64.log2() + 1.0 / 5.0_f64.log2();
        approx::assert_relative_eq!(scores.dcg[0], dcg, epsilon = 1e-15);
        assert_eq!(ap(&scores).mean, 0.5 * (1.0 / 2.0 + 2.0 / 4.0));
        let half = GradedOptions {
            ap: ApDefinition::Binary { threshold: 0.5 },
            gain: Gain::Exponential,
            ..Default::default()
        };
        let scores = one_query(&[0.8, 0.9, -0.3, 0.1], &[1.0, 0.5, 1.0, 0.0], &half);
        approx::assert_relative_eq!(ap(&scores).mean, (1.0 + 1.0 + 0.75) / 3.0);
        let dcg = 2.0_f64.sqrt() - 1.0 + 1.0 / 3.0_f64.log2() + 1.0 / 5.0_f64.log2();
        approx::assert_relative_eq!(scores.dcg[0], dcg, epsilon = 1e-15);
    }

    #[test]
    fn every_tie_policy_on_one_tied_pair() {
        // Item 0 irrelevant, item 1 relevant, tied.
        let value = |ties| {
            let options = GradedOptions { ndcg_ties: ties, ap_ties: ties, ..Default::default() };
            let scores = one_query(&[0.0, -0.0], &[0.0, 1.0], &options);
            (scores.ndcg.mean, ap(&scores).mean)
        };
        let second = 1.0 / 3.0_f64.log2();
        assert_eq!(value(TiePolicy::Ascending), (second, 0.5));
        assert_eq!(value(TiePolicy::Descending), (1.0, 1.0));
        assert_eq!(value(TiePolicy::Optimistic), (1.0, 1.0));
        assert_eq!(value(TiePolicy::Pessimistic), (second, 0.5));
        assert_eq!(value(TiePolicy::Average), (0.5 * (1.0 + second), 0.75));
    }

    #[test]
    fn empty_queries_follow_the_policy() {
        let similarity = Matrix::new(vec![1.0_f32, 2.0, 3.0, 4.0], 2, 2).unwrap();
        let relevance = Matrix::new(vec![0.0, 1.0, 0.0, 0.5], 2, 2).unwrap();
        let with = |empty| {
            evaluate_rows(similarity.view(), &relevance, &GradedOptions { empty, ..GradedOptions::as_published() })
        };
        let zero = with(EmptyPolicy::Zero).unwrap();
        assert_eq!((ap(&zero).mean, &*ap(&zero).empty, &*zero.ndcg.empty), (0.5, &[1][..], &[][..]));
        assert_eq!(ap(&with(EmptyPolicy::Skip).unwrap()).mean, 1.0);
        let error = MetricError::EmptyQuery { metric: "average precision", direction: Direction::Rows, query: 1 };
        assert_eq!(with(EmptyPolicy::Error).unwrap_err(), error);
        // Column 0 is empty, too: no column is fully relevant but one.
        assert_eq!(
            ap(&evaluate(VideosByTexts::new(similarity.view()), &relevance, &GradedOptions::default()).unwrap().t2v)
                .empty,
            [0]
        );
    }

    #[test]
    fn bad_input_is_named() {
        let relevance = Matrix::new(vec![1.0; 4], 2, 2).unwrap();
        let options = GradedOptions::default();
        let similarity = Matrix::new(vec![0.0, 1.0, f32::NAN, f32::INFINITY], 2, 2).unwrap();
        let error = evaluate(VideosByTexts::new(similarity.view()), &relevance, &options).unwrap_err();
        assert_eq!(error.to_string(), "similarity at row 1, column 0 is NaN, not a finite number");
        let wide = Matrix::new(vec![0.0_f64; 6], 2, 3).unwrap();
        let error = evaluate(VideosByTexts::new(wide.view()), &relevance, &options).unwrap_err();
        assert_eq!(error.to_string(), "similarity is 2x3, relevance 2x2");
        let options = GradedOptions { ap: ApDefinition::Binary { threshold: 0.0 }, ..options };
        let good = Matrix::new(vec![0.0_f64; 4], 2, 2).unwrap();
        assert_eq!(
            evaluate(VideosByTexts::new(good.view()), &relevance, &options).unwrap_err(),
            MetricError::Threshold { threshold: 0.0 }
        );
        let immense = Matrix::new(vec![2000.0; 4], 2, 2).unwrap();
        let options = GradedOptions { gain: Gain::Exponential, ..GradedOptions::default() };
        let error = evaluate(VideosByTexts::new(good.view()), &immense, &options).unwrap_err();
        assert_eq!(error, MetricError::Overflow { direction: Direction::Rows, query: 0 });
        let nothing = Matrix::<f64>::default();
        let error = evaluate(VideosByTexts::new(nothing.view()), &nothing, &GradedOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), "nDCG: there is no row query to average over: the matrix has none");
        let error = evaluate(
            VideosByTexts::new(good.view()),
            &relevance,
            &GradedOptions { depth: Depth::At(0), ..GradedOptions::default() },
        );
        assert_eq!(error.unwrap_err().to_string(), "nDCG: Depth::At(0) counts no rank");
    }

    #[test]
    fn a_metric_without_queries_does_not_take_the_other_with_it() {
        let similarity = Matrix::new(vec![0.9, 0.1, 0.2, 0.3], 2, 2).unwrap();
        let relevance = Matrix::new(vec![0.5, 0.0, 0.0, 0.25], 2, 2).unwrap();
        let report = evaluate(VideosByTexts::new(similarity.view()), &relevance, &GradedOptions::default()).unwrap();
        assert_eq!((report.v2t.ndcg.mean, report.t2v.ndcg.mean), (1.0, 1.0));
        let because = "no item of any query has a relevance of at least 1 (the threshold of ApDefinition::Binary), and \
            EmptyPolicy::Skip leaves such queries out";
        let error = report.v2t.ap.as_ref().unwrap_err().to_string();
        assert_eq!(error, format!("average precision: there is no row query to average over: {because}"));
        assert_eq!(report.map_avg().unwrap_err(), report.v2t.ap.unwrap_err());
        assert!(report.t2v.ap.unwrap_err().to_string().contains("no column query"));
        let standings = crate::similarity::standings(
            similarity.view(),
            Matrix::new(vec![1.0_f32, 0.0, 0.0, 1.0], 2, 2).unwrap().view(),
            crate::similarity::Measure::InnerProduct,
            &SparseRelevance::from_dense(relevance.view()).unwrap(),
        );
        let report = evaluate_standings(&standings.unwrap(), &GradedOptions::default()).unwrap();
        assert!(report.v2t.ndcg.mean > 0.0 && report.v2t.ap.is_err());

        // As published, queries without a relevant item are worth 0.
        let zero = evaluate(VideosByTexts::new(similarity.view()), &relevance, &GradedOptions::as_published()).unwrap();
        assert_eq!((zero.map_avg().unwrap(), ap(&zero.v2t).empty.len()), (0.0, 2));
        let strict = GradedOptions { empty: EmptyPolicy::Error, ..GradedOptions::default() };
        let error = evaluate(VideosByTexts::new(similarity.view()), &relevance, &strict).unwrap_err();
        assert_eq!(error.to_string(), "average precision: query 0 (row) has no relevant item");

        // Without any relevance neither has a value.
        let none = Matrix::new(vec![0.0; 4], 2, 2).unwrap();
        let error =
            evaluate(VideosByTexts::new(similarity.view()), &none, &GradedOptions::default()).unwrap_err().to_string();
        let because = "no item of any query has a gain above 0, and EmptyPolicy::Skip leaves such queries out";
        assert_eq!(error, format!("nDCG: there is no row query to average over: {because}"));
    }

    #[test]
    fn the_range_over_ties_holds_the_expectation() {
        let similarity = Matrix::new(vec![0.5; 12], 3, 4).unwrap();
        let relevance = Matrix::from_fn(3, 4, |i, j| f64::from(u8::from(i == j)));
        let options = GradedOptions { empty: EmptyPolicy::Zero, ..GradedOptions::default() };
        let TieRange { worst, best } =
            evaluate_tie_range(VideosByTexts::new(similarity.view()), &relevance, &options).unwrap();
        let expected = evaluate(VideosByTexts::new(similarity.view()), &relevance, &options).unwrap();
        let values = |report: &GradedReport| [report.v2t.ndcg.mean, report.map_avg().unwrap()];
        assert_eq!(values(&best), [1.0, 0.875]);
        assert!((0..2).all(|i| values(&worst)[i] < values(&expected)[i] && values(&expected)[i] < values(&best)[i]));
    }
}
