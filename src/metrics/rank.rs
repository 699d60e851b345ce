//! Recall at k, median and mean rank of the best-ranked ground truth, in both directions of retrieval.
//!
//! Every query has a list of ground truths; its rank is that of the best-ranked one, from 1. With `n` queries,
//!
//! ```text
//! R@k = 100 / n * #{ i : rank_i <= k }      MdR = median of rank_i      MnR = mean of rank_i
//! ```
//!
//! Under [`TiePolicy::Average`] all of a query's numbers are expectations over the orders of the tied items. With `g` items that score higher
//! than the best ground truth, `t` ground truths and `o` other items of its score, all `(t + o)!` orders equally likely,
//!
//! ```text
//! rank_i = g + 1 + o / (t + 1)      P(rank_i <= k) = 1 − C(o, m) / C(t + o, m)      m = min(max(k − g, 0), t + o)
//! ```
//!
//! (the hypergeometric probability that the first `m` of the tied items are no ground truths), and `R@k = 100 / n * Σ_i P(rank_i <= k)`. The
//! mean rank is that of the expected ranks, the expected mean; the median is that of the expected ranks. [`evaluate_tie_range`] gives the
//! scores of the worst and the best order beside it.
//!
//! These are the metrics of the text-video retrieval papers (VSE++, Faghri et al. 2018, and its descendants). Ranks come from counting the
//! items that score higher, not from sorting; programs that look ranks up by equality of scores gain rows with ties.

use super::orientation::Oriented;
use super::standing::{Standing, Standings};
use super::{Direction, MetricError, Score, TiePolicy, TieRange, VideosByTexts};

/// What errors call these metrics.
pub(super) const METRIC: &str = "recall and rank";

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

/// Which ranks (from 1) a recall at k counts. They differ where [`TiePolicy::Average`] meets ties alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RecallBound {
    /// Those that are at most k; under [`TiePolicy::Average`] a query counts by the probability that its rank is.
    #[default]
    AtMost,
    /// The expected rank is compared with k: at k = 1 it counts when it is exactly 1, at every other k when it is below k + 1, as published
    /// for Collaborative Experts (0-based: `rank == 0` but `rank < k`): two tied items at the top, of rank 1.5, count at 5 and not at 1, and
    /// a rank of 5.5 counts at 5.
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
    queries: Vec<Found>,
    bound: RecallBound,
}

impl RankScores {
    /// Names of [`RankScores::values`].
    pub const NAMES: [&'static str; 7] = ["R@1", "R@5", "R@10", "R@50", "MdR", "MnR", "geometric mean"];

    /// Recalls in percent, ranks, and the geometric mean of R@1, R@5 and R@10.
    pub fn values(&self) -> [f64; 7] {
        let Self { r1, r5, r10, r50, median, mean, .. } = *self;
        [r1, r5, r10, r50, median, mean, self.geometric_mean()]
    }

    /// Summarises ranks; `None` stays out of every mean and count.
    ///
    /// Of the options, only the median and the bound of recall matter here: the ranks are what they are, fractional ones are compared with k.
    /// Returns `None` when no rank is left, or one of them is NaN.
    pub fn new(ranks: Vec<Option<f64>>, options: &RankOptions) -> Option<Self> {
        Self::of(ranks.into_iter().map(Found::at).collect(), options)
    }

    /// `None` when no rank is left, or one of them is NaN.
    pub(super) fn of(queries: Vec<Found>, options: &RankOptions) -> Option<Self> {
        let ranks: Vec<Option<f64>> = queries.iter().map(|query| query.rank).collect();
        let mut sorted: Vec<f64> = ranks.iter().flatten().copied().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        if sorted.is_empty() || sorted.iter().any(|rank| rank.is_nan()) {
            return None;
        }
        let [r1, r5, r10, r50] = [1, 5, 10, 50].map(|k| recall(&queries, k, options.recall));
        let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
        let median = median_of(&sorted, options.median);
        Some(Self { r1, r5, r10, r50, median, mean, ranks, queries, bound: options.recall })
    }

    /// R@k in percent, for any k.
    pub fn recall(&self, k: usize) -> f64 {
        recall(&self.queries, k, self.bound)
    }

    /// Geometric mean of R@1, R@5 and R@10; 0 if one of them is 0.
    pub fn geometric_mean(&self) -> f64 {
        (self.r1 * self.r5 * self.r10).cbrt()
    }
}

/// Rank metrics in both directions.
#[derive(Debug, Clone, PartialEq)]
pub struct RankReport {
    /// Video to text: videos as queries.
    pub v2t: RankScores,
    /// Text to video: texts as queries.
    pub t2v: RankScores,
}

impl RankReport {
    /// Names of [`RankReport::scores`]: `t2v/R@1` and so on.
    pub fn names() -> Vec<String> {
        let of = |direction| RankScores::NAMES.map(|score| format!("{direction}/{score}"));
        [of("t2v"), of("v2t")].concat()
    }

