use super::evaluation::{Evaluation, Report};
use super::{Collection, NearDuplicateError, Options, Results};
use crate::metrics::EmptyPolicy;
use crate::metrics::graded::query::Area;

/// Trapezoid average precision of the relevant videos' ranks, ascending and counted from 0; 0 where there is no positive.
///
/// ```text
/// AP = 1/(2n) Σ_i (i / r_i + (i + 1) / (r_i + 1)), where 0/0 is 1
/// ```
///
/// Revaud et al., *Event Retrieval in Large Video Collections with Circulant Temporal Encoding*, CVPR 2013 (EVVE).
pub fn trapezoid_average_precision(ranks: &[usize], positives: usize) -> f64 {
    let hits = ranks.iter().enumerate();
    let sum: f64 = hits.map(|(above, &rank)| Area::Trapezoids.at((above + 1) as f64, rank)).sum();
    if positives == 0 { 0.0 } else { sum / positives as f64 }
}

/// EVVE: average precision by trapezoids, for every event and overall.
#[derive(Debug, Clone)]
pub struct EvveEvaluation<'c> {
    evaluation: Evaluation<'c>,
    /// Sum and number of the queries of every event.
    events: Vec<(f64, usize)>,
    empty: EmptyPolicy,
}

/// The values of [`EvveEvaluation`].
#[derive(Debug, Clone, PartialEq)]
pub struct EvveReport {
    /// Over all queries, not over events.
    pub all: Report,
    /// The mean over the queries of each event; `None` where there is no query. Published: over the event's queries that are in `all_db`,
    /// which are the found ones.
    pub events: Vec<Option<f64>>,
}

impl<'c> EvveEvaluation<'c> {
    /// Of so many events and no query yet.
    pub fn new(collection: &'c Collection, events: usize, options: Options) -> Self {
        let evaluation = Evaluation::of_area(collection, options, Area::Trapezoids);
        Self { evaluation, events: vec![(0.0, 0); events], empty: options.empty }
    }

    /// Adds a query: its event, its number, where it is one of the videos, the videos of its event, and its results.
    ///
    /// # Errors
    /// [`NearDuplicateError::UnknownEvent`], and as [`Evaluation::add`].
    pub fn add(
        &mut self,
        event: usize,
        own: Option<u32>,
        relevant: &[u32],
        results: &Results,
    ) -> Result<(), NearDuplicateError> {
        let events = self.events.len();
        let (sum, queries) = self.events.get_mut(event).ok_or(NearDuplicateError::UnknownEvent { event, events })?;
        let ap = self.evaluation.add(own, relevant, results)?;
        if ap.is_some() || self.empty != EmptyPolicy::Skip {
            *sum += ap.unwrap_or(0.0);
            *queries += 1;
        }
        Ok(())
    }

    /// The means over all queries that were added.
    ///
    /// # Errors
    /// As [`Evaluation::finish`].
    pub fn finish(self) -> Result<EvveReport, NearDuplicateError> {
        let mean = |(sum, queries): (f64, usize)| (queries > 0).then(|| sum / queries as f64);
        Ok(EvveReport { all: self.evaluation.finish()?, events: self.events.into_iter().map(mean).collect() })
    }
}
