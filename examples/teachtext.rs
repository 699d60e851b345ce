//! TeachText: a student that also learns the similarities of teachers, which read the captions through other text encoders.
//!
//! Croitoru, Bogolin, Leordeanu, Jin, Zisserman, Albanie & Liu, "TeachText: CrossModal Generalized Distillation for Text-Video Retrieval",
//! ICCV 2021.
//!
//! Without arguments: a student with and without teachers on built-in data. `train`, `eval`, `params`, `rows` and `import-config` take the
//! published configurations of `paper-repros/teachtext`; `--help` lists their options.

use std::num::NonZero;
use std::process::ExitCode;

use coembed::blocks::{ExpertConfig, ExpertList, Pooling, ReasoningConfig};
use coembed::data::experts::{BatchOptions, Batcher, ExpertSplit, FeatureKind, Teacher};
use coembed::losses::{MaxMarginLoss, RankingLoss, TeacherScale};
use coembed::metrics::rank::RankReport;
use coembed::models::collaborative_experts::CaptionMerge;
use coembed::models::{CollaborativeExperts, CollaborativeExpertsConfig, Design, MixtureWeights, TextPooling};
use coembed::prelude::*;
use coembed::recipes::ce::{CeTask, CeTraining, CollaborativeExpertsRecipe, as_teacher, evaluate};
use coembed::run::Job;
use coembed::train::{Fit, Ranger, RangerConfig, Schedule};
use coembed_examples::cli::say;
use coembed_examples::demo::{self, Epochs, SEEDS, describe_experts, in_parallel, rank_table};
use coembed_examples::emoji::{self, EmojiData, ExpertSplits, Split, expert_splits};
use coembed_examples::programs;
use miette::{IntoDiagnostic, Result};

/// Text encoders of the teachers: other word vectors than the student's, 0.
const TEACHERS: [u64; 2] = [1, 2];
const EPOCHS: usize = 16;

/// Memory is freed and asked for again with every batch; this allocator keeps it at hand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    programs::collaborative_experts(CollaborativeExpertsRecipe::TeachText, Demonstration)
}

/// Its sizes are those of the data.
type Network<D> = CollaborativeExperts<ExpertList, usize, usize, D>;

/// The network of a split's experts, whatever they are: teachers and students differ in their words alone.
fn network(split: &ExpertSplit) -> CollaborativeExpertsConfig<ExpertList, usize, usize> {
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
        design: Design::Collaborative(ReasoningConfig::default()),
        weights: MixtureWeights::Text,
    }
}

fn batches() -> BatchOptions {
    BatchOptions { max_words: 8, ..BatchOptions::default() }
}

/// Max margin; and with teachers the distance of the similarities from theirs.
fn train<D: OpsDevice>(
    device: &D,
    splits: &ExpertSplits,
    distil: Option<TeacherScale>,
    seed: u64,
    bar: &Epochs,
) -> Result<Network<D>> {
    let options = CeTraining {
        batches: batches(),
        loss: RankingLoss::MaxMargin(MaxMarginLoss { margin: 0.2, fix_norm: true }),
        distil,
        seed,
        ..CeTraining::default()
    };
    let mut model = network(&splits.train).build(device, &mut rng(seed, Purpose::Weights, 0, 0)).into_diagnostic()?;
    let task = CeTask::new(options, device, &splits.train, &splits.validation).into_diagnostic()?;
    let ranger = RangerConfig { learning_rate: 0.03, weight_decay: 1e-3, ..RangerConfig::default() };
    let schedule = Schedule::StepDecay { epochs: NonZero::<usize>::MIN, gamma: 0.9 };
    let fit = Fit { epochs: EPOCHS, schedule, seed, ..Fit::default() };
    demo::train(device, (task, &mut model), Ranger::new(ranger), &fit, bar)?;
    Ok(model)
}

fn evaluate_on<D: OpsDevice>(device: &D, model: &Network<D>, split: &ExpertSplit) -> Result<RankReport> {
    let batcher = Batcher::new(split, batches()).into_diagnostic()?;
    Ok(evaluate(model, device, &batcher, 1, CaptionMerge::Independent, 0).into_diagnostic()?.report)
}

/// Scores on the test split of one seed.
struct Run {
    teachers: Vec<RankReport>,
    alone: RankReport,
    sums: RankReport,
    means: RankReport,
}

fn with_and_without<D: OpsDevice>(device: &D, data: &EmojiData, seed: u64, bar: &Epochs) -> Result<Run> {
    let (mut teachers, mut reports): (Vec<Teacher>, _) = (vec![], vec![]);
    for encoder in TEACHERS {
        let splits = expert_splits(data, encoder).into_diagnostic()?;
        let teacher = train(device, &splits, None, seed, bar)?;
        reports.push(evaluate_on(device, &teacher, &splits.test)?);
        let batcher = Batcher::new(&splits.train, batches()).into_diagnostic()?;
        teachers.push(as_teacher(&teacher, device, &batcher, &format!("text encoder {encoder}")).into_diagnostic()?);
    }
    let mut splits = expert_splits(data, 0).into_diagnostic()?;
    let alone = evaluate_on(device, &train(device, &splits, None, seed, bar)?, &splits.test)?;
    splits.train.teachers = teachers;
    let taught = |scale| evaluate_on(device, &train(device, &splits, Some(scale), seed, bar)?, &splits.test);
    Ok(Run { teachers: reports, alone, sums: taught(TeacherScale::Sum)?, means: taught(TeacherScale::Mean)? })
}

struct Demonstration;

impl Job for Demonstration {
    type Output = Result<()>;

    fn run<D: OpsDevice>(self, _: D) -> Result<()> {
        let data = emoji::load(Split::Random, 0).into_diagnostic()?;
        say(describe_experts(&expert_splits(&data, 0).into_diagnostic()?, &data.digest));
        say(format!(
            "Students read words through one set of vectors, their {} teachers through others.\n",
            TEACHERS.len()
        ));
        let bar = Epochs::new(SEEDS.len() * (TEACHERS.len() + 3) * EPOCHS);
        let runs = in_parallel(&SEEDS, |device: &D, seed| with_and_without(device, &data, *seed, &bar))?;
        bar.finish();
        let of = |pick: fn(&Run) -> &RankReport| runs.iter().map(|run| pick(run).clone()).collect::<Vec<_>>();
        let rows = [
            ("teachers", runs.iter().flat_map(|run| run.teachers.clone()).collect()),
            ("student alone", of(|run| &run.alone)),
            ("student, sums of the teachers' experts (as published)", of(|run| &run.sums)),
            ("student, means of the teachers' experts", of(|run| &run.means)),
        ];
        let table = rank_table(&rows)?;
        say(format!("percent (MdR, MnR: ranks), mean and sample deviation over {} seeds\n{table}", SEEDS.len()));
        Ok(())
    }
}
