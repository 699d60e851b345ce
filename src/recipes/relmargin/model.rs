use super::RelMarginError;
use super::evaluate::RelMarginEvaluation;
use super::features::FeatureTables;
use super::options::Options;
use super::terms::{Term, TermLoss, TermStep};
use crate::blocks::Parameters;
use crate::data::relational::{EvalSplit, PerLevel};
use crate::ops::{OpError, OpsDevice};
use crate::relevance::Level;
use crate::train::StepStart;

/// What this recipe needs of a model. JPoSE and MMEN have it whatever their sizes: `Const` widths train as those of a configuration do.
pub trait RelMarginModel<D: OpsDevice>: Parameters<D> + Sized {
    /// Levels that it is trained on.
    fn levels(&self, options: &Options) -> Vec<Level>;

    /// Told before every epoch.
    fn begin_epoch(&mut self, _options: &Options, _epoch: usize) {}

    /// Loss of every term (pair weight included), total loss, and gradients of one batch.
    ///
    /// # Errors
    /// [`OpError`] when sizes disagree.
    fn step(
        &mut self,
        options: &Options,
        device: &D,
        features: &FeatureTables<'_, D>,
        batch: &PerLevel<Vec<Term>>,
        start: StepStart<'_, D>,
    ) -> Result<TermStep<PerLevel<Vec<TermLoss>>, D>, OpError>;

    /// nDCG and mAP at every level of the model, recalls where the split names ground truths.
    ///
    /// # Errors
    /// [`RelMarginError`].
    fn evaluate(&self, options: &Options, device: &D, split: &EvalSplit)
    -> Result<RelMarginEvaluation, RelMarginError>;
}