    /// Recalls in percent, ranks, and the geometric mean of R@1, R@5 and R@10, by name.
    pub fn scores(&self) -> Vec<(String, f64)> {
        Self::names().into_iter().zip([self.t2v.values(), self.v2t.values()].concat()).collect()
    }

    /// The six recalls summed.
    pub fn rsum(&self) -> f64 {
        [&self.v2t, &self.t2v].iter().map(|scores| scores.r1 + scores.r5 + scores.r10).sum()
    }
}

/// Share of the ranks (from 1) within `k`, in percent; `None` is not counted, and no rank at all gives 0. The ranks are what they are:
/// [`RankScores::recall`] knows which of them are expectations.
pub fn recall_at(ranks: &[Option<f64>], k: usize, bound: RecallBound) -> f64 {
    let queries: Vec<Found> = ranks.iter().copied().map(Found::at).collect();
    recall(&queries, k, bound)
}

fn recall(queries: &[Found], k: usize, bound: RecallBound) -> f64 {
    let counted = queries.iter().filter(|query| query.rank.is_some()).count().max(1);
    100.0 * queries.iter().map(|query| query.within(k, bound)).sum::<f64>() / counted as f64
}

/// The rank of the best ground truth of a query.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    rank: Option<f64>,
    /// What the rank is an expectation of.
    tie: Option<Tie>,
}

/// Ground truths and other items of one score, in any order.
#[derive(Debug, Clone, PartialEq)]
struct Tie {
    /// The rank before the first of them.
    ahead: i64,
    truths: usize,
    others: usize,
}

impl Found {
    /// At this rank and no other.
    pub(super) fn at(rank: Option<f64>) -> Self {
        Self { rank, tie: None }
    }

    /// The probability that a recall at `k` counts the query.
    fn within(&self, k: usize, bound: RecallBound) -> f64 {
        let (Some(rank), k_th) = (self.rank, k as f64) else { return 0.0 };
        match (bound, &self.tie) {
            (RecallBound::AtMost, Some(tie)) => tie.truth_within(k),
            (RecallBound::AtMost, None) => f64::from(rank <= k_th),
            (RecallBound::BelowNext, _) => f64::from(if k == 1 { rank == 1.0 } else { rank < k_th + 1.0 }),
        }
    }
}

