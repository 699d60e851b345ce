//! The options of the published programs, as a command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use coembed::recipes::relmargin::{CaptionType, CombFunc, Dataset, Modalities, ModelKind, Options};
use coembed::train::Schedule;

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum DatasetArg {
    Epic100,
    Youcook2,
    Emoji,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum ModelArg {
    Jpose,
    Mmen,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum CombFuncArg {
    Cat,
    Fc,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum CaptionArg {
    Caption,
    Verb,
    Noun,
}

/// Every option overrides the configuration file, which overrides the published default.
#[derive(Debug, Clone, Args, Default, PartialEq)]
pub struct TrainingArgs {
    /// Which of the two published programs
    #[arg(long, value_enum)]
    pub model: Option<ModelArg>,
    /// Data set; `emoji` needs no files [default: epic100 with --data, else emoji]
    #[arg(long, value_enum)]
    pub dataset: Option<DatasetArg>,
    /// Margin 1 − relevance(anchor, negative) instead of the fixed margin
    #[arg(long)]
    pub rel_margin: bool,
    /// Relational dictionaries with all nouns of an item
    #[arg(long)]
    pub all_noun_classes: bool,
    /// Cosine triplet loss (JPoSE)
    #[arg(long)]
    pub cosine: bool,
    /// The first 1024 video features (RGB); wins over --rgb-flow
    #[arg(long)]
    pub rgb: bool,
    /// The first 2048 video features (RGB and flow)
    #[arg(long)]
    pub rgb_flow: bool,
    /// The fixed margin
    #[arg(long)]
    pub margin: Option<f32>,
    /// Weight of text-to-text triplets; 0 leaves them out
    #[arg(long)]
    pub tt_weight: Option<f32>,
    /// Weight of text-to-video triplets; 0 leaves them out
    #[arg(long)]
    pub tv_weight: Option<f32>,
    /// Weight of video-to-text triplets; 0 leaves them out
    #[arg(long)]
    pub vt_weight: Option<f32>,
    /// Weight of video-to-video triplets; 0 leaves them out
    #[arg(long)]
    pub vv_weight: Option<f32>,
    /// Weight of the action space (JPoSE)
    #[arg(long)]
    pub action_weight: Option<f32>,
    /// Weight of the verb space (JPoSE)
    #[arg(long)]
    pub verb_weight: Option<f32>,
    /// Weight of the noun space (JPoSE)
    #[arg(long)]
    pub noun_weight: Option<f32>,
    /// How verb and noun embeddings become the action embedding (JPoSE)
    #[arg(long, value_enum)]
    pub comb_func: Option<CombFuncArg>,
    /// Concatenation before this epoch (JPoSE)
    #[arg(long)]
    pub comb_func_start: Option<usize>,
    /// Which text is embedded (MMEN)
    #[arg(long, value_enum)]
    pub caption_type: Option<CaptionArg>,
    /// Anchors per batch
    #[arg(long)]
    pub batch_size: Option<usize>,
    /// Triplets per anchor
    #[arg(long)]
    pub num_triplets: Option<usize>,
    /// New triplets at epochs with (epoch + 1) % rate == 1
    #[arg(long)]
    pub triplet_sampling_rate: Option<usize>,
    #[arg(long)]
    pub num_epochs: Option<usize>,
    #[arg(long)]
    pub learning_rate: Option<f32>,
    #[arg(long)]
    pub momentum: Option<f32>,
    /// Let the learning rate fall along half a cosine (constant in the published programs)
    #[arg(long)]
    pub cosine_schedule: bool,
    #[arg(long)]
    pub embedding_size: Option<usize>,
    /// Numbered checkpoints at epochs with (epoch + 1) % rate == 1, and the last
    #[arg(long)]
    pub checkpoint_rate: Option<usize>,
    /// Seed of weights, order and triplets
    #[arg(long)]
    pub seed: Option<u64>,
    /// Accepted and without effect, as in the published programs
    #[arg(long)]
    pub num_layers: Option<usize>,
    /// Accepted and without effect, as in the published programs (always SGD)
    #[arg(long)]
    pub optimiser: Option<String>,
    /// Configuration file (RON), for example one of paper-repros/jpose_relmargin
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Where files are and on what device to compute.
#[derive(Debug, Clone, Args, Default)]
pub struct PlaceArgs {
    /// Folder in the authors' layout (docs/formats.md)
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Compute on the GPU: True or False [default: True in a build with the feature `cuda`]
    #[arg(long, value_name = "BOOL", value_parser = parse_bool, num_args = 1)]
    pub gpu: Option<bool>,
}

fn parse_bool(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("True or False".into()),
    }
}

fn set<T>(field: &mut T, value: Option<impl Into<T>>) {
    if let Some(value) = value {
        *field = value.into();
    }
}

impl From<DatasetArg> for Dataset {
    fn from(arg: DatasetArg) -> Self {
        match arg {
            DatasetArg::Epic100 => Dataset::Epic100,
            DatasetArg::Youcook2 => Dataset::Youcook2,
            DatasetArg::Emoji => Dataset::Emoji,
        }
    }
}

impl From<ModelArg> for ModelKind {
    fn from(arg: ModelArg) -> Self {
        match arg {
            ModelArg::Jpose => ModelKind::Jpose,
            ModelArg::Mmen => ModelKind::Mmen,
        }
    }
}

impl From<CombFuncArg> for CombFunc {
    fn from(arg: CombFuncArg) -> Self {
        match arg {
            CombFuncArg::Cat => CombFunc::Cat,
            CombFuncArg::Fc => CombFunc::Fc,
        }
    }
}

impl From<CaptionArg> for CaptionType {
    fn from(arg: CaptionArg) -> Self {
        match arg {
            CaptionArg::Caption => CaptionType::Caption,
            CaptionArg::Verb => CaptionType::Verb,
            CaptionArg::Noun => CaptionType::Noun,
        }
    }
}

impl TrainingArgs {
    /// Applies what was given on the command line.
    pub fn apply(&self, options: &mut Options) {
        set(&mut options.model, self.model);
        set(&mut options.dataset, self.dataset);
        options.rel_margin |= self.rel_margin;
        options.all_noun_classes |= self.all_noun_classes;
        options.cosine |= self.cosine;
        if let Some(modalities) = modalities(self.rgb, self.rgb_flow) {
            options.modalities = modalities;
        }
        if self.rgb_flow && options.dataset == Dataset::Youcook2 {
            // Refused by the check, also together with --rgb, as published.
            options.modalities = Modalities::RgbFlow;
        }
        set(&mut options.margin, self.margin);
        set(&mut options.tt_weight, self.tt_weight);
        set(&mut options.tv_weight, self.tv_weight);
        set(&mut options.vt_weight, self.vt_weight);
        set(&mut options.vv_weight, self.vv_weight);
        set(&mut options.action_weight, self.action_weight);
        set(&mut options.verb_weight, self.verb_weight);
        set(&mut options.noun_weight, self.noun_weight);
        set(&mut options.comb_func, self.comb_func);
        set(&mut options.comb_func_start, self.comb_func_start);
        set(&mut options.caption_type, self.caption_type);
        set(&mut options.batch_size, self.batch_size);
        set(&mut options.num_triplets, self.num_triplets);
        set(&mut options.triplet_sampling_rate, self.triplet_sampling_rate);
        set(&mut options.num_epochs, self.num_epochs);
        set(&mut options.learning_rate, self.learning_rate);
        set(&mut options.momentum, self.momentum);
        if self.cosine_schedule {
            options.schedule = Schedule::Cosine;
        }
        set(&mut options.embedding_size, self.embedding_size);
        set(&mut options.checkpoint_rate, self.checkpoint_rate);
        set(&mut options.seed, self.seed);
    }
}

/// The slice that `--rgb` and `--rgb-flow` ask for; `--rgb` wins, as published.
pub fn modalities(rgb: bool, rgb_flow: bool) -> Option<Modalities> {
    match (rgb, rgb_flow) {
        (true, _) => Some(Modalities::Rgb),
        (false, true) => Some(Modalities::RgbFlow),
        (false, false) => None,
    }
}
