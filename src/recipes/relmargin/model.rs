use std::marker::PhantomData;

use dfdx::prelude::Gradients;

use super::RelMarginError;
use super::evaluate::Evaluation;
use super::options::Options;
use super::sampling::{EpochSampler, level_name};
use super::terms::{Term, TermLoss};
use crate::blocks::Parameters;
use crate::data::relational::{EvalSplit, Features, PerLevel, Relations, TrainSplit};
use crate::ops::{OpError, OpsDevice};
use crate::relevance::{Level, empty_unions};
use crate::train::{Step, Task};

/// What this recipe needs of a model: JPoSE or MMEN.
pub trait RelMarginModel<D: OpsDevice>: Parameters<D> + Sized {
    /// Name in the file names of checkpoints.
    const NAME: &'static str;

    /// Number of trained values for features of the given widths, without building.
    fn count(options: &Options, video: usize, text: usize) -> usize;

    /// A model with fresh weights, a pure function of the seed.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    fn fresh(options: &Options, video: usize, text: usize, device: &D) -> Result<Self, OpError>;

    /// Levels that it is trained on.
    fn levels(options: &Options) -> Vec<Level>;

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
        features: &Features,
        batch: &PerLevel<Vec<Term>>,
    ) -> Result<(PerLevel<Vec<TermLoss>>, f64, Gradients<f32, D>), OpError>;

    /// nDCG and mAP at every level of the model, recalls where the split names ground truths.
    ///
    /// # Errors
    /// [`RelMarginError`].
    fn evaluate(&self, options: &Options, device: &D, split: &EvalSplit) -> Result<Evaluation, RelMarginError>;
}

/// Training of either model: data, batches, validation.
pub struct RelMarginTask<'a, M, D: OpsDevice> {
    options: Options,
    device: D,
    train: &'a TrainSplit,
    validation: &'a EvalSplit,
    samplers: Vec<EpochSampler>,
    model: PhantomData<fn(M)>,
}

impl<'a, D: OpsDevice, M: RelMarginModel<D>> RelMarginTask<'a, M, D> {
    /// Checks the splits.
    ///
    /// # Errors
    /// [`RelMarginError::Split`] when their parts do not belong together.
    pub fn new(
        options: &Options,
        device: &D,
        train: &'a TrainSplit,
        validation: &'a EvalSplit,
    ) -> Result<Self, RelMarginError> {
        train.check()?;
        validation.check()?;
        let samplers = M::levels(options).into_iter().map(|level| EpochSampler::new(options, level)).collect();
        for level in M::levels(options).into_iter().filter(|_| options.rel_margin) {
            let Relations { video_classes, text_classes, .. } = train.relations.get(level);
            let pairs = empty_unions(video_classes, text_classes, level);
            if pairs > 0 {
                // The published code divides by zero here.
                tracing::warn!(pairs, space = level_name(level), "pairs without any class count as irrelevant");
            }
        }
        let (options, device) = (options.clone(), device.clone());
        Ok(Self { options, device, train, validation, samplers, model: PhantomData })
    }
}

impl<D: OpsDevice, M: RelMarginModel<D>> Task<D> for RelMarginTask<'_, M, D> {
    type Model = M;
    type Error = RelMarginError;

    fn begin_epoch(&mut self, model: &mut M, epoch: usize) -> Result<usize, RelMarginError> {
        model.begin_epoch(&self.options, epoch);
        for sampler in &mut self.samplers {
            sampler.begin_epoch(&self.options, self.train.relations.get(sampler.level()), epoch)?;
        }
        Ok(self.samplers.iter().map(EpochSampler::num_batches).max().unwrap_or(0))
    }

    fn step(&mut self, model: &mut M, batch: usize) -> Result<Step<D>, RelMarginError> {
        let mut terms = PerLevel::default();
        for sampler in &self.samplers {
            *terms.get_mut(sampler.level()) = sampler.terms(self.train.relations.get(sampler.level()), batch);
        }
        let (losses, loss, gradients) = model.step(&self.options, &self.device, &self.train.features, &terms)?;
        // As published, only the triplets of the space that the run is judged by are counted.
        let judged = self.options.level();
        let triplets: usize = terms.get(judged).iter().map(|term| term.anchors.len()).sum();
        let hard: usize = losses.get(judged).iter().map(|loss| loss.hard).sum();
        Ok(Step { gradients, loss, shares: vec![("hardness", hard as f64, triplets as f64)] })
    }

    fn evaluate(&self, model: &M) -> Result<Vec<(String, f64)>, RelMarginError> {
        Ok(model.evaluate(&self.options, &self.device, self.validation)?.graded_numbers())
    }
}
