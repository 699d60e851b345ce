//! Batches for training and the padded evaluation set: plain values and shapes.
//!
//! Sources: `collaborative-experts`, `base/base_dataset.py` (Liu et al., BMVC 2019), and TeachText (Croitoru et al., ICCV 2021) for masks
//! and teachers.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_distr::StandardNormal;

use super::error::ExpertsError;
use super::split::{Expert, ExpertSplit, FeatureKind, Teacher};
use crate::matrix::{Matrix, MatrixView};

/// Which experts count as available in a training batch. At evaluation, every expert is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AvailabilityRule {
    /// An expert is available where the video has features of it.
    #[default]
    Checked,
    /// Published: an expert that is not marked as flaky is taken to be available, features or not. Where it has none, its rows are NaN and
    /// the model refuses the batch.
    AssumedUnlessFlaky,
}

/// What stands in the rows of an expert that a video does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingRows {
    /// NaN; the model checks them, and replaces them by zeros.
    #[default]
    Nan,
    /// Zeros (`use_zeros_for_missing`). The published model's check refuses them unless the expert is reported as available.
    Zeros,
}

/// How batches are made. Fusing and restricting captions changes the split itself: [`ExpertSplit::fuse_captions`],
/// [`ExpertSplit::restrict_captions`].
#[derive(Debug, Clone, PartialEq)]
pub struct BatchOptions {
    /// Words of a caption in a batch (`max_tokens.text`): shorter captions are padded with zeros, longer ones cut.
    pub max_words: usize,
    /// Captions drawn per video in training, with replacement; published: 1.
    pub captions_per_video: usize,
    /// Probability that a caption is thinned in training: each of its words then stays with probability 1/2, and none may be left. 0 for
    /// fused captions.
    pub text_dropout: f64,
    /// Availability in training.
    pub availability: AvailabilityRule,
    /// Rows of experts that are not there.
    pub missing: MissingRows,
    /// Experts whose features are replaced by N(0, 1) noise, padding included (ablation `randomise_feats`).
    pub randomise: Vec<String>,
    /// Experts whose features are replaced by ones, padding excluded (ablation `binarise`).
    pub binarise: Vec<String>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            max_words: 30,
            captions_per_video: 1,
            text_dropout: 0.0,
            availability: AvailabilityRule::Checked,
            missing: MissingRows::Nan,
            randomise: vec![],
            binarise: vec![],
        }
    }
}

/// Padded captions.
#[derive(Debug, Clone, PartialEq)]
pub struct TextBatch {
    /// Word vectors in C order, zero behind the last word of a caption.
    pub values: Vec<f32>,
    /// Videos, captions per video, words, width of a word vector: `[B, C, N, Dw]`.
    pub shape: [usize; 4],
    /// Words of each caption, at most N: `[B, C]`. 0 for a caption that does not exist.
    pub words: Vec<usize>,
}

/// Padded features of one expert.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpertBatch {
    /// Values in C order.
    pub values: Vec<f32>,
    /// `[B, D]`, or `[B, N, D]` for a sequence.
    pub shape: Vec<usize>,
    /// Whether the expert is available: `[B]`.
    pub available: Vec<bool>,
    /// Vectors of each video, at most N: `[B]`.
    pub tokens: Vec<usize>,
}

/// Embeddings of one expert of a teacher.
#[derive(Debug, Clone, PartialEq)]
pub struct TeacherBatch {
    /// `[B, D]`.
    pub video: Matrix<f32>,
    /// `[B C, D]`: the row of caption `c` of video `b` is `b C + c`.
    pub text: Matrix<f32>,
}

/// A batch to train on.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainBatch {
    /// The captions.
    pub text: TextBatch,
    /// The experts, in the order of the split.
    pub experts: Vec<ExpertBatch>,
    /// Which captions of their videos were drawn: `[B, C]`.
    pub captions: Vec<usize>,
    /// For each teacher its experts, for the captions drawn.
    pub teachers: Vec<Vec<TeacherBatch>>,
}

