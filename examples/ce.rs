//! Collaborative Experts (CE) and the Mixture of Embedding Experts (MoEE).
//!
//! Liu, Albanie, Nagrani & Zisserman, "Use What You Have: Video Retrieval Using Representations From Collaborative Experts", BMVC 2019.
//! A video is a set of expert vectors, some missing; every expert is projected to a common space and gated by what the others agree on; the
//! text weights the experts' similarities.
//!
//! Without arguments: the paper's ablation on built-in data. `train`, `eval`, `params`, `rows` and `import-config` take the published
//! configurations of `paper-repros/ce`; `--help` lists their options.

use std::num::NonZero;
use std::process::ExitCode;

use coembed::blocks::ReasoningConfig;
use coembed::blocks::experts::{NetVladFrames, Vector};
use coembed::data::experts::{BatchOptions, Batcher};
use coembed::losses::{MaxMarginLoss, RankingLoss};
use coembed::metrics::rank::RankReport;
use coembed::models::collaborative_experts::CaptionMerge;
use coembed::models::{CollaborativeExpertsConfig, Design, MixtureWeights, TextPooling};
use coembed::prelude::*;
use coembed::recipes::ce::{CeTask, CeTraining, CollaborativeExpertsRecipe, evaluate};
use coembed::run::Job;
use coembed::train::{Fit, Ranger, RangerConfig, Schedule};
use coembed_examples::cli::say;
use coembed_examples::demo::{self, Epochs, SEEDS, describe_experts, in_parallel, rank_table};
use coembed_examples::emoji::{self, COLOUR, ExpertSplits, MOTION, PIXELS, SHAPE, Split, WORD_WIDTH};
use coembed_examples::programs;
use miette::{IntoDiagnostic, Result};

/// Memory is freed and asked for again with every batch; this allocator keeps it at hand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    programs::collaborative_experts(CollaborativeExpertsRecipe::CollaborativeExperts, Ablation)
}

coembed::experts! {
    /// What is known of a picture: vectors, and the motion of every cell as a sequence.
    Pictures, features PictureFeatures, pooling PicturePooling {
        colour: Vector<COLOUR>,
        motion: NetVladFrames<MOTION, 4>,
        pixels: Vector<PIXELS>,
        shape: Vector<SHAPE>,
    }
}

/// Epochs of one run, after which the network is judged. Chosen on the validation split, as are the other options.
const EPOCHS: usize = 16;

/// Experts pooled, projected, gated, compared with words pooled by NetVLAD; max margin; ranks on the test split.
fn train<D: OpsDevice>(
    device: &D,
    splits: &ExpertSplits,
    (design, weights): (Design, MixtureWeights),
    seed: u64,
    bar: &Epochs,
) -> Result<RankReport> {
    let network = CollaborativeExpertsConfig {
        experts: Pictures,
        words: Const::<WORD_WIDTH>,
        text: TextPooling::NetVlad { clusters: 10, ghosts: 1 },
        common: Const::<128>,
        design,
        weights,
    };
    let mut model = network.build(device, &mut rng(seed, Purpose::Weights, 0, 0)).into_diagnostic()?;
    let options = CeTraining {
        batches: BatchOptions { max_words: 8, ..BatchOptions::default() },
        loss: RankingLoss::MaxMargin(MaxMarginLoss { margin: 0.2, fix_norm: true }),
        seed,
        ..CeTraining::default()
    };
    let batches = options.batches.clone();
    let task = CeTask::new(options, device, &splits.train, &splits.validation).into_diagnostic()?;
    let ranger = RangerConfig { learning_rate: 0.03, weight_decay: 1e-3, ..RangerConfig::default() };
    let schedule = Schedule::StepDecay { epochs: NonZero::<usize>::MIN, gamma: 0.9 };
    let fit = Fit { epochs: EPOCHS, schedule, seed, ..Fit::default() };
    demo::train(device, (task, &mut model), Ranger::new(ranger), &fit, bar)?;
    let test = Batcher::new(&splits.test, batches).into_diagnostic()?;
    Ok(evaluate(&model, device, &test, 1, CaptionMerge::Independent, 0).into_diagnostic()?.report)
}

/// The ablation of the paper (its table 3): without mixture weights, projections and collaborative gating, and with more and more of them.
struct Ablation;

impl Job for Ablation {
    type Output = Result<()>;

    fn run<D: OpsDevice>(self, _: D) -> Result<()> {
        let data = emoji::load(Split::Random, 0).into_diagnostic()?;
        let splits = emoji::expert_splits(&data, 0).into_diagnostic()?;
        say(format!("{}\n", describe_experts(&splits, &data.digest)));
        let collaborative = Design::Collaborative(ReasoningConfig::default());
        let designs = [
            ("CE - MW,P,CG", (Design::Own, MixtureWeights::Uniform)),
            ("CE - P,CG (MoEE)", (Design::Own, MixtureWeights::Text)),
            ("CE - CG", (Design::Projected, MixtureWeights::Text)),
            ("CE", (collaborative, MixtureWeights::Text)),
        ];
        let runs: Vec<_> = designs.iter().flat_map(|(_, design)| SEEDS.map(|seed| (*design, seed))).collect();
        let bar = Epochs::new(runs.len() * EPOCHS);
        let reports = in_parallel(&runs, |device: &D, (design, seed)| train(device, &splits, *design, *seed, &bar))?;
        bar.finish();
        let by_design = designs.iter().zip(reports.chunks(SEEDS.len()));
        let rows: Vec<_> = by_design.map(|((name, _), reports)| (*name, reports.to_vec())).collect();
        let table = rank_table(&rows)?;
        say(format!("percent (MdR, MnR: ranks), mean and sample deviation over {} seeds\n{table}", SEEDS.len()));
        Ok(())
    }
}
