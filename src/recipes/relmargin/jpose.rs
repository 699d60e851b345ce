use dfdx::prelude::{Dim, Gradients, OwnedTape, Tensor, Trace};

use super::RelMarginError;
use super::evaluate::{Evaluation, LevelEvaluation, embed_all};
use super::options::{CombFunc, Options, PosWeights};
use super::sampling::{EpochSampler, level_name};
use super::terms::{BatchRows, Term, TermLoss, Towers, Traced, backward_terms};
use crate::blocks::{
    AnyCombination, AnyCombinationConfig, Combination, ConcatConfig, LearnedConfig, PartOrder, PosText,
};
use crate::data::retrieval::{EvalSplit, Features, LEVELS, PerLevel, TrainSplit};
use crate::losses::TripletLoss;
use crate::matrix::Matrix;
use crate::models::{Jpose, JposeConfig, Noun, Verb, VerbNoun};
use crate::ops::{self, OpError, OpsDevice};
use crate::relevance::Level;
use crate::space::Embedding;
use crate::train::{Step, Task};

/// JPoSE with every size and the combination chosen at run time: what one program needs to run every configuration.
pub type JposeModel<D> = Jpose<VerbNoun, usize, usize, usize, AnyCombination<D>, D>;

/// The model that options describe, for features of the given widths.
pub fn jpose_config(
    options: &Options,
    video: usize,
    text: usize,
) -> JposeConfig<VerbNoun, usize, usize, usize, AnyCombinationConfig> {
    let width = options.embedding_size;
    let combination = match options.comb_func {
        CombFunc::Cat => AnyCombinationConfig::Concat(ConcatConfig { width: 2 * width }),
        CombFunc::Fc => AnyCombinationConfig::Learned(LearnedConfig { inputs: 2 * width, outputs: width }),
    };
    JposeConfig::new(video, text, width, combination)
}

/// The rows of a feature matrix as a tensor of width `W`.
pub(super) fn gather<W: Dim, D: OpsDevice>(
    device: &D,
    features: &Matrix<f32>,
    rows: &[u32],
) -> Result<Tensor<(usize, W), f32, D>, OpError> {
    let width = W::from_size(features.cols());
    let width = width.ok_or(OpError::Undefined { op: "gather", reason: "the features have not the model's width" })?;
    let values = rows.iter().flat_map(|row| features.row(*row as usize)).copied().collect();
    ops::to_tensor(device, values, (rows.len(), width))
}

type TracedRows<W, D> = Tensor<(usize, W), f32, D, OwnedTape<f32, D>>;

/// Loss and gradients of one batch: triplet terms of the verb, noun and action spaces.
///
/// `Σ levels weight_level · Σ pairs weight_pair · mean(terms) / (3 · pairs)`: the 3 stays when level weights are 0. Anchor,
/// positive and negative are combined by three separate calls, in this order (it matters to a learned combination, whose
/// running statistics move with every call), and the parts of speech in the order noun, verb, as in the published loop.
/// A tower, which works row by row, sees every row of the batch once. Empty terms are left out.
///
/// # Errors
/// [`OpError`] when sizes disagree or a learned combination meets a single row.
pub fn jpose_step<V: Dim, X: Dim, E: Dim, C: Combination<E, D>, D: OpsDevice>(
    model: &mut Jpose<VerbNoun, V, X, E, C, D>,
    device: &D,
    features: &Features,
    batch: &PerLevel<Vec<Term>>,
    weights: &PosWeights,
    loss: TripletLoss,
) -> Result<(PerLevel<Vec<TermLoss>>, f64, Gradients<f32, D>), OpError> {
    let mut gradients = Gradients::leaky();
    let mut total = 0.0;
    let losses = PerLevel::try_from_fn(|level| {
        let terms = batch.get(level);
        let rows = BatchRows::of(terms);
        if rows.video.is_empty() && rows.text.is_empty() {
            return Ok(vec![TermLoss { value: 0.0, hard: 0 }; terms.len()]);
        }
        let scale = weights.get(level) / (3 * terms.len()) as f32;
        let before = std::mem::replace(&mut gradients, Gradients::leaky());
        let x: TracedRows<V, D> = gather(device, &features.video, &rows.video)?.traced(before);
        let text = |level| gather::<X, D>(device, features.text.get(level), &rows.text).map(Trace::leaky_traced);
        let (losses, after) = match level {
            Level::Verb => {
                let video = model.embed_video_part::<Verb, _, _>(x)?.into_tensor();
                let towers =
                    Towers::new(vec![video], vec![model.embed_text_part::<Verb, _, _>(text(level)?)?.into_tensor()]);
                backward_terms(loss, terms, scale, device, &rows, towers, single::<Verb, E, D>)?
            }
            Level::Noun => {
                let video = model.embed_video_part::<Noun, _, _>(x)?.into_tensor();
                let towers =
                    Towers::new(vec![video], vec![model.embed_text_part::<Noun, _, _>(text(level)?)?.into_tensor()]);
                backward_terms(loss, terms, scale, device, &rows, towers, single::<Noun, E, D>)?
            }
            Level::Caption => {
                let parts = PosText::new([text(Level::Verb)?, text(Level::Noun)?])?;
                let towers = Towers::new(model.video_parts(x)?, model.text_parts(parts)?);
                let combine = |parts| model.combine_mut(parts, PartOrder::Reversed);
                backward_terms(loss, terms, scale, device, &rows, towers, combine)?
            }
        };
        gradients = after;
        total += losses.iter().map(|loss| loss.value).sum::<f64>() * f64::from(scale);
        Ok(losses)
    })?;
    Ok((losses, total, gradients))
}

