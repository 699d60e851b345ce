//! TeachText: a student that also learns the similarities of teachers, which read the captions through other text encoders.
//!
//! Croitoru, Bogolin, Leordeanu, Jin, Zisserman, Albanie & Liu, "TeachText: CrossModal Generalized Distillation for Text-Video Retrieval",
//! ICCV 2021.
//!
//! Without arguments: a student with and without teachers on built-in data. `train`, `eval`, `params` and `import-config` take the published
//! configurations of `paper-repros/teachtext`; `--help` lists their options.

#[path = "common/ce_cli.rs"]
mod ce_cli;
#[path = "common/config.rs"]
mod config;
#[path = "common/device.rs"]
mod device;
#[path = "common/emoji/mod.rs"]
mod emoji;
#[path = "common/experts_demo.rs"]
mod experts_demo;
#[path = "common/progress.rs"]
mod progress;
#[path = "common/restore.rs"]
mod restore;

use std::process::ExitCode;

use coembed::data::experts::{Batcher, Teacher};
use coembed::losses::TeacherScale;
use coembed::metrics::rank::RankReport;
use coembed::models::MixtureWeights;
use coembed::recipes::ce::as_teacher;
use dfdx::prelude::Cpu;
use emoji::{EmojiData, expert_splits};
use experts_demo::{SEEDS, bar, collaborative, describe, in_parallel, judge, network, table, train, training};
use indicatif::ProgressBar;
use miette::{IntoDiagnostic, Result};

/// Memory is freed and asked for again with every batch; this allocator keeps it at hand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Text encoders of the teachers: other word vectors than the student's, 0.
const TEACHERS: [u64; 2] = [1, 2];

fn main() -> ExitCode {
    ce_cli::main(demo)
}

fn demo() -> Result<()> {
    let data = emoji::load(emoji::Split::Random, 0).into_diagnostic()?;
    println!("{}", describe(&expert_splits(&data, 0).into_diagnostic()?, &data.digest));
    println!("Students read words through one set of vectors, their {} teachers through others.\n", TEACHERS.len());
    let bar = bar(SEEDS.len() * (TEACHERS.len() + 3));
    let runs = in_parallel(&SEEDS, |seed| with_and_without(&data, *seed, &bar))?;
    bar.finish_and_clear();
    let of = |pick: fn(&Run) -> &RankReport| runs.iter().map(|run| pick(run).clone()).collect::<Vec<_>>();
    let teachers = runs.iter().flat_map(|run| run.teachers.clone()).collect();
    let rows = [
        ("teachers", teachers),
        ("student alone", of(|run| &run.alone)),
        ("student, sums of the teachers' experts (as published)", of(|run| &run.sums)),
        ("student, means of the teachers' experts", of(|run| &run.means)),
    ];
    println!("percent (MdR, MnR: ranks), mean and sample deviation over {} seeds\n{}", SEEDS.len(), table(&rows)?);
    Ok(())
}

/// Scores on the test split.
struct Run {
    teachers: Vec<RankReport>,
    alone: RankReport,
    sums: RankReport,
    means: RankReport,
}

fn with_and_without(data: &EmojiData, seed: u64, bar: &ProgressBar) -> Result<Run> {
    let (mut teachers, mut reports): (Vec<Teacher>, _) = (vec![], vec![]);
    for encoder in TEACHERS {
        let splits = expert_splits(data, encoder).into_diagnostic()?;
        let config = network(&splits.train, collaborative(), MixtureWeights::Text);
        let teacher = train(&splits, &config, training(None, seed), bar)?;
        reports.push(judge(&teacher, &splits.test)?);
        let batcher = Batcher::new(&splits.train, training(None, seed).batches).into_diagnostic()?;
        let name = format!("text encoder {encoder}");
        teachers.push(as_teacher(&teacher, &Cpu::default(), &batcher, &name).into_diagnostic()?);
    }
    let mut splits = expert_splits(data, 0).into_diagnostic()?;
    let config = network(&splits.train, collaborative(), MixtureWeights::Text);
    let alone = judge(&train(&splits, &config, training(None, seed), bar)?, &splits.test)?;
    splits.train.teachers = teachers;
    let taught = |scale| judge(&train(&splits, &config, training(Some(scale), seed), bar)?, &splits.test);
    Ok(Run { teachers: reports, alone, sums: taught(TeacherScale::Sum)?, means: taught(TeacherScale::Mean)? })
}
