use super::ranking::{Judge, Ranking};
use super::{Collection, NearDuplicateError, Options, Results};
use crate::metrics::graded::query::Area;
use crate::metrics::{TiePolicy, TieRange};

/// Micro average precision: ONE ranking of all pairs of a query and a video, so that similarities of different queries must be comparable.
///
/// ```text
/// μAP = 1/P Σ_{relevant pairs} relevant pairs so far / rank among all pairs
/// ```
///
/// P counts the relevant pairs of all queries that were added, returned or not. The metric of the copy-detection benchmarks: Douze et al.,
/// *The 2021 Image Similarity Dataset and Challenge*, 2021; Pizzi et al., *The 2023 Video Similarity Dataset and Challenge*, CVIU 2024 (VSC
/// 2022), after Perronnin et al., *A Family of Contextual Measures of Similarity between Distributions with Application to Image Retrieval*,
/// CVPR 2009. Their programs keep tied pairs in the order of insertion ([`TiePolicy::Ascending`]).
///
/// Eight bytes are kept of every pair: a threshold that is known only with the last query decides about the pairs of the first one.
#[derive(Debug, Clone)]
pub struct MicroEvaluation<'c> {
    judge: Judge<'c>,
    pairs: Ranking,
    positives: usize,
}

impl<'c> MicroEvaluation<'c> {
    /// Of no query yet. Of the options, `empty` does not matter: a query without a relevant video adds wrong pairs.
    pub fn new(collection: &'c Collection, options: Options) -> Self {
        Self { judge: Judge::new(collection, options), pairs: Ranking::default(), positives: 0 }
    }

    /// Adds the pairs of a query: its number, where it is one of the videos, the videos that are relevant to it, and its results.
    ///
    /// # Errors
    /// [`NearDuplicateError`]: a similarity that is not finite (under [`super::NonFinite::Error`]), a relevant video beyond the numbers. Pairs
    /// before the faulty one stay.
    pub fn add(&mut self, own: Option<u32>, relevant: &[u32], results: &Results) -> Result<(), NearDuplicateError> {
        self.positives += self.judge.rank((own, relevant), results, |_| true, &mut self.pairs)?;
        Ok(())
    }

    /// The number of pairs.
    pub fn pairs(&self) -> usize {
        self.pairs.len()
    }

    /// The number of relevant pairs, returned or not.
    pub fn positives(&self) -> usize {
        self.positives
    }

    /// Micro average precision of the pairs so far, ties as the options say.
    ///
    /// # Errors
    /// [`NearDuplicateError::NoPositives`] where no query has a relevant video; [`NearDuplicateError::Metric`] of more than 2³¹ pairs.
    pub fn average_precision(&self) -> Result<f64, NearDuplicateError> {
        self.with_ties(self.judge.options.ties)
    }

    /// The same from the worst to the best order of tied pairs.
    ///
    /// # Errors
    /// As [`MicroEvaluation::average_precision`].
    pub fn tie_range(&self) -> Result<TieRange<f64>, NearDuplicateError> {
        TieRange::of(|ties| self.with_ties(ties))
    }

    fn with_ties(&self, ties: TiePolicy) -> Result<f64, NearDuplicateError> {
        if self.positives == 0 {
            return Err(NearDuplicateError::NoPositives);
        }
        Ok(self.pairs.average_precision(self.positives, ties, Area::Rectangles)?)
    }
}
