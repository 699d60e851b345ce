//! Recall at k, median and mean rank of the best-ranked ground truth, in both directions of retrieval.
//!
//! Every query has a list of ground truths; its rank is that of the best-ranked one, from 1. With `n` queries,
//!
//! ```text
//! R@k = 100 / n * #{ i : rank_i <= k }      MdR = median of rank_i      MnR = mean of rank_i
//! ```
//!
//! These are the metrics of the text-video retrieval papers (VSE++, Faghri et al. 2018, and its descendants). Ranks come from counting the
//! items that score higher, not from sorting; programs that look ranks up by equality of scores gain rows with ties.

use super::standing::{Standing, Standings};
use super::{Direction, MetricError, Score, TiePolicy, check_finite, per_query};
use crate::matrix::MatrixView;

/// What becomes of a query without ground truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MissingTruth {
    /// It is ranked behind the last of the n items, at rank n + 1, as published for EPIC-Kitchens-100 (0-based: rank n).
    Last,
    /// It has an infinite rank, as published for Collaborative Experts: never found, and the mean rank is infinite, too.
    Infinite,
    /// It is left out.
    #[default]
    Skip,
    /// It is an error.
    Error,
}

/// Median of an even number of ranks (of an odd number all agree).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Median {
    /// The mean of the two middle ones.
    #[default]
    Mean,
    /// The lower of the two middle ones.
    Lower,
    /// The mean of the two middle ones, rounded down to an integer, as published: `floor(median(0-based ranks)) + 1`.
    Floor,
}

/// What becomes of several ground truths of a query that share its best score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TiedTruths {
    /// The rank is that of the one that comes first.
    #[default]
    First,
    /// The rank is that of any one of them, the others counting as items like all others; so published for Collaborative Experts, where
    /// [`TiePolicy::Average`] then is the mean of all places that the score occupies. It differs from `First` under
    /// [`TiePolicy::Average`] and [`TiePolicy::Pessimistic`] only.
    Single,
}

/// Which ranks (from 1) a recall at k counts. They differ for fractional ranks alone, which [`TiePolicy::Average`] brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RecallBound {
    /// Those that are at most k.
    #[default]
    AtMost,
    /// At k = 1 those that are exactly 1, at every other k those below k + 1, as published for Collaborative Experts (0-based: `rank == 0`
    /// but `rank < k`): two tied items at the top, of rank 1.5, count at 5 and not at 1, and a rank of 5.5 counts at 5.
    BelowNext,
}

/// Choices of [`evaluate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RankOptions {
    /// Items tied with the best ground truth. [`TiePolicy::Average`] gives the expected rank, which may be fractional.
    pub ties: TiePolicy,
    /// Ground truths tied with each other.
    pub tied_truths: TiedTruths,
    /// Ranks that a recall counts.
    pub recall: RecallBound,
    /// Queries without ground truth.
    pub missing: MissingTruth,
    /// Median convention.
    pub median: Median,
}

impl RankOptions {
    /// The published test script for EPIC-Kitchens-100: ties by ascending index, queries without ground truth last, floored median.
    pub fn as_published() -> Self {
        Self { ties: TiePolicy::Ascending, missing: MissingTruth::Last, median: Median::Floor, ..Self::default() }
    }

    /// The published evaluation of Collaborative Experts (Liu et al., BMVC 2019): the mean of all places that a score occupies, fractional
    /// ranks counted by [`RecallBound::BelowNext`], videos without captions at an infinite rank. Its other tie rule, which is disabled
    /// in the program, is [`TiePolicy::Optimistic`].
    pub fn collaborative_experts() -> Self {
        Self {
            ties: TiePolicy::Average,
            tied_truths: TiedTruths::Single,
            recall: RecallBound::BelowNext,
            missing: MissingTruth::Infinite,
            median: Median::Mean,
        }
    }
}

/// Rank metrics in one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct RankScores {
    /// Rank of the best-ranked ground truth of every query, from 1; `None` for skipped queries.
    pub ranks: Vec<Option<f64>>,
    /// R@1 in percent.
    pub r1: f64,
    /// R@5 in percent.
    pub r5: f64,
    /// R@10 in percent.
    pub r10: f64,
    /// R@50 in percent.
    pub r50: f64,
    /// Median rank.
    pub median: f64,
    /// Mean rank.
    pub mean: f64,
}

impl RankScores {
    /// Summarises ranks; `None` stays out of every mean and count.
    ///
    /// Of the options, only the median and the bound of recall matter here. Returns `None` when no rank is left.
    pub fn new(ranks: Vec<Option<f64>>, options: &RankOptions) -> Option<Self> {
        let mut sorted: Vec<f64> = ranks.iter().flatten().copied().collect();
        if sorted.is_empty() {
            return None;
        }
        sorted.sort_unstable_by(f64::total_cmp);
        let [r1, r5, r10, r50] = [1, 5, 10, 50].map(|k| recall_at(&ranks, k, options.recall));
        let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
        Some(Self { r1, r5, r10, r50, median: median_of(&sorted, options.median), mean, ranks })
    }

