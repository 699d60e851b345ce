use super::ranking::{Judge, Ranking};
use super::{Collection, NearDuplicateError, Options, Results};

/// Levels of recall: 0, 0.05, .., 1.
const LEVELS: usize = 21;

/// How [`PrecisionRecallCurve`] reads its levels and its missing results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CurveRule {
    /// A recall of exactly 3/20 is at least 0.15, and videos that were not returned rank behind all that were.
    #[default]
    Sound,
    /// Level i is the f64 product `i * 0.05`, which is more than i/20 for 3, 6, 7, 12, 14, 17 and 19: a recall of exactly 3/20 misses its
    /// level. Videos that were not returned have the similarity 0: before all negative ones, tied with those of 0.
    AsPublished,
}

impl CurveRule {
    fn reaches(self, hits: usize, positives: usize, level: usize) -> bool {
        match self {
            Self::Sound => hits as u128 * (LEVELS - 1) as u128 >= level as u128 * positives as u128,
            Self::AsPublished => hits as f64 / positives as f64 >= level as f64 * 0.05,
        }
    }

    fn missing_score(self) -> f64 {
        match self {
            Self::Sound => f64::NEG_INFINITY,
            Self::AsPublished => 0.0,
        }
    }
}

/// The interpolated curve of precision over recall of the official FIVR-200K evaluation, a mean over queries.
///
/// Of one query: for every similarity that occurs, precision and recall of the videos that have at least that; videos of the collection that
/// were not returned count as returned last ([`CurveRule`]). With precision 1 at recall 0, the value at a level r is
/// `max { precision : recall >= r }`. Queries without a relevant video are left out. Tied videos come together, whatever the policy of ties.
#[derive(Debug, Clone)]
pub struct PrecisionRecallCurve<'c> {
    judge: Judge<'c>,
    rule: CurveRule,
    ranking: Ranking,
    sums: [f64; LEVELS],
    queries: usize,
    /// Videos that are there.
    found: usize,
}

impl<'c> PrecisionRecallCurve<'c> {
    /// Of no query yet.
    pub fn new(collection: &'c Collection, options: Options, rule: CurveRule) -> Self {
        let (judge, found) = (Judge::new(collection, options), collection.found());
        Self { judge, rule, ranking: Ranking::default(), sums: [0.0; LEVELS], queries: 0, found }
    }

    /// Adds a query, as [`Evaluation::add`](super::Evaluation::add).
    ///
    /// # Errors
    /// As there.
    pub fn add(&mut self, own: Option<u32>, relevant: &[u32], results: &Results) -> Result<(), NearDuplicateError> {
        self.ranking.clear();
        let positives = self.judge.rank((own, relevant), results, |_| true, &mut self.ranking)?;
        if positives == 0 {
            return Ok(());
        }
        let missing = positives - self.ranking.hits();
        (0..missing).for_each(|_| self.ranking.push(self.rule.missing_score(), true));
        (self.ranking.len()..self.found).for_each(|_| self.ranking.push(self.rule.missing_score(), false));
        let mut points = vec![];
        let mut hits = 0;
        self.ranking.visit(|rank, group| {
            hits += group.iter().filter(|relevance| **relevance > 0.0).count();
            points.push((hits, hits as f64 / (rank + group.len()) as f64));
        })?;
        // From the end of the curve, where recall is 1.
        let mut best = 0.0_f64;
        for level in (0..LEVELS).rev() {
            while let Some((_, precision)) = points.pop_if(|(hits, _)| self.rule.reaches(*hits, positives, level)) {
                best = best.max(precision);
            }
            self.sums[level] += if level == 0 { 1.0 } else { best };
        }
        self.queries += 1;
        Ok(())
    }

    /// Precision at recall 0, 0.05, .., 1; `None` where no query has a relevant video.
    pub fn finish(&self) -> Option<[f64; LEVELS]> {
        (self.queries > 0).then(|| self.sums.map(|sum| sum / self.queries as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_levels_are_products() {
        let missed: Vec<usize> =
            (0..LEVELS).filter(|&level| !CurveRule::AsPublished.reaches(level, 20, level)).collect();
        assert_eq!(missed, [3, 6, 7, 12, 14, 17, 19]);
        assert!((0..LEVELS).all(|level| CurveRule::Sound.reaches(level, 20, level)));
        assert!(!CurveRule::Sound.reaches(2, 20, 3));
    }
}
