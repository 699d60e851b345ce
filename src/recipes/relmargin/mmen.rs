use dfdx::prelude::{Dim, Gradients, Trace};

use super::RelMarginError;
use super::evaluate::{Evaluation, LevelEvaluation, embed_all};
use super::jpose::{gather, single};
use super::options::Options;
use super::sampling::{EpochSampler, level_name};
use super::terms::{BatchRows, Term, TermLoss, Towers, backward_terms};
use crate::data::retrieval::{EvalSplit, TrainSplit};
use crate::losses::TripletLoss;
use crate::matrix::Matrix;
use crate::models::{Caption, Mmen, MmenConfig};
use crate::ops::{OpError, OpsDevice};
use crate::relevance::Level;
use crate::train::{Step, Task};

/// MMEN with every size chosen at run time.
pub type MmenModel<D> = Mmen<Caption, usize, usize, usize, D>;

/// The model that options describe, for features of the given widths.
pub fn mmen_config(options: &Options, video: usize, text: usize) -> MmenConfig<Caption, usize, usize, usize> {
    MmenConfig::new(video, text, options.embedding_size)
}

/// Loss and gradients of one batch: `Σ pairs weight_pair · mean(terms) / pairs`. Empty terms are left out.
///
/// # Errors
/// [`OpError`] when sizes disagree.
pub fn mmen_step<S, V: Dim, X: Dim, E: Dim, D: OpsDevice>(
    model: &Mmen<S, V, X, E, D>,
    device: &D,
    video: &Matrix<f32>,
    text: &Matrix<f32>,
    terms: &[Term],
    loss: TripletLoss,
) -> Result<(Vec<TermLoss>, f64, Gradients<f32, D>), OpError> {
    let scale = 1.0 / terms.len() as f32;
    let rows = BatchRows::of(terms);
    if rows.video.is_empty() && rows.text.is_empty() {
        return Ok((vec![TermLoss { value: 0.0, hard: 0 }; terms.len()], 0.0, Gradients::leaky()));
    }
    let videos = model.embed_video(gather(device, video, &rows.video)?.leaky_traced())?.into_tensor();
    let texts = model.embed_text(gather(device, text, &rows.text)?.leaky_traced())?.into_tensor();
    let towers = Towers::new(vec![videos], vec![texts]);
    let (losses, gradients) = backward_terms(loss, terms, scale, device, &rows, towers, single::<S, E, D>)?;
    let total = losses.iter().map(|loss| loss.value).sum::<f64>() * f64::from(scale);
    Ok((losses, total, gradients))
}

/// Training of MMEN: data, batches, validation.
pub struct MmenTask<'a, D: OpsDevice> {
    options: Options,
    device: D,
    train: &'a TrainSplit,
    validation: &'a EvalSplit,
    sampler: EpochSampler,
    triplets: usize,
    hard: usize,
}

impl<'a, D: OpsDevice> MmenTask<'a, D> {
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
        let sampler = EpochSampler::new(options, options.caption_type.level());
        let (options, device) = (options.clone(), device.clone());
        Ok(Self { options, device, train, validation, sampler, triplets: 0, hard: 0 })
    }

    /// Evaluates a model on a split at the level of its caption type.
    ///
    /// # Errors
    /// [`RelMarginError`].
    pub fn evaluate_on(
        device: &D,
        model: &MmenModel<D>,
        level: Level,
        split: &EvalSplit,
    ) -> Result<Evaluation, RelMarginError> {
        split.check()?;
        let (video, text) = (&split.features.video, split.features.text.get(level));
        let videos =
            embed_all(video.rows(), |rows| Ok(model.embed_video(gather(device, video, rows)?)?.into_tensor()))?;
        let texts = embed_all(text.rows(), |rows| Ok(model.embed_text(gather(device, text, rows)?)?.into_tensor()))?;
        let truth = split.ground_truth.as_deref().filter(|_| level == Level::Caption);
        let caption = LevelEvaluation::new(&videos, &texts, split.relevance.get(level), truth)?;
        Ok(Evaluation { verb: None, noun: None, caption })
    }
}

impl<D: OpsDevice> Task<D> for MmenTask<'_, D> {
    type Model = MmenModel<D>;
    type Error = RelMarginError;

    fn begin_epoch(&mut self, _: &mut Self::Model, epoch: usize) -> Result<usize, RelMarginError> {
        (self.triplets, self.hard) = (0, 0);
        let relations = self.train.relations.get(self.options.caption_type.level());
        self.sampler.begin_epoch(&self.options, relations, epoch)?;
        Ok(self.sampler.num_batches())
    }

    fn step(&mut self, model: &mut Self::Model, batch: usize) -> Result<Step<D>, RelMarginError> {
        let level = self.options.caption_type.level();
        let terms = self.sampler.terms(self.train.relations.get(level), batch);
        let features = &self.train.features;
        let loss = TripletLoss { distance: self.options.distance() };
        let (losses, loss, gradients) =
            mmen_step(model, &self.device, &features.video, features.text.get(level), &terms, loss)?;
        self.triplets += terms.iter().map(|term| term.anchors.len()).sum::<usize>();
        self.hard += losses.iter().map(|loss| loss.hard).sum::<usize>();
        Ok(Step { gradients, loss })
    }

    fn epoch_numbers(&self) -> Vec<(String, f64)> {
        vec![("hardness".into(), self.hard as f64 / self.triplets.max(1) as f64)]
    }

    fn evaluate(&self, model: &Self::Model) -> Result<Vec<(String, f64)>, RelMarginError> {
        let level = self.options.caption_type.level();
        let evaluation = Self::evaluate_on(&self.device, model, level, self.validation)?;
        Ok(evaluation.numbers(Level::Caption, level_name(level)))
    }
}
