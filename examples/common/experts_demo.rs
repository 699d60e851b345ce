//! Training on the built-in data: what the demonstrations of Collaborative Experts and of TeachText share.

use std::num::NonZero;
use std::sync::atomic::AtomicBool;

use coembed::blocks::{Config, ExpertConfig, ExpertList, Pooling, ReasoningConfig};
use coembed::data::experts::{BatchOptions, Batcher, ExpertSplit, FeatureKind};
use coembed::losses::{MaxMarginLoss, TeacherScale};
use coembed::metrics::rank::RankReport;
use coembed::models::collaborative_experts::CaptionMerge;
use coembed::models::{CollaborativeExpertsConfig, Design, MixtureWeights, TextPooling};
use coembed::recipes::ce::{CeModel, CeTask, CeTraining, evaluate};
use coembed::report::{MeanStd, Table};
use coembed::train::{Fit, Observer, Progress, Purpose, Ranger, RangerConfig, Schedule, rng};
use dfdx::prelude::Cpu;
use indicatif::{ProgressBar, ProgressStyle};
use miette::{IntoDiagnostic, Result, miette};
use rayon::prelude::*;

use crate::emoji::ExpertSplits;

pub const SEEDS: [u64; 3] = [0, 1, 2];
/// Epochs of one run, after which the network is judged. Chosen on the validation split, as are the other options.
pub const EPOCHS: usize = 16;

/// The network of the demonstrations: the published form with smaller sizes.
pub fn network(
    split: &ExpertSplit,
    design: Design,
    weights: MixtureWeights,
) -> CollaborativeExpertsConfig<ExpertList, usize, usize> {
    let experts = split.experts.iter().map(|expert| ExpertConfig {
        name: expert.name.clone(),
        width: expert.width(),
        pooling: match expert.kind {
            FeatureKind::Fixed => Pooling::None,
            FeatureKind::Sequence { .. } => Pooling::NetVlad { clusters: 4 },
        },
        own_width: None,
    });
    CollaborativeExpertsConfig {
        experts: ExpertList(experts.collect()),
        words: split.captions.width(),
        text: TextPooling::NetVlad { clusters: 10, ghosts: 1 },
        common: 128,
        design,
        weights,
    }
}

/// Collaborative gating as published.
pub fn collaborative() -> Design {
    Design::Collaborative(ReasoningConfig::default())
}

pub fn training(distil: Option<TeacherScale>, seed: u64) -> CeTraining {
    CeTraining {
        batch_size: 64,
        batches: BatchOptions { max_words: 8, ..BatchOptions::default() },
        loss: MaxMarginLoss { margin: 0.2, fix_norm: true },
        distil,
        test_captions: 1,
        caption_merge: CaptionMerge::Independent,
        seed,
    }
}

struct Ticks<'b>(&'b ProgressBar);

impl Observer for Ticks<'_> {
    fn epoch_ends(&mut self, _: usize, _: &[(String, f64)]) {
        self.0.inc(1);
    }
}

/// Trains a network; `splits` may bring teachers.
pub fn train(
    splits: &ExpertSplits,
    config: &CollaborativeExpertsConfig<ExpertList, usize, usize>,
    training: CeTraining,
    bar: &ProgressBar,
) -> Result<CeModel<Cpu>> {
    let device = Cpu::default();
    let mut model = config.build(&device, &mut rng(training.seed, Purpose::Weights, 0, 0)).into_diagnostic()?;
    let mut task = CeTask::new(training, &device, &splits.train, &splits.validation).into_diagnostic()?;
    let ranger = RangerConfig { learning_rate: 0.03, weight_decay: 1e-3, ..RangerConfig::default() };
    let fit = Fit {
        epochs: EPOCHS,
        schedule: Schedule::StepDecay { epochs: NonZero::<usize>::MIN, gamma: 0.9 },
        ..Fit::default()
    };
    let (never, mut optimizer) = (AtomicBool::new(false), Ranger::new(ranger));
    fit.run(&mut task, &mut model, &mut optimizer, Progress::default(), &mut Ticks(bar), &never).into_diagnostic()?;
    Ok(model)
}

/// Scores on a split.
pub fn judge(model: &CeModel<Cpu>, split: &ExpertSplit) -> Result<RankReport> {
    let batcher = Batcher::new(split, training(None, 0).batches).into_diagnostic()?;
    Ok(evaluate(model, &Cpu::default(), &batcher, 1, CaptionMerge::Independent, 0).into_diagnostic()?.report)
}

/// A bar over so many epochs.
pub fn bar(runs: usize) -> ProgressBar {
    let bar = ProgressBar::new((runs * EPOCHS) as u64);
    match ProgressStyle::with_template("training {bar:40} {pos}/{len} epochs {elapsed}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Runs are independent and share the cores better than the small products within each would; the results are the same bits either way.
pub fn in_parallel<I: Sync, O: Send>(runs: &[I], run: impl Fn(&I) -> Result<O> + Sync) -> Result<Vec<O>> {
    let on_one_thread = |item: &I| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().into_diagnostic()?;
        pool.install(|| run(item))
    };
    runs.par_iter().map(on_one_thread).collect()
}

/// Mean and sample deviation over seeds, one row for each name.
pub fn table(rows: &[(&str, Vec<RankReport>)]) -> Result<Table> {
    let heads = ["t2v", "R@1", "R@5", "R@10", "MdR", "MnR", "Geom", "v2t R@1"];
    let mut table = Table::new(heads);
    for (name, reports) in rows {
        let cell = |of: fn(&RankReport) -> f64| {
            let values: Vec<f64> = reports.iter().map(of).collect();
            MeanStd::of(&values).map(|m| m.plain()).ok_or_else(|| miette!("no runs"))
        };
        table.row([
            name.to_string(),
            cell(|r| r.t2v.r1)?,
            cell(|r| r.t2v.r5)?,
            cell(|r| r.t2v.r10)?,
            cell(|r| r.t2v.median)?,
            cell(|r| r.t2v.mean)?,
            cell(|r| r.t2v.geometric_mean())?,
            cell(|r| r.v2t.r1)?,
        ]);
    }
    Ok(table)
}

/// What the data are, and what a number rests on.
pub fn describe(splits: &ExpertSplits, digest: &str) -> String {
    let missing = |split: &ExpertSplit| {
        let shape = split.experts.iter().find(|expert| expert.flaky);
        shape.map_or(0, |shape| (0..split.videos.len()).filter(|&video| shape.get(video).is_none()).count())
    };
    format!(
        "Pictures with names (Twemoji, CC-BY 4.0) play videos with captions. Experts: colour, motion, pixels and shape, which {} of {} pictures\n\
         to train on and {} of {} to test do not have. Random split; data {}; coembed {}.",
        missing(&splits.train),
        splits.train.videos.len(),
        missing(&splits.test),
        splits.test.videos.len(),
        &digest[..12.min(digest.len())],
        env!("CARGO_PKG_VERSION"),
    )
}
