use std::marker::PhantomData;
use std::sync::Arc;

use dfdx::prelude::WithEmptyTape;
use rand::seq::SliceRandom;

use super::evaluate::{LabelEvaluation, evaluate, evaluate_labels};
use super::{CeError, TaskKind, batches};
use crate::data::experts::{BatchOptions, Batcher, ExpertSplit, TrainBatch};
use crate::losses::{MaxMarginLoss, RankingLoss, TeacherScale, distillation, teacher_similarity};
use crate::metrics::rank::RankReport;
use crate::models::ExpertNetwork;
use crate::models::collaborative_experts::{CaptionMerge, average_captions};
use crate::ops::{self, DataTape, OpsDevice};
use crate::run::Evaluation as _;
use crate::train::{Batches, Purpose, Step, StepStart, Task, rng};

/// Name of the loss of a validation over the first caption of every video (`first-query-loss`).
const FIRST_QUERY_LOSS: &str = "first-query loss";

/// How a network is trained and evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct CeTraining {
    /// Videos in a batch.
    pub batch_size: usize,
    /// How batches are made.
    pub batches: BatchOptions,
    /// The ranking loss.
    pub loss: RankingLoss,
    /// Whether the similarities also regress those of the split's teachers (TeachText), and on which scale.
    pub distil: Option<TeacherScale>,
    /// Whether captions are sentences or labels.
    pub task: TaskKind,
    /// Captions per video at evaluation (`num_test_captions`).
    pub test_captions: usize,
    /// Whether they are queries of their own (`test_caption_mode`).
    pub caption_merge: CaptionMerge,
    /// Of order and captions.
    pub seed: u64,
}

impl Default for CeTraining {
    /// 64 videos in a batch, the published loss class, no teachers, one caption at evaluation, seed 0.
    fn default() -> Self {
        Self {
            batch_size: 64,
            batches: BatchOptions::default(),
            loss: RankingLoss::MaxMargin(MaxMarginLoss::default()),
            distil: None,
            task: TaskKind::Retrieval,
            test_captions: 1,
            caption_merge: CaptionMerge::Independent,
            seed: 0,
        }
    }
}

/// Training of a network: data, batches, validation.
///
/// An epoch visits the videos in an order of its own, each once, with a caption drawn anew; but a last batch of one video is left out: there a batch
/// norm has no variance and the loss no pair (the published program fails on it, or trains on NaN).
pub struct CeTask<'a, N, D: OpsDevice> {
    training: CeTraining,
    device: D,
    names: Vec<String>,
    train: Arc<Batcher<'a>>,
    validation: Batcher<'a>,
    network: PhantomData<fn(N)>,
}

impl<'a, N: ExpertNetwork<D>, D: OpsDevice> CeTask<'a, N, D> {
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
        let batcher = |split| Batcher::new(split, training.batches.clone());
        let (train, validation) = (Arc::new(batcher(train)?), batcher(validation)?);
        Ok(Self { training, device: device.clone(), names, train, validation, network: PhantomData })
    }
}

/// The batches of an epoch.
pub struct CeBatches<'a> {
    batcher: Arc<Batcher<'a>>,
    order: Vec<usize>,
    size: usize,
    seed: u64,
    epoch: usize,
}

impl Batches for CeBatches<'_> {
    type Batch = TrainBatch;
    type Error = CeError;

    fn count(&self) -> usize {
        let (whole, rest) = (self.order.len() / self.size, self.order.len() % self.size);
        whole + usize::from(rest > 1)
    }

    fn batch(&self, number: usize) -> Result<TrainBatch, CeError> {
        let first = number * self.size;
        let videos = &self.order[first..self.order.len().min(first + self.size)];
        // Draws of captions, and of noise where features are replaced.
        Ok(self.batcher.train(videos, &mut rng(self.seed, Purpose::Captions, self.epoch, number))?)
    }
}

impl<'a, N: ExpertNetwork<D>, D: OpsDevice> Task<D> for CeTask<'a, N, D> {
    type Model = N;
    type Batches = CeBatches<'a>;
    type Error = CeError;

    fn begin_epoch(&mut self, _: &mut Self::Model, epoch: usize) -> Result<CeBatches<'a>, CeError> {
        let CeTraining { batch_size: size, seed, .. } = self.training;
        let mut order: Vec<usize> = (0..self.train.split().videos.len()).collect();
        order.shuffle(&mut rng(seed, Purpose::Order, epoch, 0));
        Ok(CeBatches { batcher: self.train.clone(), order, size, seed, epoch })
    }

    fn step(
        &mut self,
        model: &mut Self::Model,
        batch: TrainBatch,
        start: StepStart<'_, D>,
    ) -> Result<Step<D>, CeError> {
        let CeTraining { loss, distil, .. } = self.training;
        let captions = batch.text.shape[1];
        let words = batches::words::<D, DataTape>(&self.device, batch.text)?;
        let (features, available) = batches::experts::<D, DataTape>(&self.device, &self.names, batch.experts)?;
        let text = model.embed_text(words, start.phase)?;
        let video = model.embed_video(features, &available, start.phase)?;
        let similarity = average_captions(model.similarity(text, video, &available)?, captions)?;
        let student = similarity.with_empty_tape();
        let ranking = loss.forward(similarity)?;
        let Some(scale) = distil else { return Ok(Step::new(ranking, start.before)?) };
        let of_teachers = teacher_similarity(&batches::teachers(&self.device, batch.teachers)?, scale)?;
        let distilled = distillation(student, average_captions(of_teachers, captions)?)?;
        let share = ("distillation", ops::value(&distilled)?, 1.0);
        Ok(Step { shares: vec![share], ..Step::new(ops::add(ranking, distilled)?, start.before)? })
    }

    fn score_names(&self) -> Vec<String> {
        match self.training.task {
            TaskKind::Retrieval => [RankReport::names(), vec![FIRST_QUERY_LOSS.into()]].concat(),
            TaskKind::RetrievalAsClassification => LabelEvaluation::names(),
        }
    }

    fn evaluate(&self, model: &Self::Model) -> Result<Vec<(String, f64)>, CeError> {
        let CeTraining { test_captions, caption_merge, seed, loss, .. } = self.training;
        match self.training.task {
            TaskKind::Retrieval => {
                let of = evaluate(model, &self.device, &self.validation, test_captions, caption_merge, seed)?;
                let loss = of.first_query_loss(&loss, &self.device)?;
                Ok([of.report.scores(), vec![(FIRST_QUERY_LOSS.into(), loss)]].concat())
            }
            TaskKind::RetrievalAsClassification => {
                Ok(evaluate_labels(model, &self.device, &self.validation, seed)?.scores())
            }
        }
    }
}
