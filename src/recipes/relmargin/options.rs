use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::terms::Pair;
use crate::data::relational::PerLevel;
use crate::losses::Distance;
use crate::options::{OptionsError, ensure, in_range, not_negative};
use crate::relevance::Level;
use crate::train::{Schedule, SgdConfig};

/// Which model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ModelKind {
    /// One embedding network per part of speech.
    #[default]
    Jpose,
    /// One embedding network.
    Mmen,
}

/// Data sets of the paper, or one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RelMarginDataset {
    /// EPIC-Kitchens-100 multi-instance retrieval.
    #[default]
    Epic100,
    /// YouCook2 with parsed parts of speech.
    Youcook2,
    /// Splits that the program brings.
    Given,
}

/// Which slice of the video features is read. EPIC-Kitchens-100 features are RGB, flow and audio, 1024 values each; those of
/// YouCook2 are RGB only, and `All` and `Rgb` mean the same there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Modalities {
    /// Everything there is.
    #[default]
    All,
    /// The first 1024 values (`--rgb`).
    Rgb,
    /// The first 2048 values (`--rgb-flow`).
    RgbFlow,
}

/// How JPoSE combines its parts of speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum CombFunc {
    /// Concatenation.
    #[default]
    Cat,
    /// A learned layer over the concatenation.
    Fc,
}

/// Which text MMEN embeds, and which relational dictionary and relevance it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum CaptionType {
    /// Whole captions.
    #[default]
    Caption,
    /// Their verbs.
    Verb,
    /// Their nouns.
    Noun,
}

impl CaptionType {
    /// The level of comparison.
    pub fn level(self) -> Level {
        match self {
            CaptionType::Caption => Level::Action,
            CaptionType::Verb => Level::Verb,
            CaptionType::Noun => Level::Noun,
        }
    }
}

/// Weights of the four pairs of modalities. A pair of weight 0 is left out.
pub type PairWeights = [(Pair, f32); 4];

/// Weights of the levels. A level of weight 0 is computed and multiplied by 0, and still counts in the divisor.
pub type PosWeights = PerLevel<f32>;

crate::options! {
    /// Every option of the published training programs, under its published name; the defaults are the published ones.
    ///
    /// `--gpu` is the type of the device, `--num-layers` and `--optimiser` (accepted and ignored by the published code) have no
    /// counterpart.
    pub Options, changes Changes {
        /// Which of the two programs.
        model: ModelKind = ModelKind::Jpose,
        /// Data set.
        dataset: RelMarginDataset = RelMarginDataset::Epic100,
        /// Which video features are read; `--rgb` wins over `--rgb-flow`.
        modalities ["rgb" = "Rgb", "rgb_flow" = "RgbFlow"]: Modalities = Modalities::All,
        /// Margin `1 − relevance` instead of `margin`.
        rel_margin: bool = false,
        /// Relational dictionaries with all nouns of an item instead of the first.
        all_noun_classes: bool = false,
        /// Cosine triplet loss (JPoSE).
        cosine: bool = false,
        /// The fixed margin.
        margin: f32 = 1.0,
        /// Weight of text anchors with text positives and negatives; 0 leaves them out.
        tt_weight: f32 = 1.0,
        /// Weight of text anchors with video positives and negatives; 0 leaves them out.
        tv_weight: f32 = 2.0,
        /// Weight of video anchors with text positives and negatives; 0 leaves them out.
        vt_weight: f32 = 1.0,
        /// Weight of video anchors with video positives and negatives; 0 leaves them out.
        vv_weight: f32 = 1.0,
        /// Weight of the action space (JPoSE).
        action_weight: f32 = 1.0,
        /// Weight of the verb space (JPoSE).
        verb_weight: f32 = 1.0,
        /// Weight of the noun space (JPoSE).
        noun_weight: f32 = 1.0,
        /// How verb and noun embeddings become the action embedding (JPoSE). `sum`, `max` and `res` are accepted by the published parser and
        /// crash; they do not exist here.
        comb_func: CombFunc = CombFunc::Cat,
        /// Concatenation before this epoch (JPoSE).
        comb_func_start: usize = 0,
        /// Which text is embedded (MMEN; positional in the published program).
        caption_type: CaptionType = CaptionType::Caption,
        /// Anchors per batch.
        batch_size: usize = 64,
        /// Triplets per anchor.
        num_triplets: usize = 10,
        /// New triplets at epochs with `(epoch + 1) % rate == 1`; every epoch for 1.
        triplet_sampling_rate: NonZeroUsize = size(10),
        /// Epochs.
        num_epochs: usize = 100,
        /// Step size.
        learning_rate: f32 = 0.01,
        /// Share of the last step that is kept.
        momentum: f32 = 0.9,
        /// Course of the learning rate (constant in the published programs).
        schedule ["cosine_schedule" = "Cosine"]: Schedule = Schedule::Constant,
        /// Width of an embedding.
        embedding_size: usize = 256,
        /// Checkpoints that are kept at epochs with `(epoch + 1) % rate == 1`, and the last.
        checkpoint_rate: NonZeroUsize = size(10),
        /// Seeds of weights, order and triplets, one run each (the published code does not seed).
        seeds ["seed"]: Vec<u64> = vec![0],
    }
    check(options) {
        options.check_sizes()?;
        options.check_weights()?;
        options.check_data()?;
        options.check_of_model()
    }
    evaluation(options) {
        in_range("embedding_size", options.embedding_size, 1 << 14)
    }
}

