//! Temporal Context Aggregation (TCA): near-duplicate video retrieval.
//!
//! Shao, Wen, Zhao & Xue, "Temporal Context Aggregation for Video Retrieval with Contrastive Learning", WACV 2021. The frames of a video attend to
//! each other; their mean is one vector per video, or each is kept and videos are compared frame by frame. Trained on pairs of copies against a
//! memory bank of negatives.
//!
//! Without arguments: built-in videos and edited copies of them, TCA beside the mean of the frames and NetVLAD, compared by video and by frame.
//! `train`, `eval`, `params` and `rows` take the options of the published programs; `--help` lists them.

use std::process::ExitCode;

use coembed::blocks::FrameNetVladConfig;
use coembed::models::{MeanFrames, TcaConfig};
use coembed::prelude::*;
use coembed::recipes::tca::{ContrastLoss, Metric, Options, TcaData, TcaEncoderConfig, TcaTask, evaluate};
use coembed::report::{MeanStd, TextTable};
use coembed::run::Job;
use coembed::train::{Adam, Fit, Schedule};
use coembed_examples::cli::say;
use coembed_examples::demo::{self, Epochs, SEEDS, in_parallel};
use coembed_examples::emoji::{self, FRAME_WIDTH};
use coembed_examples::programs;
use miette::{IntoDiagnostic, Result, miette};

/// Memory is freed and asked for again with every batch; this allocator keeps it at hand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    programs::temporal_context_aggregation(Comparison)
}

/// By video and by frame.
const METRICS: [Metric; 2] = [Metric::Cosine, Metric::Chamfer];

/// The options that the encoders share.
fn options() -> Options {
    Options {
        pca_components: FRAME_WIDTH,
        output_dim: FRAME_WIDTH,
        padding_size: 36,
        dropout: 0.1,
        loss: ContrastLoss::InfoNce,
        neg_num: 4,
        batch_sz: 32,
        moco_k: 512,
        moco_m: 0.0,
        moco_t: 0.07,
        epochs: 12,
        learning_rate: 3e-4,
        ..Options::default()
    }
}

/// An encoder, trained on pairs of copies where there is something to train; mAP on the test videos, by video and by frame.
fn train<D: OpsDevice>(
    device: &D,
    data: &TcaData,
    encoder: TcaEncoderConfig,
    seed: u64,
    bar: &Epochs,
) -> Result<Vec<f64>> {
    let options = options();
    let mut model = encoder.build(device, &mut rng(seed, Purpose::Weights, 0, 0)).into_diagnostic()?;
    if Config::<D>::num_parameters(&encoder) > 0 {
        let training = data.training.as_ref().ok_or_else(|| miette!("nothing to train on"))?;
        let task = TcaTask::new(&options, device, &model, training, &data.features, seed).into_diagnostic()?;
        let fit = Fit { epochs: options.epochs, schedule: Schedule::CosineByEpoch, seed, ..Fit::default() };
        demo::train(device, (task, &mut model), Adam::new(options.adam()), &fit, bar)?;
    }
    let scores = METRICS.map(|metric| {
        let options = Options { metric, ..options.clone() };
        let report = evaluate(&model, device, &data.features, &data.test, &options).into_diagnostic()?;
        Ok(report.scores[0].1)
    });
    scores.into_iter().collect()
}

/// Encoders on the built-in videos.
struct Comparison;

impl Job for Comparison {
    type Output = Result<()>;

    fn run<D: OpsDevice>(self, _: D) -> Result<()> {
        let (data, digest) = emoji::copies(0).into_diagnostic()?;
        let (_, queries, database) = data.test.lists();
        say(format!(
            "Camera moves over pictures (Twemoji, CC-BY 4.0) play videos; their copies are cropped, flipped, tinted, sped up, slowed down, cut, or\n\
             have shots put in, two of these at a time. {} queries, {} videos in the database; data {}; coembed {}.\n",
            queries.len(),
            database.len(),
            &digest[..12],
            env!("CARGO_PKG_VERSION"),
        ));
        let net_vlad = FrameNetVladConfig {
            clusters: 8,
            outputs: FRAME_WIDTH,
            dropout: 0.1,
            ..FrameNetVladConfig::new(FRAME_WIDTH)
        };
        let encoders = [
            ("mean of frames", TcaEncoderConfig::Mean(MeanFrames)),
            ("NetVLAD", TcaEncoderConfig::NetVlad(net_vlad)),
            ("TCA", TcaEncoderConfig::Tca(TcaConfig { hidden: 256, dropout: 0.1, ..TcaConfig::new(FRAME_WIDTH) })),
        ];
        let runs: Vec<_> = encoders.iter().flat_map(|(_, encoder)| SEEDS.map(|seed| (*encoder, seed))).collect();
        let bar = Epochs::new((runs.len() - SEEDS.len()) * options().epochs);
        let scores = in_parallel(&runs, |device: &D, (encoder, seed)| train(device, &data, *encoder, *seed, &bar))?;
        bar.finish();
        let mut table = TextTable::new(["mAP", "by video (cosine)", "by frame (chamfer)"]);
        for ((name, _), scores) in encoders.iter().zip(scores.chunks(SEEDS.len())) {
            let over_seeds = |metric: usize| MeanStd::of(&scores.iter().map(|of| of[metric]).collect::<Vec<_>>());
            let cells = (0..METRICS.len()).map(|metric| over_seeds(metric).map(|over| over.to_string()));
            table.row([name.to_string()].into_iter().chain(cells.map(Option::unwrap_or_default)));
        }
        say(format!("percent, mean ± standard deviation over {} seeds\n{table}", SEEDS.len()));
        Ok(())
    }
}
