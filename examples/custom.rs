//! A building block of one's own among published ones.
//!
//! Attention pooling makes one vector of a sequence of any length: a mean over the frames that are there, whose weights it learns. Here it stands
//! in a set of experts beside published kinds, under collaborative gating, and is trained with two losses; docs/extending.md explains it.

use std::process::ExitCode;

use coembed::blocks::experts::{ConstKind, ExpertFeatures, PoolingKind, Sequence, Vector};
use coembed::blocks::{Pooled, ReasoningConfig};
use coembed::data::experts::{BatchOptions, Batcher};
use coembed::losses::{InfoNceLoss, MaxMarginLoss, RankingLoss};
use coembed::metrics::rank::RankReport;
use coembed::models::collaborative_experts::CaptionMerge;
use coembed::models::{CollaborativeExpertsConfig, Design, MixtureWeights, TextPooling};
use coembed::ops;
use coembed::prelude::*;
use coembed::recipes::ce::{CeTask, CeTraining, evaluate};
use coembed::run::Job;
use coembed::train::{Adam, AdamConfig, Fit};
use coembed_examples::baseline::linear_ranks;
use coembed_examples::cli::{self, say};
use coembed_examples::demo::{self, Epochs, SEEDS, describe_experts, in_parallel, rank_table};
use coembed_examples::emoji::{self, COLOUR, ExpertSplits, MOTION, PIXELS, SHAPE, Split, WORD_WIDTH};
use miette::{IntoDiagnostic, Result};
use serde::{Deserialize, Serialize};

/// Memory is freed and asked for again with every batch; this allocator keeps it at hand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `y = Σ_n a_n x_n` with `a = softmax_n(v · tanh(W x_n + b) + c)` over the frames that are there, and a hidden layer of this width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attention(usize);

#[derive(Debug)]
pub struct AttentionPooling<W: Dim, D: OpsDevice> {
    hidden: Linear<W, usize, D>,
    score: Linear<usize, Const<1>, D>,
}

impl<W: Dim, D: OpsDevice> Parameters<D> for AttentionPooling<W, D> {
    coembed::visit_fields! { D; hidden: module, score: module }
}

impl PoolingKind for Attention {
    type Block<W: Dim, D: OpsDevice> = AttentionPooling<W, D>;

    fn num_parameters<D: OpsDevice>(&self, width: usize) -> usize {
        (width + 2) * self.0 + 1
    }

    fn build<W: Dim, D: OpsDevice>(&self, w: W, device: &D, rng: &mut impl Rng) -> Result<Self::Block<W, D>, OpError> {
        let hidden = LinearConfig { inputs: w, outputs: self.0 }.build(device, rng)?;
        let score = LinearConfig { inputs: self.0, outputs: Const }.build(device, rng)?;
        Ok(AttentionPooling { hidden, score })
    }

    fn pool<B: Dim, W: Dim, D: OpsDevice, T: LayerTape<D>>(
        of: &AttentionPooling<W, D>,
        features: ExpertFeatures<B, D, T, W>,
        _: Phase,
    ) -> Result<Pooled<B, D, T>, OpError> {
        let (frames, mask) = features.into_sequence()?.into_masked()?;
        let (batch, steps, width) = *frames.shape();
        let hidden = ops::tanh(of.hidden.forward_rows(frames.with_empty_tape())?)?;
        let scores = ops::reshape(of.score.forward_rows(hidden)?, (batch, steps))?;
        let weights = ops::reshape(ops::masked_softmax(scores, &mask)?, (batch, Const::<1>, steps))?;
        Ok(Pooled::Computed(ops::reshape(ops::matmul(weights, frames)?, (batch, width.size()))?))
    }
}

/// The options as a type.
#[derive(Debug)]
pub struct Hidden<const H: usize>;

impl<const H: usize> ConstKind for Hidden<H> {
    type Kind = Attention;
    const KIND: Attention = Attention(H);
}

coembed::experts! {
    /// Three published kinds of expert and the new one, to be gated by each other.
    Pictures, features PictureFeatures, pooling PicturePooling {
        colour: Vector<COLOUR>,
        motion: Sequence<MOTION, Hidden<16>>,
        pixels: Vector<PIXELS>,
        shape: Vector<SHAPE>,
    }
}

const EPOCHS: usize = 12;

fn train<D: OpsDevice>(device: &D, of: &ExpertSplits, run: (RankingLoss, u64), bar: &Epochs) -> Result<RankReport> {
    let (loss, seed) = run;
    let network = CollaborativeExpertsConfig {
        experts: Pictures,
        words: Const::<WORD_WIDTH>,
        text: TextPooling::NetVlad { clusters: 10, ghosts: 1 },
        common: Const::<128>,
        design: Design::Collaborative(ReasoningConfig::default()),
        weights: MixtureWeights::Text,
    };
    let mut model = network.build(device, &mut rng(seed, Purpose::Weights, 0, 0)).into_diagnostic()?;
    let batches = BatchOptions { max_words: 8, ..BatchOptions::default() };
    let test = Batcher::new(&of.test, batches.clone()).into_diagnostic()?;
    let options = CeTraining { batches, loss, seed, ..CeTraining::default() };
    let task = CeTask::new(options, device, &of.train, &of.validation).into_diagnostic()?;
    let adam = Adam::new(AdamConfig { learning_rate: 0.002, ..AdamConfig::default() });
    demo::train(device, (task, &mut model), adam, &Fit { epochs: EPOCHS, seed, ..Fit::default() }, bar)?;
    Ok(evaluate(&model, device, &test, 1, CaptionMerge::Independent, 0).into_diagnostic()?.report)
}

/// Both losses, beside one linear layer for pictures and one for names.
struct Demonstration;

impl Job for Demonstration {
    type Output = Result<()>;

    fn run<D: OpsDevice>(self, _: D) -> Result<()> {
        let data = emoji::load(Split::Random, 0).into_diagnostic()?;
        let splits = emoji::expert_splits(&data, 0).into_diagnostic()?;
        say(format!("{}\n", describe_experts(&splits, &data.digest)));
        let max_margin = RankingLoss::MaxMargin(MaxMarginLoss { margin: 0.2, fix_norm: true });
        let losses = [max_margin, RankingLoss::InfoNce(InfoNceLoss::default())];
        let runs: Vec<_> = losses.iter().flat_map(|loss| SEEDS.map(|seed| (*loss, seed))).collect();
        let bar = Epochs::new(runs.len() * EPOCHS);
        let reports = in_parallel(&runs, |device: &D, run| train(device, &splits, *run, &bar))?;
        bar.finish();
        let linear = in_parallel(&SEEDS, |_: &Cpu, seed| linear_ranks(&data.train, &data.test, *seed))?;
        let rows = [
            ("linear two-tower, InfoNCE", linear),
            ("attention pooling among experts, max margin", reports[..SEEDS.len()].to_vec()),
            ("attention pooling among experts, InfoNCE", reports[SEEDS.len()..].to_vec()),
        ];
        say(format!("percent (MdR, MnR: ranks), mean ± sample deviation over 3 seeds\n{}", rank_table(&rows)?));
        Ok(())
    }
}

fn main() -> ExitCode {
    cli::demo("custom", Demonstration)
}
