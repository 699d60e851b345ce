//! What the models must beat: chance, and one linear layer per modality.

use coembed::blocks::{Config, Linear, LinearConfig, Parameters};
use coembed::data::relational::{EvalSplit, Features, TrainSplit};
use coembed::embedding::Embedding;
use coembed::losses::{self, TripletLoss};
use coembed::matrix::Matrix;
use coembed::metrics::rank::RankReport;
use coembed::models::Caption;
use coembed::ops::{self, AdamMoments, AdamStep, LayerTape, OpError, WeightDecay};
use coembed::recipes::relmargin::{EpochSampler, LevelEvaluation, Modality, Options, RelMarginError, Term};
use coembed::relevance::Level;
use coembed::train::{Optimizer, Purpose, Sgd, rng};
use dfdx::prelude::{Backward, Cpu, Gradients, HasShape, NoneTape, Tensor, Trace, TryMul, ZerosTensor};
use miette::IntoDiagnostic;
use rand::Rng;
use rand::seq::SliceRandom;

/// Options of the baseline; the defaults were chosen on the validation split of the random split.
#[derive(Debug, Clone)]
pub struct BaselineOptions {
    /// Width of the common space.
    pub embedding_size: usize,
    /// Temperature of the loss.
    pub temperature: f32,
    /// Step size of Adam; falls to zero along half a cosine.
    pub learning_rate: f32,
    /// Weight decay, apart from the gradient (AdamW).
    pub weight_decay: f32,
    /// Pairs per batch.
    pub batch_size: usize,
    /// Epochs.
    pub epochs: usize,
    /// Seed of weights and order.
    pub seed: u64,
}

impl Default for BaselineOptions {
    fn default() -> Self {
        Self {
            embedding_size: 128,
            temperature: 0.15,
            learning_rate: 0.002,
            weight_decay: 0.01,
            batch_size: 512,
            epochs: 40,
            seed: 0,
        }
    }
}

impl BaselineOptions {
    /// The defaults with a seed.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }
}

/// Scores of the caption level, both directions averaged where there are two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// nDCG as published, in [0, 1].
    pub ndcg: f64,
    /// mAP as published, in [0, 1].
    pub map: f64,
    /// R@1 from captions to videos, in percent.
    pub t2v_r1: f64,
    /// R@1 from videos to captions, in percent.
    pub v2t_r1: f64,
}

impl From<&LevelEvaluation> for Scores {
    fn from(evaluation: &LevelEvaluation) -> Self {
        let recall = |of: fn(&RankReport) -> f64| evaluation.ranks.as_ref().map_or(f64::NAN, of);
        Self {
            ndcg: evaluation.graded.ndcg_avg(),
            map: evaluation.graded.map_avg().unwrap_or(f64::NAN),
            t2v_r1: recall(|ranks| ranks.t2v.r1),
            v2t_r1: recall(|ranks| ranks.v2t.r1),
        }
    }
}

/// A layer per modality, compared by cosine.
#[derive(Debug, Clone)]
pub struct TwoTowers {
    video: Tower,
    text: Tower,
}

type Layer = Linear<usize, usize, Cpu>;
type Rows<T = NoneTape> = Tensor<(usize, usize), f32, Cpu, T>;

#[derive(Debug, Clone)]
struct Tower {
    layer: Layer,
    weight: AdamMoments<Cpu>,
    bias: AdamMoments<Cpu>,
}

impl Tower {
    fn new(inputs: usize, outputs: usize, rng: &mut impl Rng) -> Result<Self, OpError> {
        let layer = LinearConfig { inputs, outputs }.build(&Cpu::default(), rng)?;
        let moments =
            |n| AdamMoments { first: Cpu::default().zeros_like(&(n,)), second: Cpu::default().zeros_like(&(n,)) };
        Ok(Self { layer, weight: moments(inputs * outputs), bias: moments(outputs) })
    }

    fn embed<T: LayerTape<Cpu>>(&self, rows: Rows<T>) -> Result<Rows<T::Output>, OpError> {
        ops::l2_normalize(self.layer.forward(rows)?, ops::NORM_EPS)
    }

