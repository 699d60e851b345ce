use super::RelMarginError;
use super::evaluate::RelMarginEvaluation;
use super::features::FeatureTables;
use super::jpose::{JposeModel, jpose_config};
use super::mmen::{MmenModel, mmen_config};
use super::model::RelMarginModel;
use super::options::{ModelKind, Options};
use super::terms::{Term, TermLoss, TermStep};
use crate::blocks::{Config, Parameters};
use crate::data::relational::{EvalSplit, PerLevel};
use crate::ops::{OpError, OpsDevice};
use crate::relevance::Level;
use crate::train::{Purpose, StepStart, rng};

/// Either model with every size chosen at run time: what one program needs to run every configuration.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)]
pub enum RelMarginNetwork<D: OpsDevice> {
    /// JPoSE.
    Jpose(JposeModel<D>),
    /// MMEN.
    Mmen(MmenModel<D>),
}

/// The same call on whichever it is.
macro_rules! either {
    ($network:expr, $model:ident => $call:expr) => {
        match $network {
            RelMarginNetwork::Jpose($model) => $call,
            RelMarginNetwork::Mmen($model) => $call,
        }
    };
}

impl<D: OpsDevice> RelMarginNetwork<D> {
    /// Number of trained values for features of the given widths, without building.
    pub fn count(options: &Options, video: usize, text: usize) -> usize {
        match options.model {
            ModelKind::Jpose => Config::<D>::num_parameters(&jpose_config(options, video, text)),
            ModelKind::Mmen => Config::<D>::num_parameters(&mmen_config(options, video, text)),
        }
    }

    /// The model that options describe, with fresh weights: a pure function of the seed.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    pub fn build(options: &Options, video: usize, text: usize, device: &D, seed: u64) -> Result<Self, OpError> {
        let weights = &mut rng(seed, Purpose::Weights, 0, 0);
        Ok(match options.model {
            ModelKind::Jpose => Self::Jpose(jpose_config(options, video, text).build(device, weights)?),
            ModelKind::Mmen => Self::Mmen(mmen_config(options, video, text).build(device, weights)?),
        })
    }
}

impl<D: OpsDevice> Parameters<D> for RelMarginNetwork<D> {
    crate::visit_variants! { D; Jpose(model: flat), Mmen(model: flat) }
}

impl<D: OpsDevice> RelMarginModel<D> for RelMarginNetwork<D> {
    fn levels(&self, options: &Options) -> Vec<Level> {
        either!(self, model => RelMarginModel::<D>::levels(model, options))
    }

    fn begin_epoch(&mut self, options: &Options, epoch: usize) {
        either!(self, model => RelMarginModel::<D>::begin_epoch(model, options, epoch));
    }

    fn step(
        &mut self,
        options: &Options,
        device: &D,
        features: &FeatureTables<'_, D>,
        batch: &PerLevel<Vec<Term>>,
        start: StepStart<'_, D>,
    ) -> Result<TermStep<PerLevel<Vec<TermLoss>>, D>, OpError> {
        either!(self, model => model.step(options, device, features, batch, start))
    }

    fn evaluate(
        &self,
        options: &Options,
        device: &D,
        split: &EvalSplit,
    ) -> Result<RelMarginEvaluation, RelMarginError> {
        either!(self, model => model.evaluate(options, device, split))
    }
}
