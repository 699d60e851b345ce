//! What the models must beat: chance, and one linear layer per modality.

// Every program uses a part of this.
#![allow(dead_code)]

use coembed::blocks::{Config, Linear, LinearConfig, Parameters};
use coembed::data::retrieval::{EvalSplit, Features, TrainSplit};
use coembed::losses::{self, TripletLoss};
use coembed::matrix::Matrix;
use coembed::metrics::rank::RankReport;
use coembed::models::Caption;
use coembed::ops::{self, OpError};
use coembed::recipes::relmargin::{EpochSampler, LevelEvaluation, Modality, Options, RelMarginError, Term};
use coembed::relevance::Level;
use coembed::space::Embedding;
use coembed::train::{Purpose, Sgd, rng};
use dfdx::prelude::{
    Axes2, Backward, Cpu, Gradients, HasShape, NoneTape, PermuteTo, Rank0, Shape, SumTo, Tape, Tensor, Trace,
    TryMatMul, TryMul,
};
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
            map: evaluation.graded.map_avg(),
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
    weight: Moments,
    bias: Moments,
}

/// First and second moments of a parameter's gradients (Adam).
#[derive(Debug, Clone, Default)]
struct Moments([Vec<f32>; 2]);

/// Where an optimizer stands.
struct Step {
    number: i32,
    learning_rate: f32,
    weight_decay: f32,
}

impl Moments {
    /// One step of AdamW (Loshchilov & Hutter 2019) with the usual constants.
    fn update<S: Shape>(
        &mut self,
        parameter: &mut Tensor<S, f32, Cpu>,
        gradients: &Gradients<f32, Cpu>,
        step: &Step,
    ) -> Result<(), OpError> {
        let (gradient, mut values) = (gradients.get(parameter).as_vec(), parameter.as_vec());
        let [first, second] = &mut self.0;
        first.resize(values.len(), 0.0);
        second.resize(values.len(), 0.0);
        let (lost_first, lost_second) = (1.0 - 0.9f32.powi(step.number), 1.0 - 0.999f32.powi(step.number));
        for (((value, g), m), v) in values.iter_mut().zip(gradient).zip(first).zip(second) {
            *m = 0.9 * *m + 0.1 * g;
            *v = 0.999 * *v + 0.001 * g * g;
            let direction = (*m / lost_first) / ((*v / lost_second).sqrt() + 1e-8);
            *value -= step.learning_rate * (direction + step.weight_decay * *value);
        }
        parameter.copy_from(&values);
        Ok(())
    }
}

impl Tower {
    fn new(inputs: usize, outputs: usize, rng: &mut impl Rng) -> Result<Self, OpError> {
        let layer = LinearConfig { inputs, outputs }.build(&Cpu::default(), rng)?;
        Ok(Self { layer, weight: Moments::default(), bias: Moments::default() })
    }

    fn embed<T: Tape<f32, Cpu>>(&self, rows: Rows<T>) -> Result<Rows<T>, OpError> {
        ops::l2_normalize(self.layer.forward(rows)?, ops::NORM_EPS)
    }