    /// Geometric mean of R@1, R@5 and R@10; 0 if one of them is 0.
    pub fn geometric_mean(&self) -> f64 {
        (self.r1 * self.r5 * self.r10).cbrt()
    }
}

/// Rank metrics in both directions.
#[derive(Debug, Clone, PartialEq)]
pub struct RankReport {
    /// Video to text; in [`evaluate`], rows as queries.
    pub v2t: RankScores,
    /// Text to video; in [`evaluate`], columns as queries.
    pub t2v: RankScores,
}

impl RankReport {
    /// Names of [`RankReport::scores`]: `t2v/R@1` and so on.
    pub fn names() -> Vec<String> {
        let scores = ["R@1", "R@5", "R@10", "R@50", "MdR", "MnR", "geometric mean"];
        ["t2v", "v2t"].iter().flat_map(|direction| scores.map(|score| format!("{direction}/{score}"))).collect()
    }

    /// Recalls in percent, ranks, and the geometric mean of R@1, R@5 and R@10, by name.
    pub fn scores(&self) -> Vec<(String, f64)> {
        let of = |scores: &RankScores| {
            let RankScores { r1, r5, r10, r50, median, mean, .. } = *scores;
            [r1, r5, r10, r50, median, mean, scores.geometric_mean()]
        };
        Self::names().into_iter().zip([of(&self.t2v), of(&self.v2t)].concat()).collect()
    }

    /// The six recalls summed.
    pub fn rsum(&self) -> f64 {
        [&self.v2t, &self.t2v].iter().map(|scores| scores.r1 + scores.r5 + scores.r10).sum()
    }
}

/// Share of the ranks (from 1) within `k`, in percent; `None` is not counted, and no rank at all gives 0.
pub fn recall_at(ranks: &[Option<f64>], k: usize, bound: RecallBound) -> f64 {
    let within = |rank: f64| match (bound, k) {
        (RecallBound::AtMost, _) => rank <= k as f64,
        (RecallBound::BelowNext, 1) => rank == 1.0,
        (RecallBound::BelowNext, _) => rank < k as f64 + 1.0,
    };
    let counted = ranks.iter().flatten().count().max(1);
    let found = ranks.iter().flatten().filter(|&&rank| within(rank)).count();
    100.0 * found as f64 / counted as f64
}

fn median_of(sorted: &[f64], convention: Median) -> f64 {
    let (lower, upper) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    match convention {
        Median::Mean => 0.5 * (lower + upper),
        Median::Lower => lower,
        Median::Floor => (0.5 * (lower + upper)).floor(),
    }
}

/// Rank metrics in both directions.
///
/// # Shapes
/// `similarity`: X x Y, larger is more alike; `truths`: for each of the X rows the columns that belong to it (order and duplicates are
/// irrelevant). The ground truths of a column are the rows that list it.
///
/// # Errors
/// [`MetricError`]: similarities that are not finite, lists that do not fit the matrix, queries without ground truth where the options
/// forbid them, no query left.
pub fn evaluate<S: Score>(
    similarity: MatrixView<'_, S>,
    truths: &[Vec<usize>],
    options: &RankOptions,
) -> Result<RankReport, MetricError> {
    let (rows, columns) = (similarity.rows(), similarity.cols());
    if truths.len() != rows {
        return Err(MetricError::Truths { lists: truths.len(), rows });
    }
    let mut inverse = vec![Vec::new(); columns];
    for (row, list) in truths.iter().enumerate() {
        for &column in list {
            inverse.get_mut(column).ok_or(MetricError::TruthOutOfRange { row, column, columns })?.push(row);
        }
    }
    check_finite(similarity)?;
    Ok(RankReport {
        v2t: direction(similarity, truths, Direction::Rows, options)?,
        t2v: direction(similarity, &inverse, Direction::Columns, options)?,
    })
}

/// Rank metrics in both directions from [`standings`](crate::similarity::standings()), without a similarity matrix: the same numbers in every
/// bit. The ground truths are all positives, whatever their relevance.
///
/// # Errors
/// [`MetricError`]: queries without ground truth where the options forbid them, no query left.
pub fn evaluate_standings(standings: &Standings, options: &RankOptions) -> Result<RankReport, MetricError> {
    let direction = |direction| {
        let standings = standings.direction(direction);
        let items = standings.positives().cols();
        let places = (0..standings.positives().rows()).map(|query| Place::from_standings(standings.row(query)));
        summarise(places.collect(), items, direction, options)
    };
    Ok(RankReport { v2t: direction(Direction::Rows)?, t2v: direction(Direction::Columns)? })
}