const fn size(n: usize) -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(n - 1)
}

impl Options {
    fn check_sizes(&self) -> Result<(), OptionsError> {
        in_range("batch_size", self.batch_size, 1 << 20)?;
        in_range("num_triplets", self.num_triplets, 1 << 12)?;
        in_range("num_epochs", self.num_epochs, 1 << 24)?;
        self.schedule.check().map_err(|reason| OptionsError::new("schedule", reason))?;
        in_range("embedding_size", self.embedding_size, 1 << 14)
    }

    fn check_weights(&self) -> Result<(), OptionsError> {
        for (field, value) in [
            ("margin", self.margin),
            ("tt_weight", self.tt_weight),
            ("tv_weight", self.tv_weight),
            ("vt_weight", self.vt_weight),
            ("vv_weight", self.vv_weight),
            ("action_weight", self.action_weight),
            ("verb_weight", self.verb_weight),
            ("noun_weight", self.noun_weight),
            ("learning_rate", self.learning_rate),
            ("momentum", self.momentum),
        ] {
            not_negative(field, value)?;
        }
        ensure(self.momentum < 1.0, "momentum", || format!("{} is not below 1", self.momentum))?;
        let trains = self.active_pairs().next().is_some();
        ensure(trains, "tt_weight", || "all four pair weights are 0, there is nothing to train".into())
    }

    /// The combinations on which the published programs crash, among others.
    fn check_data(&self) -> Result<(), OptionsError> {
        let jpose = self.model == ModelKind::Jpose;
        let without_nouns =
            self.rel_margin && jpose && self.dataset == RelMarginDataset::Epic100 && !self.all_noun_classes;
        let reason = "rel_margin on Epic100 needs it: without all nouns there are no noun sets to compare";
        ensure(!without_nouns, "all_noun_classes", || reason.into())?;
        let part = self.rel_margin && !jpose && self.caption_type != CaptionType::Caption;
        let reason = "rel_margin needs Caption: only captions have verb and noun classes";
        ensure(!part, "caption_type", || reason.into())?;
        match (self.dataset, self.modalities) {
            (RelMarginDataset::Youcook2, Modalities::RgbFlow) => {
                Err(OptionsError::new("modalities", "Youcook2 has RGB features only"))
            }
            (RelMarginDataset::Given, Modalities::Rgb | Modalities::RgbFlow) => {
                Err(OptionsError::new("modalities", "the features are not those of EPIC-Kitchens-100"))
            }
            _ => Ok(()),
        }
    }