    fn update(&mut self, gradients: &Gradients<f32, Cpu>, step: &Step) -> Result<(), OpError> {
        self.weight.update(&mut self.layer.weight, gradients, step)?;
        self.bias.update(&mut self.layer.bias, gradients, step)
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

/// Gradient of the symmetric InfoNCE loss of `n x n` similarities (matches on the diagonal) with respect to them:
/// `(softmax of rows + softmax of columns - 2 I) / (2 n temperature)`.
fn info_nce_gradient(similarity: &[f32], n: usize, temperature: f32) -> Vec<f32> {
    let mut gradient = vec![0.0; n * n];
    let rows = |i: usize, j: usize| i * n + j;
    let columns = |i: usize, j: usize| j * n + i;
    for at in [&rows as &dyn Fn(usize, usize) -> usize, &columns] {
        for i in 0..n {
            // Similarities are cosines: no overflow below a temperature of 0.0125.
            let scores: Vec<f32> = (0..n).map(|j| ((similarity[at(i, j)] - 1.0) / temperature).exp()).collect();
            let sum: f32 = scores.iter().sum();
            scores.iter().enumerate().for_each(|(j, score)| gradient[at(i, j)] += score / sum);
        }
    }
    (0..n).for_each(|i| gradient[rows(i, i)] -= 2.0);
    gradient.iter_mut().for_each(|g| *g /= 2.0 * n as f32 * temperature);
    gradient
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
            text: Tower::new(text.caption.cols(), options.embedding_size, &mut weights)?,
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
                let step = Step { number, learning_rate, weight_decay: options.weight_decay };
                towers.step(gather(video, rows)?, gather(&text.caption, rows)?, options.temperature, &step)?;
            }
        }
        Ok(towers)
    }

    fn step(&mut self, video: Rows, text: Rows, temperature: f32, step: &Step) -> Result<(), OpError> {
        let device = |error| OpError::Device(format!("{error:?}"));
        let n = video.shape().0;
        let videos = self.video.embed(video.leaky_traced())?;
        let texts = self.text.embed(text.leaky_traced())?;
        let similarity = videos.try_matmul(texts.try_permute::<_, Axes2<1, 0>>().map_err(device)?).map_err(device)?;
        let gradient = info_nce_gradient(&similarity.as_vec(), n, temperature);
        // A scalar whose gradient is that of the loss.
        let gradient = ops::to_tensor(&Cpu::default(), gradient, (n, n))?;
        let scalar = similarity.try_mul(gradient).map_err(device)?.try_sum::<Rank0, _>().map_err(device)?;
        let gradients = scalar.try_backward().map_err(device)?;
        self.video.update(&gradients, step)?;
        self.text.update(&gradients, step)
    }

    /// Trains as JPoSE is trained: the same triplets, margins, optimizer and schedule. What is left of the difference is the
    /// model.
    ///
    /// # Errors
    /// [`RelMarginError`].
    pub fn train_on_triplets(split: &TrainSplit, options: &Options) -> Result<Self, RelMarginError> {
        let Features { video, text } = &split.features;
        let mut weights = rng(options.seed, Purpose::Weights, 0, 0);
        let mut towers = Self {
            video: Tower::new(video.cols(), options.embedding_size, &mut weights)?,
            text: Tower::new(text.caption.cols(), options.embedding_size, &mut weights)?,
        };
        let mut optimizer = Sgd::new(options.sgd());
        let mut sampler = EpochSampler::new(options, Level::Caption);
        let relations = &split.relations.caption;
        for epoch in 0..options.num_epochs {
            sampler.begin_epoch(options, relations, epoch)?;
            let batches = sampler.num_batches();
            for batch in 0..batches {
                let gradients = towers.triplet_gradients(&split.features, &sampler.terms(relations, batch))?;
                let done = (epoch as f64 + batch as f64 / batches as f64) / options.num_epochs as f64;
                optimizer.set_rate_factor(options.schedule.factor(done));
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
                    Modality::Text => (&self.text, &features.text.caption),
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
        let embed = |tower: &Tower, features: &Matrix<f32>| {
            let all: Vec<usize> = (0..features.rows()).collect();
            let embedded = tower.embed(gather(features, &all)?)?;
            let (rows, width) = *embedded.shape();
            let values = embedded.as_vec();
            Ok::<_, OpError>(Matrix::from_fn(rows, width, |row, column| values[row * width + column]))
        };
        let Features { video, text } = &split.features;
        score(&embed(&self.video, video)?, &embed(&self.text, &text.caption)?, split)
    }
}

/// Scores of random directions: what a model that knows nothing reaches.
///
/// # Errors
/// [`RelMarginError`].
pub fn chance(split: &EvalSplit, seed: u64) -> Result<Scores, RelMarginError> {
    let mut rng = rng(seed, Purpose::Weights, 0, 0);
    let mut random = |rows| Matrix::from_fn(rows, 64, |_, _| rng.random_range(-1.0..1.0f32));
    let (videos, texts) = (random(split.features.video.rows()), random(split.features.text.caption.rows()));
    score(&videos, &texts, split)
}

fn score(videos: &Matrix<f32>, texts: &Matrix<f32>, split: &EvalSplit) -> Result<Scores, RelMarginError> {
    let relevance = &split.relevance.caption;
    Ok(Scores::from(&LevelEvaluation::new(videos, texts, relevance, split.ground_truth.as_deref())?))
}