/// A whole split to evaluate on.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalSet {
    /// The captions, `[V, captions, N, Dw]`.
    pub text: TextBatch,
    /// 1 for a caption that exists, else 0: `(V, captions)`.
    pub query_masks: Matrix<f32>,
    /// The experts, in the order of the split.
    pub experts: Vec<ExpertBatch>,
}

/// What replaces the features of an expert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replacement {
    None,
    Noise,
    Ones,
}

/// Makes batches of one split.
#[derive(Debug, Clone)]
pub struct Batcher<'s> {
    split: &'s ExpertSplit,
    options: BatchOptions,
    replacements: Vec<Replacement>,
}

impl<'s> Batcher<'s> {
    /// Checks split and options.
    ///
    /// # Errors
    /// [`ExpertSplit::check`]'s, or [`ExpertsError::Option`].
    pub fn new(split: &'s ExpertSplit, options: BatchOptions) -> Result<Self, ExpertsError> {
        split.check()?;
        check_options(split, &options)?;
        let replacement = |expert: &Expert| match () {
            _ if options.randomise.contains(&expert.name) => Replacement::Noise,
            _ if options.binarise.contains(&expert.name) => Replacement::Ones,
            _ => Replacement::None,
        };
        let replacements = split.experts.iter().map(replacement).collect();
        Ok(Self { split, options, replacements })
    }

