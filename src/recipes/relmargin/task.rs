use std::marker::PhantomData;

use super::RelMarginError;
use super::evaluate::graded_names;
use super::features::FeatureTables;
use super::model::RelMarginModel;
use super::options::Options;
use super::sampling::EpochSampler;
use super::terms::Term;
use crate::data::relational::{EvalSplit, PerLevel, Relations, TrainSplit};
use crate::ops::OpsDevice;
use crate::relevance::empty_unions;
use crate::train::{Batches, Step, StepStart, Task};

/// Training of a model: data, batches, validation.
pub struct RelMarginTask<'a, M, D: OpsDevice> {
    options: Options,
    device: D,
    train: &'a TrainSplit,
    features: FeatureTables<'a, D>,
    validation: &'a EvalSplit,
    samplers: Vec<EpochSampler>,
    model: PhantomData<fn(M)>,
}

impl<'a, D: OpsDevice, M: RelMarginModel<D>> RelMarginTask<'a, M, D> {
    /// Checks the splits.
    ///
    /// # Errors
    /// [`RelMarginError::Split`] when their parts do not belong together; of the device.
    pub fn new(
        options: &Options,
        device: &D,
        model: &M,
        train: &'a TrainSplit,
        validation: &'a EvalSplit,
        seed: u64,
    ) -> Result<Self, RelMarginError> {
        train.check()?;
        validation.check()?;
        let levels = model.levels(options);
        for level in levels.iter().filter(|_| options.rel_margin) {
            let Relations { video_classes, text_classes, .. } = train.relations.get(*level);
            let pairs = empty_unions(video_classes, text_classes, *level);
            if pairs > 0 {
                // The published code divides by zero here.
                tracing::warn!(pairs, %level, "pairs without any class count as irrelevant");
            }
        }
        let samplers = levels.into_iter().map(|level| EpochSampler::new(options, level, seed)).collect();
        let features = FeatureTables::resident(device, &train.features)?;
        let (options, device) = (options.clone(), device.clone());
        Ok(Self { options, device, train, features, validation, samplers, model: PhantomData })
    }
}

/// The batches of an epoch: triplets of every level.
pub struct RelMarginBatches<'a> {
    train: &'a TrainSplit,
    samplers: Vec<EpochSampler>,
}

impl Batches for RelMarginBatches<'_> {
    type Batch = PerLevel<Vec<Term>>;
    type Error = RelMarginError;

    fn count(&self) -> usize {
        self.samplers.iter().map(EpochSampler::num_batches).max().unwrap_or(0)
    }

    fn batch(&self, number: usize) -> Result<PerLevel<Vec<Term>>, RelMarginError> {
        let mut terms = PerLevel::default();
        for sampler in &self.samplers {
            *terms.get_mut(sampler.level()) = sampler.terms(self.train.relations.get(sampler.level()), number);
        }
        Ok(terms)
    }
}

impl<'a, D: OpsDevice, M: RelMarginModel<D>> Task<D> for RelMarginTask<'a, M, D> {
    type Model = M;
    type Batches = RelMarginBatches<'a>;
    type Error = RelMarginError;

    fn begin_epoch(&mut self, model: &mut M, epoch: usize) -> Result<RelMarginBatches<'a>, RelMarginError> {
        model.begin_epoch(&self.options, epoch);
        for sampler in &mut self.samplers {
            sampler.begin_epoch(self.train.relations.get(sampler.level()), epoch)?;
        }
        Ok(RelMarginBatches { train: self.train, samplers: self.samplers.clone() })
    }

    fn step(
        &mut self,
        model: &mut M,
        terms: PerLevel<Vec<Term>>,
        start: StepStart<'_, D>,
    ) -> Result<Step<D>, RelMarginError> {
        let step = model.step(&self.options, &self.device, &self.features, &terms, start)?;
        // As published, only the triplets of the space that the run is judged by are counted.
        let judged = self.options.level();
        let triplets: usize = terms.get(judged).iter().map(|term| term.anchors.len()).sum();
        let hard: usize = step.losses.get(judged).iter().map(|loss| loss.hard).sum();
        let shares = vec![("hardness", hard as f64, triplets as f64)];
        Ok(Step { gradients: step.gradients, loss: step.loss, shares })
    }

    fn score_names(&self) -> Vec<String> {
        self.samplers.iter().flat_map(|sampler| graded_names(sampler.level())).collect()
    }

    fn evaluate(&self, model: &M) -> Result<Vec<(String, f64)>, RelMarginError> {
        Ok(model.evaluate(&self.options, &self.device, self.validation)?.graded_numbers())
    }
}
