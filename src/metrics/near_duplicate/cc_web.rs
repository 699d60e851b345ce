use super::evaluation::{Evaluation, Report};
use super::{Collection, NearDuplicateError, Options, Results};
use crate::relevance::near_duplicate::{CcWebLabel, CcWebTruth};

/// The four values of CC_WEB_VIDEO, all of the same results.
///
/// What is ranked is, of the database, only the videos with a label in the query's set (no star) or all of it (star); the cleaned values leave
/// out the videos that a set excludes.
#[derive(Debug, Clone)]
pub struct CcWebEvaluation<'c> {
    plain: Evaluation<'c>,
    star: Evaluation<'c>,
    clean: Evaluation<'c>,
    star_clean: Evaluation<'c>,
    videos: usize,
}

/// The values of [`CcWebEvaluation`] under their published names.
#[derive(Debug, Clone, PartialEq)]
pub struct CcWebReport {
    /// Labelled videos alone.
    pub cc_web: Report,
    /// All videos.
    pub cc_web_star: Report,
    /// Labelled videos that the set does not exclude.
    pub cc_web_clean: Report,
    /// All videos that the set does not exclude.
    pub cc_web_star_clean: Report,
}

impl<'c> CcWebEvaluation<'c> {
    /// Of no query yet.
    pub fn new(collection: &'c Collection, options: Options) -> Self {
        let evaluation = Evaluation::new(collection, options);
        let (plain, star, clean) = (evaluation.clone(), evaluation.clone(), evaluation.clone());
        Self { plain, star, clean, star_clean: evaluation, videos: collection.videos() }
    }

    /// Adds a query: its number, where it is one of the videos, what the data set says of it, and its results.
    ///
    /// # Errors
    /// As [`Evaluation::add`]; values before the one that failed have the query then.
    pub fn add(&mut self, own: Option<u32>, truth: &CcWebTruth, results: &Results) -> Result<(), NearDuplicateError> {
        let labelled = self.marks(truth.labels.iter().map(|(video, _)| *video))?;
        let excluded = self.marks(truth.excluded.iter().copied())?;
        // Results have numbers that are too large only where they are not of this collection.
        let is = |marks: &[bool], video: u32| marks.get(video as usize).copied().unwrap_or(false);
        let is_relevant = |(video, label): &(u32, CcWebLabel)| label.is_relevant().then_some(*video);
        let relevant: Vec<u32> = truth.labels.iter().filter_map(is_relevant).collect();
        let left: Vec<u32> = relevant.iter().copied().filter(|video| !is(&excluded, *video)).collect();
        self.plain.add_from((own, &relevant), results, |video| is(&labelled, video))?;
        self.star.add_from((own, &relevant), results, |_| true)?;
        self.clean.add_from((own, &left), results, |video| is(&labelled, video) && !is(&excluded, video))?;
        self.star_clean.add_from((own, &left), results, |video| !is(&excluded, video))?;
        Ok(())
    }

    fn marks(&self, listed: impl Iterator<Item = u32>) -> Result<Vec<bool>, NearDuplicateError> {
        let videos = self.videos;
        let mut marks = vec![false; videos];
        for video in listed {
            *marks.get_mut(video as usize).ok_or(NearDuplicateError::UnknownVideo { video, videos })? = true;
        }
        Ok(marks)
    }

    /// The means over all queries that were added.
    ///
    /// # Errors
    /// As [`Evaluation::finish`].
    pub fn finish(self) -> Result<CcWebReport, NearDuplicateError> {
        Ok(CcWebReport {
            cc_web: self.plain.finish()?,
            cc_web_star: self.star.finish()?,
            cc_web_clean: self.clean.finish()?,
            cc_web_star_clean: self.star_clean.finish()?,
        })
    }
}