    /// The split.
    pub fn split(&self) -> &'s ExpertSplit {
        self.split
    }

    /// A training batch of the videos at these positions. For each, captions are drawn uniformly, with replacement, among those that the
    /// mask allows. The same state of `rng` gives the same batch.
    ///
    /// # Errors
    /// [`ExpertsError::NoSuchVideo`].
    pub fn train(&self, videos: &[usize], rng: &mut impl Rng) -> Result<TrainBatch, ExpertsError> {
        self.check_videos(videos)?;
        let per_video = self.options.captions_per_video;
        let mut captions = Vec::with_capacity(videos.len() * per_video);
        let mut text = self.empty_text(videos.len(), per_video);
        for (index, &video) in videos.iter().enumerate() {
            let drawable = self.drawable(video);
            for at in index * per_video..(index + 1) * per_video {
                let caption = drawable.choose(rng).copied().unwrap_or(0);
                captions.push(caption);
                let Some(words) = self.split.captions.get(video, caption) else { continue };
                let kept = self.kept_words(words.rows(), rng);
                text.fill(at, kept.iter().map(|&word| words.row(word)));
            }
        }
        let experts = self.experts(videos, self.options.availability, rng);
        let teachers = self.split.teachers.iter().map(|teacher| teach(teacher, videos, &captions, per_video)).collect();
        Ok(TrainBatch { text, experts, captions, teachers })
    }

    /// The first `captions` captions of the videos at these positions, `[B, captions, N, Dw]`; captions that do not exist are zeros, see
    /// [`Batcher::query_masks`]. A large split is evaluated in chunks.
    ///
    /// # Errors
    /// [`ExpertsError::NoSuchVideo`].
    pub fn eval_text(&self, videos: &[usize], captions: usize) -> Result<TextBatch, ExpertsError> {
        self.check_videos(videos)?;
        let mut text = self.empty_text(videos.len(), captions);
        for (index, &video) in videos.iter().enumerate() {
            for caption in 0..captions.min(self.split.captions.count(video)) {
                if let Some(words) = self.split.captions.get(video, caption) {
                    text.fill(index * captions + caption, (0..words.rows()).map(|word| words.row(word)));
                }
            }
        }
        Ok(text)
    }

    /// Single captions, by video and caption, `[texts, 1, N, Dw]`: labels, of which one stands for all that read the same.
    ///
    /// # Errors
    /// [`ExpertsError::NoSuchVideo`]; a caption that does not exist is zeros.
    pub fn captions(&self, captions: &[(usize, usize)]) -> Result<TextBatch, ExpertsError> {
        self.check_videos(&captions.iter().map(|(video, _)| *video).collect::<Vec<_>>())?;
        let mut text = self.empty_text(captions.len(), 1);
        for (at, &(video, caption)) in captions.iter().enumerate() {
            if let Some(words) = self.split.captions.get(video, caption) {
                text.fill(at, (0..words.rows()).map(|word| words.row(word)));
            }
        }
        Ok(text)
    }

    /// The experts of the videos at these positions. `rng` is for experts that are replaced by noise.
    ///
    /// # Errors
    /// [`ExpertsError::NoSuchVideo`].
    pub fn eval_experts(&self, videos: &[usize], rng: &mut impl Rng) -> Result<Vec<ExpertBatch>, ExpertsError> {
        self.check_videos(videos)?;
        Ok(self.experts(videos, AvailabilityRule::Checked, rng))
    }

    /// 1 for each of the first `captions` captions of a video that exists, else 0: `(V, captions)`.
    pub fn query_masks(&self, captions: usize) -> Matrix<f32> {
        let exists = |video, caption| caption < self.split.captions.count(video);
        Matrix::from_fn(self.split.videos.len(), captions, |video, caption| f32::from(u8::from(exists(video, caption))))
    }

    /// Everything at once, with `captions` captions per video (`num_test_captions`): further captions are left out. For the long splits,
    /// [`Batcher::eval_text`] in chunks needs less memory.
    ///
    /// # Errors
    /// [`ExpertsError::Option`] when no captions are asked for.
    pub fn eval_set(&self, captions: usize, rng: &mut impl Rng) -> Result<EvalSet, ExpertsError> {
        at_least_one("num_test_captions", captions)?;
        let videos: Vec<usize> = (0..self.split.videos.len()).collect();
        let (text, experts) = (self.eval_text(&videos, captions)?, self.eval_experts(&videos, rng)?);
        Ok(EvalSet { text, query_masks: self.query_masks(captions), experts })
    }

    fn check_videos(&self, videos: &[usize]) -> Result<(), ExpertsError> {
        let count = self.split.videos.len();
        match videos.iter().find(|video| **video >= count) {
            Some(&index) => Err(ExpertsError::NoSuchVideo { index, videos: count }),
            None => Ok(()),
        }
    }

    /// Captions of a video that may be drawn.
    fn drawable(&self, video: usize) -> Vec<usize> {
        let mask = self.split.masks.as_ref().and_then(|masks| masks.videos.get(video));
        let allowed = |caption: &usize| mask.is_none_or(|mask| mask.get(*caption) == Some(&true));
        (0..self.split.captions.count(video)).filter(allowed).collect()
    }

    /// Words of a caption that text dropout leaves.
    fn kept_words(&self, words: usize, rng: &mut impl Rng) -> Vec<usize> {
        let p = self.options.text_dropout;
        let thin = p > 0.0 && rng.random::<f64>() < p;
        (0..words).filter(|_| !thin || rng.random::<bool>()).collect()
    }

    fn empty_text(&self, videos: usize, captions: usize) -> TextBatch {
        let shape = [videos, captions, self.options.max_words, self.split.captions.width()];
        TextBatch { values: vec![0.0; shape.iter().product()], shape, words: vec![0; videos * captions] }
    }

    fn experts(&self, videos: &[usize], availability: AvailabilityRule, rng: &mut impl Rng) -> Vec<ExpertBatch> {
        let experts = self.split.experts.iter().zip(&self.replacements);
        experts
            .map(|(expert, &replacement)| {
                let mut batch = collate(expert, videos, self.options.missing, replacement);
                if availability == AvailabilityRule::AssumedUnlessFlaky && !expert.flaky {
                    batch.available.fill(true);
                }
                if replacement == Replacement::Noise {
                    let present = batch.values.iter_mut().filter(|value| !value.is_nan());
                    present.for_each(|value| *value = rng.sample(StandardNormal));
                }
                batch
            })
            .collect()
    }
}