/// The embedding of a role where a tower already gives it.
pub(super) fn single<S, E: Dim, D: OpsDevice>(parts: Vec<TracedRows<E, D>>) -> Result<Traced<S, E, D>, OpError> {
    let part = parts.into_iter().next();
    Ok(Embedding::new(part.ok_or(OpError::Undefined { op: "embed", reason: "no part" })?))
}

/// Training of JPoSE: data, batches, validation.
pub struct JposeTask<'a, D: OpsDevice> {
    options: Options,
    device: D,
    train: &'a TrainSplit,
    validation: &'a EvalSplit,
    samplers: PerLevel<EpochSampler>,
    triplets: usize,
    hard: usize,
}

impl<'a, D: OpsDevice> JposeTask<'a, D> {
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
        let samplers = PerLevel::try_from_fn(|level| Ok::<_, RelMarginError>(EpochSampler::new(options, level)))?;
        let (options, device) = (options.clone(), device.clone());
        Ok(Self { options, device, train, validation, samplers, triplets: 0, hard: 0 })
    }

    /// Evaluates a model on a split: nDCG and mAP at every level, recalls where the split names ground truths.
    ///
    /// # Errors
    /// [`RelMarginError`].
    pub fn evaluate_on(device: &D, model: &JposeModel<D>, split: &EvalSplit) -> Result<Evaluation, RelMarginError> {
        split.check()?;
        let Features { video, text } = &split.features;
        let levels = PerLevel::try_from_fn(|level| {
            let videos = embed_all(video.rows(), |rows| {
                let x = gather(device, video, rows)?;
                Ok(match level {
                    Level::Verb => model.embed_video_part::<Verb, _, _>(x)?.into_tensor(),
                    Level::Noun => model.embed_video_part::<Noun, _, _>(x)?.into_tensor(),
                    Level::Caption => model.embed_video(x, PartOrder::Declared)?.into_tensor(),
                })
            })?;
            let texts = embed_all(text.verb.rows(), |rows| {
                let part = |level| gather(device, text.get(level), rows);
                Ok(match level {
                    Level::Verb => model.embed_text_part::<Verb, _, _>(part(level)?)?.into_tensor(),
                    Level::Noun => model.embed_text_part::<Noun, _, _>(part(level)?)?.into_tensor(),
                    Level::Caption => {
                        let parts = PosText::new([part(Level::Verb)?, part(Level::Noun)?])?;
                        model.embed_text(parts, PartOrder::Declared)?.into_tensor()
                    }
                })
            })?;
            let truth = split.ground_truth.as_deref().filter(|_| level == Level::Caption);
            LevelEvaluation::new(&videos, &texts, split.relevance.get(level), truth)
        })?;
        Ok(Evaluation { verb: Some(levels.verb), noun: Some(levels.noun), caption: levels.caption })
    }
}

impl<D: OpsDevice> Task<D> for JposeTask<'_, D> {
    type Model = JposeModel<D>;
    type Error = RelMarginError;

    fn begin_epoch(&mut self, model: &mut Self::Model, epoch: usize) -> Result<usize, RelMarginError> {
        model.combination.set_active(epoch >= self.options.comb_func_start);
        (self.triplets, self.hard) = (0, 0);
        self.samplers.verb.begin_epoch(&self.options, &self.train.relations.verb, epoch)?;
        self.samplers.noun.begin_epoch(&self.options, &self.train.relations.noun, epoch)?;
        self.samplers.caption.begin_epoch(&self.options, &self.train.relations.caption, epoch)?;
        Ok(self.samplers.caption.num_batches())
    }

    fn step(&mut self, model: &mut Self::Model, batch: usize) -> Result<Step<D>, RelMarginError> {
        let terms = PerLevel::try_from_fn(|level| {
            Ok::<_, RelMarginError>(self.samplers.get(level).terms(self.train.relations.get(level), batch))
        })?;
        let loss = TripletLoss { distance: self.options.distance() };
        let (losses, loss, gradients) =
            jpose_step(model, &self.device, &self.train.features, &terms, &self.options.pos_weights(), loss)?;
        self.triplets += terms.caption.iter().map(|term| term.anchors.len()).sum::<usize>();
        self.hard += losses.caption.iter().map(|loss| loss.hard).sum::<usize>();
        Ok(Step { gradients, loss })
    }

    fn epoch_numbers(&self) -> Vec<(String, f64)> {
        vec![("hardness".into(), self.hard as f64 / self.triplets.max(1) as f64)]
    }

    fn evaluate(&self, model: &Self::Model) -> Result<Vec<(String, f64)>, RelMarginError> {
        let evaluation = Self::evaluate_on(&self.device, model, self.validation)?;
        Ok(LEVELS.iter().flat_map(|level| evaluation.numbers(*level, level_name(*level))).collect())
    }
}
