//! What the demonstrations share: seeds side by side, bars, tables over seeds.

use std::sync::atomic::AtomicBool;

use coembed::data::experts::ExpertSplit;
use coembed::metrics::rank::RankReport;
use coembed::ops::OpsDevice;
use coembed::report::{MeanStd, TextTable, paired_permutation_test};
use coembed::train::{Fit, Observer, Optimizer, Task, Training};
use indicatif::{ProgressBar, ProgressStyle};
use miette::{IntoDiagnostic, Result, miette};
use rayon::prelude::*;

use crate::baseline::Scores;
use crate::emoji::ExpertSplits;

/// Seeds of the demonstrations.
pub const SEEDS: [u64; 3] = [0, 1, 2];

/// A bar over the epochs of several runs.
#[derive(Clone)]
pub struct Epochs(ProgressBar);

impl Epochs {
    pub fn new(epochs: usize) -> Self {
        let bar = ProgressBar::new(epochs as u64);
        Self(match ProgressStyle::with_template("training {bar:40} {pos}/{len} epochs {elapsed}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Observer for Epochs {
    fn epoch_ends(&mut self, _: usize, _: &[(String, f64)]) {
        self.0.inc(1);
    }
}

/// Trains a model to the last epoch, without a folder.
pub fn train<D: OpsDevice, T: Task<D>>(
    device: &D,
    (mut task, model): (T, &mut T::Model),
    mut optimizer: impl Optimizer<D>,
    fit: &Fit,
    bar: &Epochs,
) -> Result<()>
where
    T::Error: Sync,
{
    let training = Training { task: &mut task, model, optimizer: &mut optimizer, device };
    let never = AtomicBool::new(false);
    fit.run(training, None, &mut bar.clone(), &never).into_diagnostic().map(|_| ())
}

/// Runs are independent and share the cores better than the small products within each would; the results are the same bits either way.
///
/// Each opens the device for itself: that of a GPU stays on its thread.
pub fn in_parallel<D: OpsDevice, I: Sync, O: Send>(
    runs: &[I],
    run: impl Fn(&D, &I) -> Result<O> + Sync,
) -> Result<Vec<O>> {
    let on_one_thread = |item: &I| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().into_diagnostic()?;
        pool.install(|| run(&D::open().into_diagnostic()?, item))
    };
    runs.par_iter().map(on_one_thread).collect()
}

/// Mean and sample deviation over seeds, one row for each name.
pub fn rank_table(rows: &[(&str, Vec<RankReport>)]) -> Result<TextTable> {
    let mut table = TextTable::new(["t2v", "R@1", "R@5", "R@10", "MdR", "MnR", "Geom", "v2t R@1"]);
    let columns: [fn(&RankReport) -> f64; 7] = [
        |r| r.t2v.r1,
        |r| r.t2v.r5,
        |r| r.t2v.r10,
        |r| r.t2v.median,
        |r| r.t2v.mean,
        |r| r.t2v.geometric_mean(),
        |r| r.v2t.r1,
    ];
    for (name, reports) in rows {
        let cell = |of: &fn(&RankReport) -> f64| {
            let values: Vec<f64> = reports.iter().map(of).collect();
            MeanStd::of(&values).map(|over| over.plain()).ok_or_else(|| miette!("no runs"))
        };
        let cells = columns.iter().map(cell).collect::<Result<Vec<_>>>()?;
        table.row([name.to_string()].into_iter().chain(cells));
    }
    Ok(table)
}

/// nDCG, mAP and R@1 in percent, mean and sample deviation over seeds, one row for each name.
pub fn score_table(rows: &[(&str, Vec<Scores>)]) -> TextTable {
    let columns: [fn(&Scores) -> f64; 4] = [|s| s.ndcg, |s| s.map, |s| s.t2v_r1 / 100.0, |s| s.v2t_r1 / 100.0];
    let mut table = TextTable::new(["", "nDCG", "mAP", "R@1 t2v", "R@1 v2t"]);
    for (name, scores) in rows {
        let over_seeds = |of: &fn(&Scores) -> f64| MeanStd::of(&scores.iter().map(of).collect::<Vec<_>>());
        let cells = columns.iter().map(|of| over_seeds(of).map(|over| over.to_string()).unwrap_or_default());
        table.row([name.to_string()].into_iter().chain(cells));
    }
    table
}

/// Paired randomisation test of `b − a` over queries, each query's score averaged over the runs.
pub fn significance(a: &[Vec<f64>], b: &[Vec<f64>]) -> Result<String> {
    let per_query = |runs: &[Vec<f64>]| -> Vec<f64> {
        let queries = runs.first().map_or(0, Vec::len);
        (0..queries).map(|query| runs.iter().map(|run| run[query]).sum::<f64>() / runs.len() as f64).collect()
    };
    let (a, b) = (per_query(a), per_query(b));
    let test = paired_permutation_test(&a, &b, 5000, 0)
        .ok_or_else(|| miette!("the runs have different queries, or scores that are no numbers"))?;
    let points = 100.0 * test.difference;
    Ok(format!("{points:+.2} points, paired randomisation test over {} queries: p = {:.4}", a.len(), test.p_value))
}

/// What the data of experts are, and what a number rests on.
pub fn describe_experts(splits: &ExpertSplits, digest: &str) -> String {
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