impl Tie {
    /// The probability that one of the ground truths is among the first `k` items.
    fn truth_within(&self, k: usize) -> f64 {
        let all = self.truths + self.others;
        let places = i64::try_from(k).unwrap_or(i64::MAX).saturating_sub(self.ahead).clamp(0, all as i64) as usize;
        if self.truths == 1 {
            return places as f64 / all as f64;
        }
        // C(others, places) / C(all, places) = C(all − places, truths) / C(all, truths): the shorter product of the two.
        let (without, factors) = if places < self.truths { (self.others, places) } else { (all - places, self.truths) };
        1.0 - (0..factors).map(|i| without.saturating_sub(i) as f64 / (all - i) as f64).product::<f64>()
    }
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
/// `similarity`: V x T; `truths`: for each of the V videos the texts that belong to it (order and duplicates are irrelevant). The ground
/// truths of a text are the videos that list it.
///
/// # Errors
/// [`MetricError`]: similarities that are not finite, lists that do not fit the matrix, queries without ground truth where the options
/// forbid them, no query left.
pub fn evaluate<S: Score>(
    similarity: VideosByTexts<'_, S>,
    truths: &[Vec<usize>],
    options: &RankOptions,
) -> Result<RankReport, MetricError> {
    let VideosByTexts(similarity) = similarity;
    let (rows, columns) = similarity.shape();
    if truths.len() != rows {
        return Err(MetricError::Truths { lists: truths.len(), rows });
    }
    similarity.check()?;
    let mut inverse = vec![Vec::new(); columns];
    for (row, list) in truths.iter().enumerate() {
        for &column in list {
            inverse.get_mut(column).ok_or(MetricError::TruthOutOfRange { row, column, columns })?.push(row);
        }
    }
    Ok(RankReport {
        v2t: direction(similarity, truths, Direction::Rows, options)?,
        t2v: direction(similarity, &inverse, Direction::Columns, options)?,
    })
}

/// [`evaluate`] under the worst and the best order of tied items.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_tie_range<S: Score>(
    similarity: VideosByTexts<'_, S>,
    truths: &[Vec<usize>],
    options: &RankOptions,
) -> Result<TieRange<RankReport>, MetricError> {
    TieRange::of(|ties| evaluate(similarity, truths, &RankOptions { ties, ..*options }))
}

/// Rank metrics in both directions from [`standings`](crate::similarity::standings()) of videos as queries and texts as items, without a
/// similarity matrix: the same numbers in every bit. The ground truths are all positives, whatever their relevance.
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
    similarity: Oriented<'_, S>,
    truths: &[Vec<usize>],
    direction: Direction,
    options: &RankOptions,
) -> Result<RankScores, MetricError> {
    let items = if direction == Direction::Rows { similarity.cols() } else { similarity.rows() };
    let places = similarity
        .per_query(direction, Vec::new, |tied, query, scores| Place::from_scores(scores, &truths[query], tied));
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
        return Err(MetricError::EmptyQuery { metric: METRIC, direction, query });
    }
    let last = match options.missing {
        MissingTruth::Last => Some((items + 1) as f64),
        MissingTruth::Infinite => Some(f64::INFINITY),
        MissingTruth::Skip | MissingTruth::Error => None,
    };
    let found = |place: &Option<Place>| place.as_ref().map_or(Found::at(last), |place| place.found(options, 0));
    RankScores::of(places.iter().map(found).collect(), options).ok_or_else(|| no_truth(direction, places.len()))
}