    fn update(&mut self, gradients: &mut Gradients<f32, Cpu>, step: AdamStep) -> Result<(), OpError> {
        ops::adam(&mut self.layer.weight, gradients, &mut self.weight, step)?;
        ops::adam(&mut self.layer.bias, gradients, &mut self.bias, step)
    }
}

impl Parameters<Cpu> for Tower {
    coembed::visit_fields! { Cpu; layer: module }
}

impl Parameters<Cpu> for TwoTowers {
    coembed::visit_fields! { Cpu; video: module, text: module }
}

fn gather(features: &Matrix<f32>, rows: &[usize]) -> Result<Rows, OpError> {
    let values = rows.iter().flat_map(|row| features.row(*row)).copied().collect();
    ops::to_tensor(&Cpu::default(), values, (rows.len(), features.cols()))
}

impl TwoTowers {
    /// Trains on pairs, video `i` with caption `i` (there must be as many of both), and the features of whole captions.
    ///
    /// # Errors
    /// [`OpError`] when the device fails.
    pub fn train(split: &TrainSplit, options: &BaselineOptions) -> Result<Self, OpError> {
        let Features { video, text } = &split.features;
        let mut weights = rng(options.seed, Purpose::Weights, 0, 0);
        let mut towers = Self {
            video: Tower::new(video.cols(), options.embedding_size, &mut weights)?,
            text: Tower::new(text.action.cols(), options.embedding_size, &mut weights)?,
        };
        let batch = options.batch_size.min(video.rows());
        let steps = options.epochs * (video.rows() / batch);
        let mut number = 0;
        for epoch in 0..options.epochs {
            let mut order: Vec<usize> = (0..video.rows()).collect();
            order.shuffle(&mut rng(options.seed, Purpose::Order, epoch, 0));
            for rows in order.chunks_exact(batch) {
                number += 1;
                let cosine = (std::f32::consts::PI * number as f32 / steps as f32).cos();
                let learning_rate = options.learning_rate * 0.5 * (1.0 + cosine);
                let weight_decay = WeightDecay::Decoupled(options.weight_decay);
                let step = AdamStep { number, learning_rate, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay };
                towers.step(gather(video, rows)?, gather(&text.action, rows)?, options.temperature, step)?;
            }
        }
        Ok(towers)
    }

    fn step(&mut self, video: Rows, text: Rows, temperature: f32, step: AdamStep) -> Result<(), OpError> {
        let videos = self.video.embed(ops::data(video))?;
        let texts = self.text.embed(ops::data(text))?;
        let logits = ops::scale(ops::matmul_nt(videos, texts)?, 1.0 / temperature)?;
        let loss = ops::symmetric_cross_entropy(logits)?;
        let mut gradients = loss.try_backward().map_err(|error| OpError::Device(format!("{error:?}")))?;
        self.video.update(&mut gradients, step)?;
        self.text.update(&mut gradients, step)
    }

    /// Trains as JPoSE is trained: the same triplets, margins, optimizer and schedule. What is left of the difference is the
    /// model.
    ///
    /// # Errors
    /// [`RelMarginError`].
    pub fn train_on_triplets(split: &TrainSplit, options: &Options, seed: u64) -> Result<Self, RelMarginError> {
        let Features { video, text } = &split.features;
        let mut weights = rng(seed, Purpose::Weights, 0, 0);
        let mut towers = Self {
            video: Tower::new(video.cols(), options.embedding_size, &mut weights)?,
            text: Tower::new(text.action.cols(), options.embedding_size, &mut weights)?,
        };
        let mut optimizer = Sgd::new(options.sgd());
        let mut sampler = EpochSampler::new(options, Level::Action, seed);
        let relations = &split.relations.action;
        for epoch in 0..options.num_epochs {
            sampler.begin_epoch(relations, epoch)?;
            let batches = sampler.num_batches();
            for batch in 0..batches {
                let gradients = towers.triplet_gradients(&split.features, &sampler.terms(relations, batch))?;
                let time = epoch as f64 + batch as f64 / batches as f64;
                optimizer.set_rate_factor(options.schedule.factor(time, options.num_epochs));
                optimizer.step(&mut towers, gradients)?;
            }
        }
        Ok(towers)
    }

