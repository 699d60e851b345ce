//! Collaborative Experts (CE) and the Mixture of Embedding Experts (MoEE).
//!
//! Liu, Albanie, Nagrani & Zisserman, "Use What You Have: Video Retrieval Using Representations From Collaborative Experts", BMVC 2019.
//! A video is a set of expert vectors, some missing; every expert is projected to a common space and gated by what the others agree on; the
//! text weights the experts' similarities.
//!
//! Without arguments: the paper's ablation on built-in data. `train`, `eval`, `params` and `import-config` take the published
//! configurations of `paper-repros/ce`; `--help` lists their options.

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

use coembed::metrics::rank::RankReport;
use coembed::models::{Design, MixtureWeights};
use experts_demo::{SEEDS, bar, collaborative, describe, in_parallel, judge, network, table, train, training};
use miette::{IntoDiagnostic, Result};

/// Memory is freed and asked for again with every batch; this allocator keeps it at hand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ce_cli::main(demo)
}

/// The ablation of the paper (its table 3): without mixture weights, projections and collaborative gating, and with more and more of them.
fn demo() -> Result<()> {
    let data = emoji::load(emoji::Split::Random, 0).into_diagnostic()?;
    let splits = emoji::expert_splits(&data, 0).into_diagnostic()?;
    println!("{}\n", describe(&splits, &data.digest));
    let designs = [
        ("CE - MW,P,CG", Design::Own, MixtureWeights::Uniform),
        ("CE - P,CG (MoEE)", Design::Own, MixtureWeights::Text),
        ("CE - CG", Design::Projected, MixtureWeights::Text),
        ("CE", collaborative(), MixtureWeights::Text),
    ];
    let runs: Vec<_> =
        designs.iter().flat_map(|(_, design, weights)| SEEDS.map(|seed| (*design, *weights, seed))).collect();
    let bar = bar(runs.len());
    let reports: Vec<RankReport> = in_parallel(&runs, |(design, weights, seed)| {
        let config = network(&splits.train, *design, *weights);
        judge(&train(&splits, &config, training(None, *seed), &bar)?, &splits.test)
    })?;
    bar.finish_and_clear();
    let by_design = designs.iter().zip(reports.chunks(SEEDS.len()));
    let rows: Vec<_> = by_design.map(|((name, ..), reports)| (*name, reports.to_vec())).collect();
    println!("percent (MdR, MnR: ranks), mean and sample deviation over {} seeds\n{}", SEEDS.len(), table(&rows)?);
    Ok(())
}
