//! Where the relevant videos stand among those that are ranked.

use super::{Collection, MissingPositives, NearDuplicateError, NonFinite, Options, OutsideVideos, OwnVideo, Results};
use crate::metrics::graded::ApDefinition;
use crate::metrics::graded::query::{Area, Precision};
use crate::metrics::order::Ranker;
use crate::metrics::{MetricError, TiePolicy};

/// Ranked scores in the order in which they came, and which of them are those of relevant videos.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranking {
    scores: Vec<f64>,
    hits: Vec<u32>,
}

impl Ranking {
    pub fn clear(&mut self) {
        self.scores.clear();
        self.hits.clear();
    }

    pub fn push(&mut self, score: f64, relevant: bool) {
        if relevant {
            // Lists of more than 2³¹ scores are refused before a number is used.
            self.hits.push(self.scores.len() as u32);
        }
        self.scores.push(score);
    }

    pub fn len(&self) -> usize {
        self.scores.len()
    }

    pub fn hits(&self) -> usize {
        self.hits.len()
    }

    /// Calls `visit(rank, relevances)` for every group of tied scores with a relevant one, best group first; see [`Ranker::visit`].
    pub fn visit(&self, mut visit: impl FnMut(usize, &[f64])) -> Result<(), MetricError> {
        let items = self.scores.len();
        if items > 1 << 31 {
            return Err(MetricError::TooManyItems { items });
        }
        Ranker::new(items).visit(&self.scores, &self.hits, &vec![1.0; self.hits.len()], &mut visit);
        Ok(())
    }

    /// `Σ area / positives`; 0 where there is no positive.
    pub fn average_precision(&self, positives: usize, ties: TiePolicy, area: Area) -> Result<f64, MetricError> {
        let mut precision = Precision::new(ApDefinition::Binary { threshold: 1.0 }, ties, area);
        let mut scratch = vec![];
        self.visit(|rank, group| precision.add(rank, group, &mut scratch))?;
        Ok(if positives == 0 { 0.0 } else { precision.sum / positives as f64 })
    }
}

/// Decides for one query after the other what is ranked and what is relevant.
#[derive(Debug, Clone)]
pub(super) struct Judge<'c> {
    pub collection: &'c Collection,
    pub options: Options,
    /// Which videos are relevant; none between queries.
    relevant: Vec<bool>,
}

impl<'c> Judge<'c> {
    pub fn new(collection: &'c Collection, options: Options) -> Self {
        Self { collection, options, relevant: vec![false; collection.videos()] }
    }

    /// Adds the results of a query that are ranked, among those of the `pool`, to a ranking; returns the number of relevant videos.
    pub fn rank(
        &mut self,
        (own, positives): (Option<u32>, &[u32]),
        results: &Results,
        pool: impl Fn(u32) -> bool,
        ranking: &mut Ranking,
    ) -> Result<usize, NearDuplicateError> {
        let counted = self.mark(own, positives);
        let added = counted.and_then(|counted| {
            for (video, similarity) in results.iter() {
                if self.is_ranked(own, video) && pool(video) {
                    let relevant = self.relevant.get(video as usize).copied().unwrap_or(false);
                    ranking.push(self.score(video, similarity)?, relevant);
                }
            }
            Ok(counted)
        });
        // Before an error is passed on, too: the next query has others.
        for &video in positives {
            if let Some(relevant) = self.relevant.get_mut(video as usize) {
                *relevant = false;
            }
        }
        added
    }

    fn mark(&mut self, own: Option<u32>, positives: &[u32]) -> Result<usize, NearDuplicateError> {
        let videos = self.relevant.len();
        let mut counted = 0;
        for &video in positives {
            let is_there = self.options.missing == MissingPositives::Counted || self.collection.contains(video);
            let is_own = own == Some(video) && self.options.own == OwnVideo::LeftOut;
            let unknown = NearDuplicateError::UnknownVideo { video, videos };
            let relevant = self.relevant.get_mut(video as usize).ok_or(unknown)?;
            if is_there && !is_own && !*relevant {
                *relevant = true;
                counted += 1;
            }
        }
        Ok(counted)
    }

    fn is_ranked(&self, own: Option<u32>, video: u32) -> bool {
        let is_inside = self.options.outside == OutsideVideos::Ranked || self.collection.contains(video);
        is_inside && (own != Some(video) || self.options.own == OwnVideo::Ranked)
    }

    fn score(&self, video: u32, similarity: f64) -> Result<f64, NearDuplicateError> {
        match self.options.non_finite {
            NonFinite::Error if !similarity.is_finite() => {
                Err(NearDuplicateError::NonFinite { video, value: similarity })
            }
            NonFinite::NanLast if similarity.is_nan() => Ok(f64::NEG_INFINITY),
            _ => Ok(similarity),
        }
    }
}