    fn check_of_model(&self) -> Result<(), OptionsError> {
        let published = Self::default();
        for (field, model, is_set) in [
            ("cosine", ModelKind::Jpose, self.cosine),
            ("comb_func", ModelKind::Jpose, self.comb_func != published.comb_func),
            ("comb_func_start", ModelKind::Jpose, self.comb_func_start != published.comb_func_start),
            ("action_weight", ModelKind::Jpose, self.action_weight != published.action_weight),
            ("verb_weight", ModelKind::Jpose, self.verb_weight != published.verb_weight),
            ("noun_weight", ModelKind::Jpose, self.noun_weight != published.noun_weight),
            ("caption_type", ModelKind::Mmen, self.caption_type != published.caption_type),
        ] {
            ensure(!is_set || self.model == model, field, || format!("only {model:?} has it"))?;
        }
        Ok(())
    }

    /// The pairs with a weight above 0, with their weights, in the published order.
    pub fn active_pairs(&self) -> impl Iterator<Item = (Pair, f32)> + use<> {
        let weights: PairWeights = [
            (Pair::TT, self.tt_weight),
            (Pair::TV, self.tv_weight),
            (Pair::VT, self.vt_weight),
            (Pair::VV, self.vv_weight),
        ];
        weights.into_iter().filter(|(_, weight)| *weight > 0.0)
    }

    /// The level that a run is judged by: the action, or for MMEN that of its caption type.
    pub fn level(&self) -> Level {
        match self.model {
            ModelKind::Jpose => Level::Action,
            ModelKind::Mmen => self.caption_type.level(),
        }
    }

    /// Number of leading video features that are read; `None` for all.
    pub fn video_width(&self) -> Option<usize> {
        match (self.dataset, self.modalities) {
            (RelMarginDataset::Epic100, Modalities::Rgb) => Some(1024),
            (RelMarginDataset::Epic100, Modalities::RgbFlow) => Some(2048),
            _ => None,
        }
    }

    /// Weights of the levels.
    pub fn pos_weights(&self) -> PosWeights {
        PerLevel { verb: self.verb_weight, noun: self.noun_weight, action: self.action_weight }
    }

    /// The optimizer.
    pub fn sgd(&self) -> SgdConfig {
        SgdConfig { learning_rate: self.learning_rate, momentum: self.momentum, groups: vec![] }
    }

    /// What triplets compare.
    pub fn distance(&self) -> Distance {
        if self.cosine { Distance::Cosine } else { Distance::SquaredEuclidean }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options as _;

    #[test]
    fn the_defaults_are_the_published_ones_and_valid() {
        let options = Options::default();
        options.validate().unwrap();
        assert_eq!(options.active_pairs().map(|(_, w)| w).collect::<Vec<_>>(), [1.0, 2.0, 1.0, 1.0]);
    }

    #[test]
    fn contradictions_name_the_option() {
        let error = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        assert!(error(|o| o.batch_size = 0).starts_with("batch_size: 0 is not between"));
        assert!(error(|o| o.learning_rate = f32::NAN).starts_with("learning_rate: NaN"));
        assert!(error(|o| o.rel_margin = true).starts_with("all_noun_classes: "));
        assert!(
            error(|o| (o.tt_weight, o.tv_weight, o.vt_weight, o.vv_weight) = (0.0, 0.0, 0.0, 0.0)).contains("nothing")
        );
        assert!(
            error(|o| (o.model, o.rel_margin, o.caption_type) = (ModelKind::Mmen, true, CaptionType::Verb))
                .starts_with("caption_type: ")
        );
        assert!(
            error(|o| (o.dataset, o.modalities) = (RelMarginDataset::Youcook2, Modalities::RgbFlow))
                .starts_with("modalities: ")
        );
    }
}
