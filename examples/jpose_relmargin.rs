//! JPoSE and MMEN with the relevance-based margin.
//!
//! Falcon et al., "Relevance-based Margin for Contrastively-trained Video Retrieval Models", ICMR 2022. A triplet
//! (anchor, positive, negative) asks that the negative be farther than the positive by a margin; here the margin is not a
//! constant but 1 − relevance(anchor, negative), so that a negative which is almost right is pushed away less.
//!
//! Without arguments: train JPoSE on built-in data with the fixed and with the relevance margin, and compare.
//! `train`, `eval`, `params` and `rows` take the options of the published programs; `--help` lists them.

use std::process::ExitCode;

use coembed::blocks::ConcatConfig;
use coembed::data::Loaded;
use coembed::metrics::graded::GradedScores;
use coembed::models::{JposeConfig, VerbNoun};
use coembed::prelude::*;
use coembed::recipes::relmargin::{
    Options, RelMarginData, RelMarginDataset, RelMarginEvaluation, RelMarginModel, RelMarginTask,
};
use coembed::run::Job;
use coembed::train::{Fit, Schedule, Sgd};
use coembed_examples::baseline::{BaselineOptions, Scores, TwoTowers, chance};
use coembed_examples::cli::{self, BuiltIn, say};
use coembed_examples::demo::{self, Epochs, SEEDS, in_parallel, score_table, significance};
use coembed_examples::emoji::{self, EmojiData, Split};
use coembed_examples::programs;
use miette::{IntoDiagnostic, Result};

/// Memory is freed and asked for again with every batch; this allocator keeps it at hand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // `mmen TEXT` is the published name of `train --model mmen --caption-type TEXT`.
    let arguments = cli::arguments_with("mmen", &["train", "--model", "mmen", "--caption-type"]);
    let built_in = BuiltIn {
        replaces: "dataset",
        adapt: |options: &mut Options| options.dataset = RelMarginDataset::Given,
        load: |_| built_in(),
    };
    programs::relevance_margin(arguments, built_in, Comparison)
}

/// The pictures as a data set of the paper.
fn built_in() -> Result<Loaded<RelMarginData>> {
    let EmojiData { train, validation, test, digest, .. } = emoji::load(Split::Random, 0).into_diagnostic()?;
    let split = RelMarginData { training: Some((train, validation)), test, name: "emoji random test" };
    Ok(Loaded { split, files: vec![("built-in pictures".into(), digest)], warnings: vec![] })
}

/// Options of the comparison, chosen on the validation split of each; fixed and relevance margin differ in nothing else.
/// Within-modal pairs are left out, as in one of the published ablations: it halves the time at equal scores.
fn options(split: Split, rel_margin: bool) -> Options {
    let (embedding_size, num_epochs, learning_rate) = match split {
        Split::Random => (160, 24, 0.2),
        Split::UnseenAction => (128, 5, 0.1),
    };
    Options {
        dataset: RelMarginDataset::Given,
        rel_margin,
        all_noun_classes: true,
        tt_weight: 0.0,
        vv_weight: 0.0,
        embedding_size,
        num_epochs,
        learning_rate,
        schedule: Schedule::Cosine,
        num_triplets: 2,
        triplet_sampling_rate: std::num::NonZero::<usize>::MIN,
        ..Options::default()
    }
}

/// A verb space, a noun space, and the action space of both side by side; triplets in all of them; nDCG and mAP on the test split.
fn train<D: OpsDevice>(
    device: &D,
    data: &EmojiData,
    options: &Options,
    seed: u64,
    bar: &Epochs,
) -> Result<RelMarginEvaluation> {
    let (video, text) = (Const::<{ emoji::VIDEO_WIDTH }>, Const::<{ emoji::WORD_WIDTH }>);
    let embedding = options.embedding_size;
    let combination = ConcatConfig { width: 2 * embedding };
    let jpose = JposeConfig::<VerbNoun, _, _, _, _>::new(video, text, embedding, combination);
    let mut model = jpose.build(device, &mut rng(seed, Purpose::Weights, 0, 0)).into_diagnostic()?;
    let task = RelMarginTask::new(options, device, &model, &data.train, &data.validation, seed).into_diagnostic()?;
    let fit = Fit { epochs: options.num_epochs, schedule: options.schedule, seed, ..Fit::default() };
    demo::train(device, (task, &mut model), Sgd::new(options.sgd()), &fit, bar)?;
    model.evaluate(options, device, &data.test).into_diagnostic()
}