    fn triplet_gradients(&self, features: &Features, terms: &[Term]) -> Result<Gradients<f32, Cpu>, OpError> {
        let device = |error| OpError::Device(format!("{error:?}"));
        let mut gradients = Gradients::leaky();
        for term in terms.iter().filter(|term| !term.anchors.is_empty()) {
            let embed = |modality, rows: &[u32], gradients| {
                let (tower, features) = match modality {
                    Modality::Video => (&self.video, &features.video),
                    Modality::Text => (&self.text, &features.text.action),
                };
                let rows: Vec<usize> = rows.iter().map(|row| *row as usize).collect();
                tower.embed(gather(features, &rows)?.traced(gradients)).map(Embedding::<Caption, _, _, _, _>::new)
            };
            let anchor = embed(term.pair.anchor, &term.anchors, gradients)?;
            let positive = embed(term.pair.other, &term.positives, Gradients::leaky())?;
            let negative = embed(term.pair.other, &term.negatives, Gradients::leaky())?;
            let margins = ops::to_tensor(&Cpu::default(), term.margins.clone(), (term.margins.len(),))?;
            let loss = losses::mean(TripletLoss::default().terms(anchor, positive, negative, &margins)?)?;
            let weighted = loss.try_mul(term.weight / terms.len() as f32).map_err(device)?;
            gradients = weighted.try_backward().map_err(device)?;
        }
        Ok(gradients)
    }

    /// Scores on a split, at caption level.
    ///
    /// # Errors
    /// [`RelMarginError`].
    pub fn evaluate(&self, split: &EvalSplit) -> Result<Scores, RelMarginError> {
        Ok(Scores::from(&self.evaluate_with_ranks(split)?))
    }

    /// The same with the ranks of every query.
    ///
    /// # Errors
    /// [`RelMarginError`].
    pub fn evaluate_with_ranks(&self, split: &EvalSplit) -> Result<LevelEvaluation, RelMarginError> {
        let embed = |tower: &Tower, features: &Matrix<f32>| {
            let all: Vec<usize> = (0..features.rows()).collect();
            let embedded = tower.embed(gather(features, &all)?)?;
            let (rows, width) = *embedded.shape();
            let values = embedded.as_vec();
            Ok::<_, OpError>(Matrix::from_fn(rows, width, |row, column| values[row * width + column]))
        };
        let Features { video, text } = &split.features;
        score(&embed(&self.video, video)?, &embed(&self.text, &text.action)?, split)
    }
}

/// Ranks on a split of a linear model trained with InfoNCE.
///
/// # Errors
/// [`RelMarginError`], and a split without ground truths.
pub fn linear_ranks(train: &TrainSplit, test: &EvalSplit, seed: u64) -> miette::Result<RankReport> {
    let towers = TwoTowers::train(train, &BaselineOptions::seeded(seed)).into_diagnostic()?;
    let ranks = towers.evaluate_with_ranks(test).into_diagnostic()?.ranks;
    ranks.ok_or_else(|| miette::miette!("the split names no ground truths"))
}

/// Scores of random directions: what a model that knows nothing reaches.
///
/// # Errors
/// [`RelMarginError`].
pub fn chance(split: &EvalSplit, seed: u64) -> Result<Scores, RelMarginError> {
    let mut rng = rng(seed, Purpose::Weights, 0, 0);
    let mut random = |rows| Matrix::from_fn(rows, 64, |_, _| rng.random_range(-1.0..1.0f32));
    let (videos, texts) = (random(split.features.video.rows()), random(split.features.text.action.rows()));
    Ok(Scores::from(&score(&videos, &texts, split)?))
}

fn score(videos: &Matrix<f32>, texts: &Matrix<f32>, split: &EvalSplit) -> Result<LevelEvaluation, RelMarginError> {
    LevelEvaluation::new(videos, texts, &split.relevance.action, split.ground_truth.as_deref())
}
