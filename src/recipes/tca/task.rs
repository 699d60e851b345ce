use std::sync::Arc;

use dfdx::prelude::{NoneTape, OwnedTape, Tensor};

use super::TcaError;
use super::batches::{PairBatch, PairBatches, TrainingPairs};
use super::encoder::TcaEncoder;
use super::options::{ContrastLoss, Options};
use crate::blocks::Frames;
use crate::data::near_duplicate::{ClipBatch, FrameFeatures};
use crate::losses::{CircleLoss, CircleWeighting, contrast_with_first};
use crate::models::{ContrastBatch, Logits, MomentumContrast, MomentumContrastConfig};
use crate::ops::{self, OpError, OpsDevice};
use crate::train::{Purpose, RestoreError, StateDict, Step, StepStart, Task, load, rng, state_dict};

/// Contrastive training of an encoder on pairs of copies, with a memory bank.
#[derive(Debug)]
pub struct TcaTask<'a, D: OpsDevice> {
    options: Arc<Options>,
    data: &'a TrainingPairs,
    features: &'a FrameFeatures,
    contrast: MomentumContrast<TcaEncoder<D>, D>,
    device: D,
    seed: u64,
}

impl<'a, D: OpsDevice> TcaTask<'a, D> {
    /// The key encoder as a copy of the model, and a bank of random keys.
    ///
    /// # Errors
    /// [`TcaError::NoFeatures`] for videos without features, [`TcaError::Option`] when there are too few pairs or negatives.
    pub fn new(
        options: &Options,
        device: &D,
        model: &TcaEncoder<D>,
        data: &'a TrainingPairs,
        features: &'a FrameFeatures,
        seed: u64,
    ) -> Result<Self, TcaError> {
        data.check(features)?;
        let enough = |option, wanted: usize, there: usize, what: &str| match there < wanted {
            true => Err(TcaError::Option { option, reason: format!("{wanted} {what}, but there are {there}") }),
            false => Ok(()),
        };
        enough("batch_sz", options.batch_sz, data.pairs.len(), "pairs in a batch")?;
        enough("neg_num", options.neg_num, data.negatives.len(), "negatives of a pair")?;
        let config = MomentumContrastConfig {
            width: options.output_dim,
            keys: options.moco_k,
            momentum: options.moco_m,
            temperature: options.moco_t,
        };
        let contrast = config.build(model, device, &mut rng(seed, Purpose::Weights, 0, 1))?;
        let (options, device) = (Arc::new(options.clone()), device.clone());
        Ok(Self { options, data, features, contrast, device, seed })
    }

    fn frames(&self, clips: ClipBatch) -> Result<Frames<usize, usize, D, NoneTape>, OpError> {
        let ClipBatch { frames, lengths, .. } = clips;
        let shape = (lengths.len(), self.options.padding_size, self.features.width());
        Frames::of_lengths(ops::to_tensor(&self.device, frames, shape)?, &lengths)
    }

    fn loss(&self, logits: Logits<D>) -> Result<Tensor<(), f32, D, OwnedTape<f32, D>>, OpError> {
        let Options { margin, gamma, .. } = *self.options;
        let circle = |weighting| CircleLoss { margin, gamma, weighting };
        match self.options.loss {
            ContrastLoss::CircleAsPublished => circle(CircleWeighting::FirstRow).forward(logits),
            ContrastLoss::Circle => circle(CircleWeighting::Positives).forward(logits),
            ContrastLoss::InfoNce => contrast_with_first(logits),
        }
    }
}

impl<'a, D: OpsDevice> Task<D> for TcaTask<'a, D> {
    type Model = TcaEncoder<D>;
    type Batches = PairBatches<'a>;
    type Error = TcaError;

    fn begin_epoch(&mut self, _: &mut TcaEncoder<D>, epoch: usize) -> Result<PairBatches<'a>, TcaError> {
        PairBatches::new(self.data, self.features, self.options.clone(), self.seed, epoch)
    }

    fn step(
        &mut self,
        model: &mut TcaEncoder<D>,
        batch: PairBatch,
        start: StepStart<'_, D>,
    ) -> Result<Step<D>, TcaError> {
        let batch = ContrastBatch {
            anchors: self.frames(batch.anchors)?,
            positives: self.frames(batch.positives)?,
            negatives: self.frames(batch.negatives)?,
        };
        let logits = self.contrast.contrast(model, batch, start.phase)?;
        Ok(Step::new(self.loss(logits)?, start.before)?)
    }

    fn score_names(&self) -> Vec<String> {
        vec![]
    }

    /// The published program does not validate.
    fn evaluate(&self, _: &TcaEncoder<D>) -> Result<Vec<(String, f64)>, TcaError> {
        Ok(vec![])
    }

    fn state(&self) -> Result<StateDict, OpError> {
        state_dict(&self.contrast)
    }

    fn restore(&mut self, _: &D, state: StateDict) -> Result<(), RestoreError> {
        let report = load(&mut self.contrast, &state)?;
        if let Some(name) = report.missing.first() {
            return Err(RestoreError::Missing { name: name.clone() });
        }
        if let Some(name) = report.unexpected.first() {
            return Err(RestoreError::Unexpected { name: name.clone() });
        }
        match report.mismatched.into_iter().next() {
            Some((name, expected, got)) => Err(RestoreError::Mismatch { name, got, expected }),
            None => Ok(()),
        }
    }
}
