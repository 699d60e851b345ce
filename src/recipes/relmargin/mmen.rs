use dfdx::prelude::Dim;

use super::RelMarginError;
use super::evaluate::{LevelEvaluation, RelMarginEvaluation, embed_all};
use super::features::FeatureTables;
use super::model::RelMarginModel;
use super::options::Options;
use super::terms::{BatchRows, Term, TermLoss, TermStep, Towers, backward_terms, single};
use crate::data::relational::{EvalSplit, PerLevel};
use crate::losses::TripletLoss;
use crate::models::{Caption, Mmen, MmenConfig};
use crate::ops::{OpError, OpsDevice, data};
use crate::relevance::Level;
use crate::train::{FeatureRows, StepStart};

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
    video: &FeatureRows<'_, D>,
    text: &FeatureRows<'_, D>,
    terms: &[Term],
    loss: TripletLoss,
    start: StepStart<'_, D>,
) -> Result<TermStep<Vec<TermLoss>, D>, OpError> {
    let scale = 1.0 / terms.len() as f32;
    let rows = BatchRows::of(terms);
    if rows.is_empty() {
        let losses = vec![TermLoss { value: 0.0, hard: 0 }; terms.len()];
        return Ok(TermStep { losses, loss: 0.0, gradients: start.before });
    }
    let videos = model.embed_video(data(video.take(&rows.video)?))?.into_tensor();
    let texts = model.embed_text(data(text.take(&rows.text)?))?.into_tensor();
    let towers = Towers::new(start.before, vec![videos], vec![texts]);
    backward_terms(loss, terms, scale, device, &rows, towers, single::<S, E, D>)
}

impl<S, V: Dim, X: Dim, E: Dim, D: OpsDevice> RelMarginModel<D> for Mmen<S, V, X, E, D> {
    fn levels(&self, options: &Options) -> Vec<Level> {
        vec![options.caption_type.level()]
    }

    fn step(
        &mut self,
        options: &Options,
        device: &D,
        features: &FeatureTables<'_, D>,
        batch: &PerLevel<Vec<Term>>,
        start: StepStart<'_, D>,
    ) -> Result<TermStep<PerLevel<Vec<TermLoss>>, D>, OpError> {
        let level = options.caption_type.level();
        let loss = TripletLoss { distance: options.distance() };
        let (text, terms) = (features.text.get(level), batch.get(level));
        let TermStep { losses, loss, gradients } = mmen_step(self, device, &features.video, text, terms, loss, start)?;
        let mut by_level = PerLevel::default();
        *by_level.get_mut(level) = losses;
        Ok(TermStep { losses: by_level, loss, gradients })
    }

    fn evaluate(
        &self,
        options: &Options,
        device: &D,
        split: &EvalSplit,
    ) -> Result<RelMarginEvaluation, RelMarginError> {
        split.check()?;
        let level = options.caption_type.level();
        let FeatureTables { video, text } = &FeatureTables::copied(device, &split.features);
        let text = text.get(level);
        let videos = embed_all(video.len(), |rows| Ok(self.embed_video(video.take(rows)?)?.into_tensor()))?;
        let texts = embed_all(text.len(), |rows| Ok(self.embed_text(text.take(rows)?)?.into_tensor()))?;
        let truth = split.ground_truth.as_deref().filter(|_| level == Level::Action);
        let main = LevelEvaluation::new(&videos, &texts, split.relevance.get(level), truth)?;
        Ok(RelMarginEvaluation { main, level, parts: vec![] })
    }
}