impl TextBatch {
    /// Writes the words of caption `at` of all, as far as they fit.
    fn fill<'v>(&mut self, at: usize, words: impl Iterator<Item = &'v [f32]>) {
        let [_, _, max, width] = self.shape;
        let slot = self.values[at * max * width..][..max * width].chunks_exact_mut(width.max(1));
        self.words[at] = slot.zip(words).map(|(slot, word)| slot.copy_from_slice(word)).count();
    }
}

/// Pads the features of one expert.
fn collate(expert: &Expert, videos: &[usize], missing: MissingRows, replacement: Replacement) -> ExpertBatch {
    let width = expert.width();
    let (max, shape) = match expert.kind {
        FeatureKind::Fixed => (1, vec![videos.len(), width]),
        FeatureKind::Sequence { max_tokens } => (max_tokens, vec![videos.len(), max_tokens, width]),
    };
    let mut values = vec![0.0; videos.len() * max * width];
    let (mut available, mut tokens) = (Vec::with_capacity(videos.len()), Vec::with_capacity(videos.len()));
    for (&video, slot) in videos.iter().zip(values.chunks_exact_mut(max * width)) {
        let features = expert.get(video);
        available.push(features.is_some());
        let rows = features.map_or(0, |features| features.rows().min(max));
        tokens.push(rows);
        match features {
            Some(_) if replacement == Replacement::Ones => slot[..rows * width].fill(1.0),
            Some(features) => slot[..rows * width].copy_from_slice(&features.as_slice()[..rows * width]),
            None if missing == MissingRows::Nan => slot.fill(f32::NAN),
            None => {}
        }
    }
    ExpertBatch { values, shape, available, tokens }
}

fn teach(teacher: &Teacher, videos: &[usize], captions: &[usize], per_video: usize) -> Vec<TeacherBatch> {
    let experts = teacher.experts.iter();
    experts
        .map(|expert| {
            let text = |row: usize, column: usize| {
                let rows: Option<MatrixView<'_, f32>> = expert.text.get(videos[row / per_video]);
                rows.map_or(f32::NAN, |rows| rows.row(captions[row])[column])
            };
            let width = expert.video.cols();
            TeacherBatch {
                video: Matrix::from_fn(videos.len(), width, |row, column| expert.video.row(videos[row])[column]),
                text: Matrix::from_fn(captions.len(), width, text),
            }
        })
        .collect()
}

fn at_least_one(option: &'static str, value: usize) -> Result<(), ExpertsError> {
    if value > 0 {
        return Ok(());
    }
    Err(ExpertsError::Option { option, expected: "at least 1".into(), value: value.to_string() })
}

fn check_options(split: &ExpertSplit, options: &BatchOptions) -> Result<(), ExpertsError> {
    at_least_one("max_tokens.text", options.max_words)?;
    at_least_one("captions_per_video", options.captions_per_video)?;
    for expert in &split.experts {
        if let FeatureKind::Sequence { max_tokens } = expert.kind {
            at_least_one("max_tokens of a sequence", max_tokens)?;
        }
    }
    let p = options.text_dropout;
    let wrong = |option, expected: String, value| Err(ExpertsError::Option { option, expected, value });
    if !(0.0..=1.0).contains(&p) {
        return wrong("text_dropout", "a probability".into(), p.to_string());
    }
    if p > 0.0 && split.captions.is_fused() {
        return wrong("text_dropout", "0, since the captions are fused,".into(), p.to_string());
    }
    for (option, names) in [("randomise_feats", &options.randomise), ("binarise", &options.binarise)] {
        let known: Vec<&str> = split.experts.iter().map(|expert| expert.name.as_str()).collect();
        if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
            return wrong(option, format!("one of the experts {}", known.join(", ")), format!("{name:?}"));
        }
    }
    Ok(())
}