fn direction<S: Score>(
    similarity: MatrixView<'_, S>,
    truths: &[Vec<usize>],
    direction: Direction,
    options: &RankOptions,
) -> Result<RankScores, MetricError> {
    let items = if direction == Direction::Rows { similarity.cols() } else { similarity.rows() };
    let places = per_query(similarity, direction, Vec::new, |tied, query, scores| {
        Place::from_scores(scores, &truths[query], tied)
    });
    summarise(places, items, direction, options)
}

/// `places`: one for every query, `None` where it has no ground truth.
pub(super) fn summarise(
    places: Vec<Option<Place>>,
    items: usize,
    direction: Direction,
    options: &RankOptions,
) -> Result<RankScores, MetricError> {
    let missing = places.iter().position(Option::is_none);
    if let (Some(query), MissingTruth::Error) = (missing, options.missing) {
        return Err(MetricError::EmptyQuery { direction, query });
    }
    let last = match options.missing {
        MissingTruth::Last => Some((items + 1) as f64),
        MissingTruth::Infinite => Some(f64::INFINITY),
        MissingTruth::Skip | MissingTruth::Error => None,
    };
    let rank = |place: &Place| place.rank(options.ties, options.tied_truths);
    let ranks = places.iter().map(|place| place.as_ref().map(rank).or(last)).collect();
    RankScores::new(ranks, options).ok_or_else(|| no_truth(direction, places.len()))
}

/// Why there is no rank of `queries`.
pub(super) fn no_truth(direction: Direction, queries: usize) -> MetricError {
    let reason = match queries {
        0 => "the matrix has none",
        _ => "none has a ground truth, and MissingTruth::Skip leaves such queries out",
    };
    MetricError::NoQueries { metric: "recall and rank", direction, reason: reason.to_string() }
}

/// Where the best-ranked ground truths of a query stand.
pub(super) struct Place {
    /// Items that score higher.
    pub(super) greater: usize,
    /// Ground truths that share the best score.
    tied: usize,
    /// Other items of that score.
    pub(super) others: usize,
    /// Those with a lower index than all of the ground truths.
    before: usize,
    /// Those with a higher index than all of the ground truths.
    after: usize,
}

impl Place {
    /// `tied` is scratch.
    pub(super) fn from_scores<S: Score>(scores: &[S], truths: &[usize], tied: &mut Vec<usize>) -> Option<Self> {
        let mut best = scores[*truths.first()?];
        for &item in truths {
            best = if scores[item] > best { scores[item] } else { best };
        }
        tied.clear();
        tied.extend(truths.iter().copied().filter(|&item| scores[item] == best));
        tied.sort_unstable();
        tied.dedup();
        let (first, last) = (*tied.first()?, *tied.last()?);
        let equal = |items: &[S]| items.iter().filter(|&&score| score == best).count();
        Some(Self {
            greater: scores.iter().filter(|&&score| score > best).count(),
            tied: tied.len(),
            others: equal(scores) - tied.len(),
            before: equal(&scores[..first]),
            after: equal(&scores[last + 1..]),
        })
    }

    /// `standings` in ascending order of the items. Equal scores have equally many items above them, unequal ones have not.
    fn from_standings(standings: &[Standing]) -> Option<Self> {
        let greater = standings.iter().map(|standing| standing.greater).min()?;
        let mut tied = standings.iter().filter(|standing| standing.greater == greater);
        let first = tied.next()?;
        let count = 1 + tied.clone().count();
        let (before, after) = (first.equal_before as usize, first.equal_after as usize);
        Some(Self {
            greater: greater as usize,
            tied: count,
            others: before + after + 1 - count,
            before,
            after: tied.next_back().unwrap_or(first).equal_after as usize,
        })
    }

