use std::fmt;

use serde::{Deserialize, Serialize};

use crate::data::relational::PerLevel;
use crate::losses::Distance;
use crate::relevance::Level;
use crate::train::{Schedule, SgdConfig};

use super::sampling::level_name;
use super::terms::Pair;

/// Which model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ModelKind {
    /// One embedding network per part of speech.
    #[default]
    Jpose,
    /// One embedding network.
    Mmen,
}

/// Data sets of the paper, and the built-in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Dataset {
    /// EPIC-Kitchens-100 multi-instance retrieval.
    #[default]
    Epic100,
    /// YouCook2 with parsed parts of speech.
    Youcook2,
    /// Pictures with names; no download.
    Emoji,
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
            CaptionType::Caption => Level::Caption,
            CaptionType::Verb => Level::Verb,
            CaptionType::Noun => Level::Noun,
        }
    }
}

/// Weights of the four pairs of modalities. A pair of weight 0 is left out.
pub type PairWeights = [(Pair, f32); 4];

/// Weights of the levels. A level of weight 0 is computed and multiplied by 0, and still counts in the divisor.
pub type PosWeights = PerLevel<f32>;

/// Every option of the published training programs under its published name; the defaults are the published ones.
///
/// `--gpu` is the type of the device, `--num-layers` and `--optimiser` (accepted and ignored by the published code) have no
/// counterpart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Which of the two programs.
    pub model: ModelKind,
    /// `--dataset`.
    pub dataset: Dataset,
    /// `--rgb`, `--rgb-flow`.
    pub modalities: Modalities,
    /// `--rel-margin`: margin `1 − relevance` instead of `margin`.
    pub rel_margin: bool,
    /// `--all-noun-classes`: the relational dictionaries with all nouns of an item instead of the first.
    pub all_noun_classes: bool,
    /// `--cosine` (JPoSE).
    pub cosine: bool,
    /// `--margin`: the fixed margin.
    pub margin: f32,
    /// `--tt-weight`: text anchor, text positives and negatives.
    pub tt_weight: f32,
    /// `--tv-weight`: text anchor, video positives and negatives.
    pub tv_weight: f32,
    /// `--vt-weight`.
    pub vt_weight: f32,
    /// `--vv-weight`.
    pub vv_weight: f32,
    /// `--action-weight` (JPoSE).
    pub action_weight: f32,
    /// `--verb-weight` (JPoSE).
    pub verb_weight: f32,
    /// `--noun-weight` (JPoSE).
    pub noun_weight: f32,
    /// `--comb-func` (JPoSE). `sum`, `max` and `res` are accepted by the published parser and crash; they do not exist here.
    pub comb_func: CombFunc,
    /// `--comb-func-start` (JPoSE): concatenation before this epoch.
    pub comb_func_start: usize,
    /// The positional `caption_type` (MMEN).
    pub caption_type: CaptionType,
    /// `--batch-size`: anchors per batch.
    pub batch_size: usize,
    /// `--num-triplets` per anchor.
    pub num_triplets: usize,
    /// `--triplet-sampling-rate`: new triplets at epochs with `(epoch + 1) % rate == 1`; every epoch for 1.
    pub triplet_sampling_rate: usize,
    /// `--num-epochs`.
    pub num_epochs: usize,
    /// `--learning-rate`.
    pub learning_rate: f32,
    /// `--momentum`.
    pub momentum: f32,
    /// Course of the learning rate (constant in the published programs).
    pub schedule: Schedule,
    /// `--embedding-size`.
    pub embedding_size: usize,
    /// `--checkpoint-rate`: numbered checkpoints at epochs with `(epoch + 1) % rate == 1`, and the last.
    pub checkpoint_rate: usize,
    /// Seed of weights, order and triplets (the published code does not seed).
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            model: ModelKind::Jpose,
            dataset: Dataset::Epic100,
            modalities: Modalities::All,
            rel_margin: false,
            all_noun_classes: false,
            cosine: false,
            margin: 1.0,
            tt_weight: 1.0,
            tv_weight: 2.0,
            vt_weight: 1.0,
            vv_weight: 1.0,
            action_weight: 1.0,
            verb_weight: 1.0,
            noun_weight: 1.0,
            comb_func: CombFunc::Cat,
            comb_func_start: 0,
            caption_type: CaptionType::Caption,
            batch_size: 64,
            num_triplets: 10,
            triplet_sampling_rate: 10,
            num_epochs: 100,
            learning_rate: 0.01,
            momentum: 0.9,
            schedule: Schedule::Constant,
            embedding_size: 256,
            checkpoint_rate: 10,
            seed: 0,
        }
    }
}

/// Options that contradict each other or make no sense.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionsError {
    /// The option, as in the configuration file.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

impl std::error::Error for OptionsError {}

fn in_range(field: &'static str, size: usize, most: usize) -> Result<(), OptionsError> {
    if (1..=most).contains(&size) {
        return Ok(());
    }
    Err(OptionsError { field, reason: format!("{size} is not between 1 and {most}") })
}