/// Why there is no rank of `queries`.
pub(super) fn no_truth(direction: Direction, queries: usize) -> MetricError {
    let reason = match queries {
        0 => "the matrix has none",
        _ => "none has a ground truth, and MissingTruth::Skip leaves such queries out",
    };
    MetricError::NoQueries { metric: METRIC, direction, reason: reason.to_string() }
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

    /// Ground truths that the rank is the first of, and the others of their score.
    fn tied(&self, truths: TiedTruths) -> (usize, usize) {
        match truths {
            TiedTruths::First => (self.tied, self.others),
            TiedTruths::Single => (1, self.others + self.tied - 1),
        }
    }

    /// The rank less `discount`, with what it is an expectation of.
    pub(super) fn found(&self, options: &RankOptions, discount: usize) -> Found {
        let (truths, others) = self.tied(options.tied_truths);
        let tie = (options.ties == TiePolicy::Average && others > 0).then_some(Tie {
            ahead: self.greater as i64 - discount as i64,
            truths,
            others,
        });
        Found { rank: Some(self.rank(options.ties, options.tied_truths) - discount as f64), tie }
    }

    /// Rank from 1.
    fn rank(&self, ties: TiePolicy, truths: TiedTruths) -> f64 {
        let (tied, others) = self.tied(truths);
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
    fn tied_items_count_by_the_chance_that_their_order_brings() {
        for (n, wanted) in [(4, [25.0, 100.0, 100.0, 100.0]), (100, [1.0, 5.0, 10.0, 50.0])] {
            let similarity = Matrix::new(vec![1.0_f32; n * n], n, n).unwrap();
            let truths: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).collect();
            let report = evaluate(VideosByTexts::new(similarity.view()), &truths, &RankOptions::default()).unwrap();
            for scores in [&report.v2t, &report.t2v] {
                let got = [scores.r1, scores.r5, scores.r10, scores.r50];
                assert!(got.iter().zip(wanted).all(|(got, want)| (got - want).abs() < 1e-11), "{got:?}");
                assert_eq!((scores.mean, scores.median), ((n + 1) as f64 / 2.0, (n + 1) as f64 / 2.0));
                assert!((scores.recall(2) - 200.0 / n as f64).abs() < 1e-11);
            }
            // As published, the expected rank is compared with k.
            let published = RankOptions::collaborative_experts();
            assert_eq!(evaluate(VideosByTexts::new(similarity.view()), &truths, &published).unwrap().v2t.r1, 0.0);
            let TieRange { worst, best } =
                evaluate_tie_range(VideosByTexts::new(similarity.view()), &truths, &published).unwrap();
            assert_eq!((worst.v2t.r1, worst.v2t.mean, best.v2t.r1, best.v2t.mean), (0.0, n as f64, 100.0, 1.0));
        }
    }

    #[test]
    fn ranks_that_are_no_numbers_have_no_summary() {
        assert!(RankScores::new(vec![Some(1.0), Some(f64::NAN)], &RankOptions::default()).is_none());
    }

    #[test]
    fn both_directions_and_missing_truths() {
        let similarity = Matrix::new(vec![0.1_f32, 0.9, 0.5, 0.8, 0.2, 0.4], 2, 3).unwrap();
        let truths = [vec![2], vec![]];
        let published = evaluate(VideosByTexts::new(similarity.view()), &truths, &RankOptions::as_published()).unwrap();
        assert_eq!(published.v2t.ranks, [Some(2.0), Some(4.0)]);
        assert_eq!(published.t2v.ranks, [Some(3.0), Some(3.0), Some(1.0)]);
        assert_eq!(published.v2t.median, 3.0);
        approx::assert_relative_eq!(published.rsum(), 0.0 + 100.0 + 100.0 + 100.0 / 3.0 + 100.0 + 100.0);
        let skipped = evaluate(VideosByTexts::new(similarity.view()), &truths, &RankOptions::default()).unwrap();
        assert_eq!(skipped.v2t.ranks, [Some(2.0), None]);
        assert_eq!((skipped.v2t.mean, skipped.t2v.r1), (2.0, 100.0));
        let strict = RankOptions { missing: MissingTruth::Error, ..Default::default() };
        let error = evaluate(VideosByTexts::new(similarity.view()), &truths, &strict).unwrap_err();
        assert_eq!(error.to_string(), "recall and rank: query 1 (row) has no relevant item");
    }

    #[test]
    fn lists_that_do_not_fit_are_errors() {
        let similarity = Matrix::new(vec![0.0_f32; 4], 2, 2).unwrap();
        let evaluate = |truths: &[Vec<usize>]| {
            evaluate(VideosByTexts::new(similarity.view()), truths, &RankOptions::default()).unwrap_err()
        };
        assert_eq!(evaluate(&[vec![0]]), MetricError::Truths { lists: 1, rows: 2 });
        assert_eq!(evaluate(&[vec![0], vec![2]]), MetricError::TruthOutOfRange { row: 1, column: 2, columns: 2 });
        let error = evaluate(&[vec![], vec![]]).to_string();
        let because = "none has a ground truth, and MissingTruth::Skip leaves such queries out";
        assert_eq!(error, format!("recall and rank: there is no row query to average over: {because}"));
    }
}