    /// Rank from 1.
    pub(super) fn rank(&self, ties: TiePolicy, truths: TiedTruths) -> f64 {
        let (tied, others) = match truths {
            TiedTruths::First => (self.tied, self.others),
            TiedTruths::Single => (1, self.others + self.tied - 1),
        };
        let ahead = match ties {
            TiePolicy::Optimistic => 0.0,
            TiePolicy::Ascending => self.before as f64,
            TiePolicy::Descending => self.after as f64,
            TiePolicy::Pessimistic => others as f64,
            // The others are equally likely to fall into each of the gaps around the ground truths.
            TiePolicy::Average => others as f64 / (tied + 1) as f64,
        };
        (self.greater + 1) as f64 + ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;

    #[test]
    fn every_tie_policy_by_hand() {
        // One item is better; items 1 to 5 tie with the ground truths 2 and 4.
        let scores = [0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.1];
        let place = |scores: &[f64], truths: &[usize]| Place::from_scores(scores, truths, &mut Vec::new());
        let rank = |ties| place(&scores, &[6, 4, 2, 4]).unwrap().rank(ties, TiedTruths::First);
        assert_eq!(rank(TiePolicy::Optimistic), 2.0);
        assert_eq!(rank(TiePolicy::Ascending), 3.0);
        assert_eq!(rank(TiePolicy::Descending), 3.0);
        assert_eq!(rank(TiePolicy::Pessimistic), 5.0);
        assert_eq!(rank(TiePolicy::Average), 3.0);
        let single = |ties| place(&scores, &[6, 4, 2, 4]).unwrap().rank(ties, TiedTruths::Single);
        assert_eq!((single(TiePolicy::Average), single(TiePolicy::Pessimistic)), (4.0, 6.0));
        assert_eq!((single(TiePolicy::Optimistic), single(TiePolicy::Ascending)), (2.0, 3.0));
        assert!(place(&scores, &[]).is_none());
        assert_eq!(place(&[0.0, -0.0], &[1]).unwrap().rank(TiePolicy::Ascending, TiedTruths::First), 2.0);
    }

    #[test]
    fn summary_by_hand() {
        let ranks = [1.0, 4.0, 7.0, 2.0].map(Some).to_vec();
        let with = |median| RankOptions { median, ..RankOptions::default() };
        let scores = |median| RankScores::new(ranks.clone(), &with(median)).unwrap();
        let mean = scores(Median::Mean);
        assert_eq!((mean.r1, mean.r5, mean.r10, mean.median, mean.mean), (25.0, 75.0, 100.0, 3.0, 3.5));
        approx::assert_relative_eq!(mean.geometric_mean(), (25.0_f64 * 75.0 * 100.0).cbrt());
        assert_eq!(scores(Median::Lower).median, 2.0);
        let even = RankScores::new([2.0, 3.0].map(Some).to_vec(), &with(Median::Floor)).unwrap();
        assert_eq!(even.median, 2.0);
        assert!(RankScores::new(vec![None], &with(Median::Mean)).is_none());
        let fractional = [1.5, 5.5, 10.5, 50.5].map(Some).to_vec();
        let recalls = |options| {
            let scores = RankScores::new(fractional.clone(), &options).unwrap();
            (scores.r1, scores.r5, scores.r10, scores.r50)
        };
        assert_eq!(recalls(RankOptions::default()), (0.0, 25.0, 50.0, 75.0));
        assert_eq!(recalls(RankOptions::collaborative_experts()), (0.0, 50.0, 75.0, 100.0));
    }

    #[test]
    fn both_directions_and_missing_truths() {
        let similarity = Matrix::new(vec![0.1_f32, 0.9, 0.5, 0.8, 0.2, 0.4], 2, 3).unwrap();
        let truths = [vec![2], vec![]];
        let published = evaluate(similarity.view(), &truths, &RankOptions::as_published()).unwrap();
        assert_eq!(published.v2t.ranks, [Some(2.0), Some(4.0)]);
        assert_eq!(published.t2v.ranks, [Some(3.0), Some(3.0), Some(1.0)]);
        assert_eq!(published.v2t.median, 3.0);
        approx::assert_relative_eq!(published.rsum(), 0.0 + 100.0 + 100.0 + 100.0 / 3.0 + 100.0 + 100.0);
        let skipped = evaluate(similarity.view(), &truths, &RankOptions::default()).unwrap();
        assert_eq!(skipped.v2t.ranks, [Some(2.0), None]);
        assert_eq!((skipped.v2t.mean, skipped.t2v.r1), (2.0, 100.0));
        let strict = RankOptions { missing: MissingTruth::Error, ..Default::default() };
        let error = evaluate(similarity.view(), &truths, &strict).unwrap_err();
        assert_eq!(error.to_string(), "query 1 (row) has no relevant item");
    }

    #[test]
    fn lists_that_do_not_fit_are_errors() {
        let similarity = Matrix::new(vec![0.0_f32; 4], 2, 2).unwrap();
        let evaluate =
            |truths: &[Vec<usize>]| evaluate(similarity.view(), truths, &RankOptions::default()).unwrap_err();
        assert_eq!(evaluate(&[vec![0]]), MetricError::Truths { lists: 1, rows: 2 });
        assert_eq!(evaluate(&[vec![0], vec![2]]), MetricError::TruthOutOfRange { row: 1, column: 2, columns: 2 });
        let error = evaluate(&[vec![], vec![]]).to_string();
        let because = "none has a ground truth, and MissingTruth::Skip leaves such queries out";
        assert_eq!(error, format!("recall and rank: there is no row query to average over: {because}"));
    }
}