impl Options {
    /// Refuses options that contradict each other, among them the combinations on which the published programs crash.
    ///
    /// # Errors
    /// [`OptionsError`], naming the option.
    pub fn check(&self) -> Result<(), OptionsError> {
        let wrong = |field, reason: String| Err(OptionsError { field, reason });
        // The upper bounds keep a slip of the keyboard from asking for more memory than there is.
        for (field, size, most) in [
            ("batch_size", self.batch_size, 1 << 20),
            ("num_triplets", self.num_triplets, 1 << 12),
            ("triplet_sampling_rate", self.triplet_sampling_rate, usize::MAX),
            ("num_epochs", self.num_epochs, 1 << 24),
            ("checkpoint_rate", self.checkpoint_rate, usize::MAX),
        ] {
            in_range(field, size, most)?;
        }
        self.check_model()?;
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
            if !value.is_finite() || value < 0.0 {
                return wrong(field, format!("{value} is not a finite number of at least 0"));
            }
        }
        if self.momentum >= 1.0 {
            return wrong("momentum", format!("{} is not below 1", self.momentum));
        }
        if self.active_pairs().next().is_none() {
            return wrong("tt_weight", "all four pair weights are 0, there is nothing to train".into());
        }
        let jpose = self.model == ModelKind::Jpose;
        if self.rel_margin && jpose && self.dataset == Dataset::Epic100 && !self.all_noun_classes {
            let reason = "rel_margin on Epic100 needs it: without all nouns there are no noun sets to compare";
            return wrong("all_noun_classes", reason.into());
        }
        if self.rel_margin && !jpose && self.caption_type != CaptionType::Caption {
            return wrong("caption_type", "rel_margin needs Caption: only captions have verb and noun classes".into());
        }
        if self.dataset == Dataset::Youcook2 && self.modalities == Modalities::RgbFlow {
            return wrong("modalities", "Youcook2 has RGB features only".into());
        }
        if self.dataset == Dataset::Emoji && self.modalities != Modalities::All {
            return wrong("modalities", "the features of Emoji are not those of EPIC-Kitchens-100".into());
        }
        let published = Options::default();
        for (field, model, is_set) in [
            ("cosine", ModelKind::Jpose, self.cosine),
            ("comb_func", ModelKind::Jpose, self.comb_func != published.comb_func),
            ("comb_func_start", ModelKind::Jpose, self.comb_func_start != published.comb_func_start),
            ("action_weight", ModelKind::Jpose, self.action_weight != published.action_weight),
            ("verb_weight", ModelKind::Jpose, self.verb_weight != published.verb_weight),
            ("noun_weight", ModelKind::Jpose, self.noun_weight != published.noun_weight),
            ("caption_type", ModelKind::Mmen, self.caption_type != published.caption_type),
        ] {
            if is_set && self.model != model {
                return wrong(field, format!("only {model:?} has it"));
            }
        }
        Ok(())
    }

    /// The part of [`Options::check`] that a model to evaluate must pass: options of a published run may be such as are refused
    /// for training here.
    ///
    /// # Errors
    /// [`OptionsError`], naming the option.
    pub fn check_model(&self) -> Result<(), OptionsError> {
        in_range("embedding_size", self.embedding_size, 1 << 14)
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
            ModelKind::Jpose => Level::Caption,
            ModelKind::Mmen => self.caption_type.level(),
        }
    }

    /// The name of that level in scores: `verb`, `noun` or `action`.
    pub fn space(&self) -> &'static str {
        level_name(self.level())
    }

    /// Number of leading video features that are read; `None` for all.
    pub fn video_width(&self) -> Option<usize> {
        match (self.dataset, self.modalities) {
            (Dataset::Epic100, Modalities::Rgb) => Some(1024),
            (Dataset::Epic100, Modalities::RgbFlow) => Some(2048),
            _ => None,
        }
    }

    /// Weights of the levels.
    pub fn pos_weights(&self) -> PosWeights {
        PerLevel { verb: self.verb_weight, noun: self.noun_weight, caption: self.action_weight }
    }

    /// The optimizer.
    pub fn sgd(&self) -> SgdConfig {
        SgdConfig { learning_rate: self.learning_rate, momentum: self.momentum, groups: vec![] }
    }

    /// What triplets compare.
    pub fn distance(&self) -> Distance {
        if self.cosine { Distance::Cosine } else { Distance::SquaredEuclidean }
    }

    /// Reads the `args.txt` of a published run: a Python dictionary of options on the first line. Unknown keys are returned
    /// (older runs carry others), missing ones keep their defaults, those without a counterpart are passed over.
    ///
    /// # Errors
    /// [`OptionsError`] naming the key whose value does not fit, or `args.txt` when the line is no dictionary.
    pub fn from_args_txt(text: &str) -> Result<(Self, Vec<String>), OptionsError> {
        super::args_txt::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_published_ones_and_valid() {
        let options = Options::default();
        options.check().unwrap();
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
            error(|o| (o.dataset, o.modalities) = (Dataset::Youcook2, Modalities::RgbFlow)).starts_with("modalities: ")
        );
    }
}
