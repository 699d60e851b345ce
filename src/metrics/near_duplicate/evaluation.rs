use super::ranking::{Judge, Ranking};
use super::{Collection, Counts, NearDuplicateError, Options, Results};
use crate::metrics::graded::PerQuery;
use crate::metrics::graded::query::Area;
use crate::metrics::{Direction, mean};

/// What errors call the metric.
const METRIC: &str = "average precision";

/// Mean average precision over queries that are given one after the other: VCDB, ActivityNet, one task of FIVR, with the [`Options`] of each.
///
/// ```text
/// AP = 1/P Σ_{hits} hits so far / rank        mAP = mean of AP over the queries
/// ```
///
/// Only the relevant videos' surroundings are sorted, so that a query over n videos takes time linear in n. Nothing of a query is kept but
/// its average precision.
#[derive(Debug, Clone)]
pub struct Evaluation<'c> {
    judge: Judge<'c>,
    area: Area,
    ranking: Ranking,
    ap: Vec<f64>,
    empty: Vec<usize>,
}

/// Average precision of every query, in the order in which they were given, and its mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Values, the queries without a relevant video, and the mean.
    pub ap: PerQuery,
    /// Queries and videos that are there, and that should be.
    pub counts: Counts,
}

impl<'c> Evaluation<'c> {
    /// Of no query yet.
    pub fn new(collection: &'c Collection, options: Options) -> Self {
        Self::of_area(collection, options, Area::Rectangles)
    }

    pub(super) fn of_area(collection: &'c Collection, options: Options, area: Area) -> Self {
        let judge = Judge::new(collection, options);
        Self { judge, area, ranking: Ranking::default(), ap: vec![], empty: vec![] }
    }

    /// Adds a query: its number, where it is one of the videos, the videos that are relevant to it (a video that is listed twice counts once),
    /// and its results. Returns its average precision; `None` where it has no relevant video.
    ///
    /// # Errors
    /// [`NearDuplicateError`]: a similarity that is not finite (under [`super::NonFinite::Error`]), a relevant video beyond the numbers. The query
    /// is not added then.
    pub fn add(
        &mut self,
        own: Option<u32>,
        relevant: &[u32],
        results: &Results,
    ) -> Result<Option<f64>, NearDuplicateError> {
        self.add_from((own, relevant), results, |_| true)
    }

    /// The same, where only videos of the `pool` are ranked.
    pub(super) fn add_from(
        &mut self,
        query: (Option<u32>, &[u32]),
        results: &Results,
        pool: impl Fn(u32) -> bool,
    ) -> Result<Option<f64>, NearDuplicateError> {
        self.ranking.clear();
        let positives = self.judge.rank(query, results, pool, &mut self.ranking)?;
        let ap = self.ranking.average_precision(positives, self.judge.options.ties, self.area)?;
        if positives == 0 {
            self.empty.push(self.ap.len());
        }
        self.ap.push(ap);
        Ok((positives > 0).then_some(ap))
    }

    /// The mean over all queries that were added.
    ///
    /// # Errors
    /// [`NearDuplicateError::Metric`]: no query is left, or one has no relevant video and the policy forbids it.
    pub fn finish(self) -> Result<Report, NearDuplicateError> {
        let counts = self.judge.collection.counts();
        let nothing = || match self.ap.len() {
            0 => "no query was found".to_string(),
            queries => format!("EmptyPolicy::Skip leaves out all {queries} without a relevant video"),
        };
        let mean = mean(&self.ap, &self.empty, self.judge.options.empty, (METRIC, Direction::Rows), nothing)?;
        Ok(Report { ap: PerQuery { values: self.ap, empty: self.empty, mean }, counts })
    }
}
