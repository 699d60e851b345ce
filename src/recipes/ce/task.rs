use dfdx::prelude::{Backward, WithEmptyTape};
use rand::seq::SliceRandom;

use super::evaluate::{CeEvaluation, evaluate};
use super::{CeError, CeModel, batches};
use crate::blocks::Phase;
use crate::data::experts::{BatchOptions, Batcher, ExpertSplit};
use crate::losses::{MaxMarginLoss, TeacherScale, distillation, teacher_similarity};
use crate::models::collaborative_experts::{CaptionMerge, average_captions};
use crate::ops::{self, OpsDevice};
use crate::train::{Purpose, Step, Task, rng};

/// How a network is trained and judged.
#[derive(Debug, Clone, PartialEq)]
pub struct CeTraining {
    /// Videos in a batch.
    pub batch_size: usize,
    /// How batches are made.
    pub batches: BatchOptions,
    /// The ranking loss.
    pub loss: MaxMarginLoss,
    /// Whether the similarities also regress those of the split's teachers (TeachText), and on which scale.
    pub distil: Option<TeacherScale>,
    /// Captions per video at evaluation (`num_test_captions`).
    pub test_captions: usize,
    /// Whether they are queries of their own (`test_caption_mode`).
    pub caption_merge: CaptionMerge,
    /// Of order and captions.
    pub seed: u64,
}

/// Training of a network: data, batches, validation.
///
/// An epoch visits the videos in an order of its own, each once, with a caption drawn anew; but a last batch of one video is left out: there a batch
/// norm has no variance and the loss no pair (the published program fails on it, or trains on NaN).
pub struct CeTask<'a, D: OpsDevice> {
    training: CeTraining,
    device: D,
    names: Vec<String>,
    train: Batcher<'a>,
    validation: Batcher<'a>,
    epoch: usize,
    order: Vec<usize>,
}

impl<'a, D: OpsDevice> CeTask<'a, D> {
    /// Checks both splits.
    ///
    /// # Errors
    /// [`CeError::Experts`] when their parts do not belong together, [`CeError::NoTeachers`] for distillation without teachers,
    /// [`CeError::BatchSize`] and [`CeError::TooFew`] for batches and splits of fewer than two.
    pub fn new(
        training: CeTraining,
        device: &D,
        train: &'a ExpertSplit,
        validation: &'a ExpertSplit,
    ) -> Result<Self, CeError> {
        if training.batch_size < 2 {
            return Err(CeError::BatchSize { got: training.batch_size });
        }
        if train.videos.len() < 2 {
            return Err(CeError::TooFew { split: train.file.clone(), videos: train.videos.len() });
        }
        if training.distil.is_some() && train.teachers.is_empty() {
            return Err(CeError::NoTeachers { split: train.file.clone() });
        }
        let names = train.experts.iter().map(|expert| expert.name.clone()).collect();
        let (train, validation) =
            (Batcher::new(train, training.batches.clone())?, Batcher::new(validation, training.batches.clone())?);
        Ok(Self { training, device: device.clone(), names, train, validation, epoch: 0, order: vec![] })
    }
}

impl<D: OpsDevice> Task<D> for CeTask<'_, D> {
    type Model = CeModel<D>;
    type Error = CeError;

    fn begin_epoch(&mut self, _: &mut CeModel<D>, epoch: usize) -> Result<usize, CeError> {
        self.epoch = epoch;
        self.order = (0..self.train.split().videos.len()).collect();
        self.order.shuffle(&mut rng(self.training.seed, Purpose::Order, epoch, 0));
        let (batches, rest) =
            (self.order.len() / self.training.batch_size, self.order.len() % self.training.batch_size);
        Ok(batches + usize::from(rest > 1))
    }

    fn step(&mut self, model: &mut CeModel<D>, batch: usize) -> Result<Step<D>, CeError> {
        let CeTraining { batch_size, loss, distil, seed, .. } = self.training;
        let first = batch * batch_size;
        let videos = &self.order[first..self.order.len().min(first + batch_size)];
        // Draws of captions, and of noise where features are replaced.
        let batch = self.train.train(videos, &mut rng(seed, Purpose::Captions, self.epoch, batch))?;
        let captions = batch.text.shape[1];
        let words = batches::words(&self.device, batch.text)?;
        let (features, available) = batches::experts(&self.device, &self.names, batch.experts)?;
        let similarity = model.forward(words, features, &available, Phase::Training)?;
        let similarity = average_captions(similarity, captions)?;
        let teachers =
            distil.map(|scale| batches::teachers(&self.device, batch.teachers).map(|of| (of, scale))).transpose()?;
        let student = similarity.with_empty_tape();
        let mut total = loss.forward(similarity)?;
        let mut shares = vec![];
        if let Some((teachers, scale)) = teachers {
            let of_teachers = average_captions(teacher_similarity(&teachers, scale)?, captions)?;
            let distilled = distillation(student, of_teachers)?;
            shares.push(("distillation", f64::from(ops::to_vec(&distilled.retaped())?[0]), 1.0));
            total = ops::add(total, distilled)?;
        }
        let value = f64::from(ops::to_vec(&total.retaped())?[0]);
        let gradients = total.try_backward().map_err(ops::device_error)?;
        Ok(Step { gradients, loss: value, shares })
    }

    fn evaluate(&self, model: &CeModel<D>) -> Result<Vec<(String, f64)>, CeError> {
        let CeTraining { test_captions, caption_merge, seed, .. } = self.training;
        let CeEvaluation { report, .. } =
            evaluate(model, &self.device, &self.validation, test_captions, caption_merge, seed)?;
        Ok(super::evaluate::numbers(&report))
    }
}
