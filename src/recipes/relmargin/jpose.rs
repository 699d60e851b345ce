use dfdx::prelude::{Dim, Gradients};

use super::RelMarginError;
use super::evaluate::{LevelEvaluation, RelMarginEvaluation, embed_all};
use super::features::FeatureTables;
use super::model::RelMarginModel;
use super::options::{CombFunc, Options, PosWeights};
use super::terms::{BatchRows, Term, TermLoss, TermStep, Towers, backward_terms, single};
use crate::blocks::{
    AnyCombination, AnyCombinationConfig, Combination, ConcatConfig, LearnedConfig, PartOrder, PosText,
};
use crate::data::relational::{EvalSplit, LEVELS, PerLevel};
use crate::losses::TripletLoss;
use crate::models::{Jpose, JposeConfig, Noun, Verb, VerbNoun};
use crate::ops::{OpError, OpsDevice, data};
use crate::relevance::Level;
use crate::train::StepStart;

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
    features: &FeatureTables<'_, D>,
    batch: &PerLevel<Vec<Term>>,
    weights: &PosWeights,
    loss: TripletLoss,
    start: StepStart<'_, D>,
) -> Result<TermStep<PerLevel<Vec<TermLoss>>, D>, OpError> {
    let (mut gradients, mut total) = (start.before, 0.0);
    let losses = PerLevel::try_from_fn(|level| {
        let terms = batch.get(level);
        let rows = BatchRows::of(terms);
        if rows.is_empty() {
            return Ok(vec![TermLoss { value: 0.0, hard: 0 }; terms.len()]);
        }
        let scale = weights.get(level) / (3 * terms.len()) as f32;
        let before = std::mem::replace(&mut gradients, Gradients::leaky());
        let x = data(features.video.take::<V>(&rows.video)?);
        let text = |level| features.text.get(level).take::<X>(&rows.text).map(data);
        let step = match level {
            Level::Verb => {
                let video = model.embed_video_part::<Verb, _, _>(x)?.into_tensor();
                let towers = Towers::new(
                    before,
                    vec![video],
                    vec![model.embed_text_part::<Verb, _, _>(text(level)?)?.into_tensor()],
                );
                backward_terms(loss, terms, scale, device, &rows, towers, single::<Verb, E, D>)?
            }
            Level::Noun => {
                let video = model.embed_video_part::<Noun, _, _>(x)?.into_tensor();
                let towers = Towers::new(
                    before,
                    vec![video],
                    vec![model.embed_text_part::<Noun, _, _>(text(level)?)?.into_tensor()],
                );
                backward_terms(loss, terms, scale, device, &rows, towers, single::<Noun, E, D>)?
            }
            Level::Action => {
                let parts = PosText::new([text(Level::Verb)?, text(Level::Noun)?])?;
                let towers = Towers::new(before, model.video_parts(x)?, model.text_parts(parts)?);
                let combine = |parts| model.combine(parts, PartOrder::Reversed, start.phase);
                backward_terms(loss, terms, scale, device, &rows, towers, combine)?
            }
        };
        gradients = step.gradients;
        total += step.loss;
        Ok(step.losses)
    })?;
    Ok(TermStep { losses, loss: total, gradients })
}

impl<V: Dim, X: Dim, E: Dim, C: Combination<E, D>, D: OpsDevice> RelMarginModel<D> for Jpose<VerbNoun, V, X, E, C, D> {
    fn levels(&self, _: &Options) -> Vec<Level> {
        LEVELS.to_vec()
    }

    fn begin_epoch(&mut self, options: &Options, epoch: usize) {
        self.combination.set_active(epoch >= options.comb_func_start);
    }

    fn step(
        &mut self,
        options: &Options,
        device: &D,
        features: &FeatureTables<'_, D>,
        batch: &PerLevel<Vec<Term>>,
        start: StepStart<'_, D>,
    ) -> Result<TermStep<PerLevel<Vec<TermLoss>>, D>, OpError> {
        let loss = TripletLoss { distance: options.distance() };
        jpose_step(self, device, features, batch, &options.pos_weights(), loss, start)
    }

    fn evaluate(&self, _: &Options, device: &D, split: &EvalSplit) -> Result<RelMarginEvaluation, RelMarginError> {
        split.check()?;
        let FeatureTables { video, text } = &FeatureTables::copied(device, &split.features);
        let levels = PerLevel::try_from_fn(|level| {
            let (rows, x) = (video.len(), |rows: &[u32]| video.take(rows));
            let videos = match level {
                Level::Verb => embed_all(rows, |of| Ok(self.embed_video_part::<Verb, _, _>(x(of)?)?.into_tensor())),
                Level::Noun => embed_all(rows, |of| Ok(self.embed_video_part::<Noun, _, _>(x(of)?)?.into_tensor())),
                Level::Action => embed_all(rows, |of| Ok(self.embed_video(x(of)?, PartOrder::Declared)?.into_tensor())),
            }?;
            let (rows, part) = (text.verb.len(), |level, rows: &[u32]| text.get(level).take(rows));
            let texts = match level {
                Level::Verb => {
                    embed_all(rows, |of| Ok(self.embed_text_part::<Verb, _, _>(part(level, of)?)?.into_tensor()))
                }
                Level::Noun => {
                    embed_all(rows, |of| Ok(self.embed_text_part::<Noun, _, _>(part(level, of)?)?.into_tensor()))
                }
                Level::Action => embed_all(rows, |of| {
                    let parts = PosText::new([part(Level::Verb, of)?, part(Level::Noun, of)?])?;
                    Ok(self.embed_text(parts, PartOrder::Declared)?.into_tensor())
                }),
            }?;
            let truth = split.ground_truth.as_deref().filter(|_| level == Level::Action);
            LevelEvaluation::new(&videos, &texts, split.relevance.get(level), truth)
        })?;
        let PerLevel { verb, noun, action } = levels;
        let parts = vec![(Level::Verb, verb), (Level::Noun, noun)];
        Ok(RelMarginEvaluation { main: action, level: Level::Action, parts })
    }
}
