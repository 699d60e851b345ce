use super::curve::{CurveRule, PrecisionRecallCurve};
use super::evaluation::{Evaluation, Report};
use super::{Collection, NearDuplicateError, Options, Results};
use crate::relevance::near_duplicate::{FivrTask, FivrTruth};

/// Tasks of FIVR, all of the same results.
#[derive(Debug, Clone)]
pub struct FivrEvaluation<'c> {
    tasks: Vec<Task<'c>>,
}

#[derive(Debug, Clone)]
struct Task<'c> {
    task: FivrTask,
    evaluation: Evaluation<'c>,
    curve: Option<PrecisionRecallCurve<'c>>,
}

/// One task of FIVR.
#[derive(Debug, Clone, PartialEq)]
pub struct FivrReport {
    /// Which one.
    pub task: FivrTask,
    /// Its average precision. An error where no query has a video that is relevant for this task, which says nothing of the others.
    pub report: Result<Report, NearDuplicateError>,
    /// The interpolated curve of precision over recall, where it was asked for and a query has a relevant video.
    pub curve: Option<[f64; 21]>,
}

impl<'c> FivrEvaluation<'c> {
    /// Of no query yet: [`FivrTask::VISUAL`] as in the published program of Temporal Context Aggregation.
    pub fn new(collection: &'c Collection, tasks: &[FivrTask], options: Options) -> Self {
        let task = |&task| Task { task, evaluation: Evaluation::new(collection, options), curve: None };
        Self { tasks: tasks.iter().map(task).collect() }
    }

    /// With the curve of precision over recall of every task, as in the official script of FIVR-200K.
    pub fn with_curves(collection: &'c Collection, tasks: &[FivrTask], options: Options, rule: CurveRule) -> Self {
        let mut evaluation = Self::new(collection, tasks, options);
        for task in &mut evaluation.tasks {
            task.curve = Some(PrecisionRecallCurve::new(collection, options, rule));
        }
        evaluation
    }

    /// Adds a query: its number, where it is one of the videos, what the data set says of it, and its results.
    ///
    /// # Errors
    /// As [`Evaluation::add`]; tasks before the one that failed have the query then.
    pub fn add(&mut self, own: Option<u32>, truth: &FivrTruth, results: &Results) -> Result<(), NearDuplicateError> {
        for Task { task, evaluation, curve } in &mut self.tasks {
            let relevant = truth.relevant(*task);
            evaluation.add(own, &relevant, results)?;
            if let Some(curve) = curve {
                curve.add(own, &relevant, results)?;
            }
        }
        Ok(())
    }

    /// The tasks in the order in which they were asked for.
    pub fn finish(self) -> Vec<FivrReport> {
        let report = |Task { task, evaluation, curve }: Task| FivrReport {
            task,
            report: evaluation.finish(),
            curve: curve.and_then(|curve| curve.finish()),
        };
        self.tasks.into_iter().map(report).collect()
    }
}