/// Fixed against relevance margin on two splits of the built-in data.
struct Comparison;

impl Job for Comparison {
    type Output = Result<()>;

    fn run<D: OpsDevice>(self, _: D) -> Result<()> {
        say(format!(
            "Pictures with names (Twemoji, CC-BY 4.0) play videos with captions. JPoSE is trained with the fixed margin and with\n\
             the relevance margin, {} seeds each, beside a linear two-tower model and chance.\n",
            SEEDS.len()
        ));
        let items = emoji::items(0).into_diagnostic()?;
        for (split, what) in [
            (Split::Random, "random split"),
            (Split::UnseenAction, "unseen actions: no action of the test split occurs in training"),
        ] {
            let data = emoji::deal(&items, split, 0).into_diagnostic()?;
            say(format!("{what}: {} to train on, {} to test", data.names.train.len(), data.names.test.len()));
            compare::<D>(split, &data)?;
        }
        Ok(())
    }
}

fn compare<D: OpsDevice>(split: Split, data: &EmojiData) -> Result<()> {
    let runs: Vec<(bool, u64)> = [false, true].iter().flat_map(|margin| SEEDS.map(|seed| (*margin, seed))).collect();
    let bar = Epochs::new(runs.len() * options(split, false).num_epochs);
    let trained =
        in_parallel(&runs, |device: &D, (margin, seed)| train(device, data, &options(split, *margin), *seed, &bar))?;
    bar.finish();
    let (fixed, relevance) = trained.split_at(SEEDS.len());
    let linear = in_parallel(&runs, |_: &Cpu, (triplets, seed)| {
        let towers = match triplets {
            true => TwoTowers::train_on_triplets(&data.train, &options(split, true), *seed).into_diagnostic()?,
            false => TwoTowers::train(&data.train, &BaselineOptions::seeded(*seed)).into_diagnostic()?,
        };
        towers.evaluate(&data.test).into_diagnostic()
    })?;
    let (info_nce, triplets) = linear.split_at(SEEDS.len());
    let chance = in_parallel(&SEEDS, |_: &Cpu, seed| chance(&data.test, *seed).into_diagnostic())?;
    let scores = |of: &[RelMarginEvaluation]| of.iter().map(|e| Scores::from(&e.main)).collect::<Vec<_>>();
    let table = score_table(&[
        ("chance", chance),
        ("linear two-tower, InfoNCE", info_nce.to_vec()),
        ("linear two-tower, the triplets of JPoSE", triplets.to_vec()),
        ("JPoSE, fixed margin", scores(fixed)),
        ("JPoSE, relevance margin", scores(relevance)),
    ]);
    say(format!("percent, mean ± standard deviation over seeds, both directions averaged\n{table}"));
    let per_query = |runs: &[RelMarginEvaluation], of: fn(&GradedScores) -> &[f64]| -> Vec<Vec<f64>> {
        let graded = runs.iter().map(|run| &run.main.graded);
        graded.map(|graded| [of(&graded.v2t), of(&graded.t2v)].concat()).collect()
    };
    let metrics: [(&str, fn(&GradedScores) -> &[f64]); 2] =
        [("nDCG", |s| &s.ndcg.values), ("mAP", |s| s.ap.as_ref().map_or(&[], |ap| &ap.values))];
    for (name, of) in metrics {
        let test = significance(&per_query(fixed, of), &per_query(relevance, of))?;
        say(format!("relevance − fixed margin, {name}: {test}"));
    }
    let (relevant, digest) = (data.test.relevance.action.non_zeros(), &data.digest[..12]);
    let ties = "as published: nDCG ties by descending, mAP ties by ascending index";
    say(format!("{ties}; {relevant} relevant pairs; data {digest}; coembed {}\n", env!("CARGO_PKG_VERSION")));
    Ok(())
}
