//! JPoSE and MMEN with the relevance-based margin.
//!
//! Falcon et al., "Relevance-based Margin for Contrastively-trained Video Retrieval Models", ICMR 2022. A triplet
//! (anchor, positive, negative) asks that the negative be farther than the positive by a margin; here the margin is not a
//! constant but 1 − relevance(anchor, negative), so that a negative which is almost right is pushed away less.
//!
//! Without arguments: train JPoSE on built-in data with the fixed and with the relevance margin, and compare.
//! `train`, `eval` and `params` take the options of the published programs; `--help` lists them.

#[path = "common/baseline.rs"]
mod baseline;
mod common;
#[path = "common/relmargin_demo.rs"]
mod demo;
#[path = "common/emoji/mod.rs"]
mod emoji;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use coembed::data::epic100;
use coembed::data::relational::FolderOptions;
use coembed::files::write_atomically;
use coembed::ops::OpsDevice;
use coembed::recipes::relmargin::{
    Dataset, Evaluation, JposeModel, MmenModel, ModelKind, Options, RelMarginModel, RelMarginTask, published,
};
use coembed::report::{Summary, Table};
use coembed::train::{Checkpoint, Fit, Progress, Sgd, StateDict};
use common::args::{DatasetArg, ModelArg, PlaceArgs, TrainingArgs, modalities};
use common::cli::{Cli, Command, RunArgs};
use common::device::{self, Job, on_device};
use common::{checkpoint, config, data, progress::Bar, restore};
use dfdx::prelude::Cpu;
use miette::{IntoDiagnostic, Result, WrapErr, bail, miette};

/// Memory is freed and asked for again with every batch; this allocator keeps it at hand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let level = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok());
    let log = tracing_subscriber::fmt().with_max_level(level.unwrap_or(tracing::Level::WARN));
    log.with_writer(std::io::stderr).init();
    let result = match Cli::parse().command.unwrap_or(Command::Demo) {
        Command::Demo => demo::run(),
        Command::Params { training, video_width, text_width } => {
            params(&training, video_width as usize, text_width as usize)
        }
        Command::Mmen { text, mut run } => {
            (run.training.model, run.training.caption_type) = (Some(ModelArg::Mmen), Some(text));
            on_device(run.place.gpu, Train { run, resume: None })
        }
        Command::Train { run, resume } => on_device(run.place.gpu, Train { run, resume }),
        Command::Eval { checkpoint, place, dataset, rgb, rgb_flow, challenge_submission, .. } => {
            on_device(place.gpu, Eval { checkpoint, place, dataset, rgb, rgb_flow, challenge_submission })
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::from(if error.code().is_some_and(|code| code.to_string() == USAGE) { 2 } else { 1 })
        }
    }
}

/// Contradictory options are an error of usage, with its own exit code.
const USAGE: &str = "usage";

/// Published defaults, overridden by a file, overridden by the command line; checked.
fn options(training: &TrainingArgs, has_folder: bool) -> Result<Options> {
    let mut options = match &training.config {
        Some(path) => config::read(path)?,
        None if has_folder => Options::default(),
        None => Options { dataset: Dataset::Emoji, ..Options::default() },
    };
    training.apply(&mut options);
    checked(options)
}

fn checked(options: Options) -> Result<Options> {
    options.check().map_err(|error| miette!(code = USAGE, "{error}"))?;
    Ok(options)
}

fn params(training: &TrainingArgs, video: usize, text: usize) -> Result<()> {
    let options = options(training, true)?;
    let video = options.video_width().unwrap_or(video).min(video);
    let count = match options.model {
        ModelKind::Jpose => <JposeModel<Cpu> as RelMarginModel<Cpu>>::count(&options, video, text),
        ModelKind::Mmen => <MmenModel<Cpu> as RelMarginModel<Cpu>>::count(&options, video, text),
    };
    println!("{count}");
    Ok(())
}

struct Train {
    run: RunArgs,
    resume: Option<PathBuf>,
}

impl Job for Train {
    fn run<D: OpsDevice>(self, device: D) -> Result<()> {
        if self.resume.is_some() && self.run.training != TrainingArgs::default() {
            return Err(miette!(code = USAGE, "--resume goes on with the options of the run; give it no others"));
        }
        let state = match &self.resume {
            Some(folder) => Some(Checkpoint::open(&folder.join("last.safetensors")).into_diagnostic()?),
            None => None,
        };
        let options = match &state {
            Some(checkpoint) => checked(config::parse("the checkpoint's configuration", &checkpoint.config)?)?,
            None => options(&self.run.training, self.run.place.data.is_some())?,
        };
        match options.model {
            ModelKind::Jpose => self.train::<D, JposeModel<D>>(device, options, state),
            ModelKind::Mmen => self.train::<D, MmenModel<D>>(device, options, state),
        }
    }
}

impl Train {
    fn train<D: OpsDevice, M: RelMarginModel<D>>(
        self,
        device: D,
        options: Options,
        state: Option<Checkpoint>,
    ) -> Result<()> {
        let from = self.run.place.data.as_deref().unwrap_or(Path::new("."));
        let mut files = data::Files::new();
        let (train, validation) = data::training(&options, from, &mut files)?;
        let (split, test) = data::test(&options, from, &mut files)?;
        test.check().into_diagnostic()?;

        let (video, text) = (train.features.video.cols(), train.features.text.verb.cols());
        let mut task = RelMarginTask::<M, D>::new(&options, &device, &train, &validation).into_diagnostic()?;
        let mut model = M::fresh(&options, video, text, &device).into_diagnostic()?;
        let mut optimizer = Sgd::new(options.sgd());
        let mut progress = Progress::default();
        let fresh = state.is_none();
        let digests: Vec<&str> = files.values().map(String::as_str).collect();
        let digest = coembed::digest::sha256(digests.join(" ").as_bytes());
        if let Some(state) = state {
            if state.data != digest {
                bail!("the files under {} are not those that the run was trained on", from.display());
            }
            restore::load_all(&mut model, &state.model)?;
            optimizer.restore(&device, state.optimizer).into_diagnostic()?;
            progress = state.progress;
        }
        let config = ron::ser::to_string_pretty(&options, ron::ser::PrettyConfig::default()).into_diagnostic()?;
        let folder =
            self.resume.unwrap_or_else(|| self.run.out_dir.join(self.run.name.unwrap_or_else(|| run_name(&config))));
        let score = |metric| format!("{}/{metric}/avg", options.space());
        let fit = Fit {
            epochs: options.num_epochs,
            schedule: options.schedule,
            folder: Some(folder.clone()),
            numbered: Some((M::NAME.into(), options.checkpoint_rate)),
            select: Some(score("nDCG")),
            config: config.clone(),
            data: digest,
            ..Fit::default()
        };
        if fresh && folder.join("last.safetensors").exists() {
            bail!("{} holds a run already: go on with --resume, or give another --name", folder.display());
        }
        println!("{} parameters; checkpoints in {}", M::count(&options, video, text), folder.display());

        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        ctrlc::set_handler(move || stopped.store(true, Ordering::Relaxed)).into_diagnostic()?;
        let mut bar = Bar::new(options.num_epochs, [score("nDCG"), score("mAP")]);
        let progress = fit.run(&mut task, &mut model, &mut optimizer, progress, &mut bar, &stop).into_diagnostic()?;
        if progress.epochs < options.num_epochs {
            println!("stopped; go on with: train --data {} --resume {}", from.display(), folder.display());
            return Ok(());
        }

        model.begin_epoch(&options, progress.epochs - 1);
        let evaluation = model.evaluate(&options, &device, &test).into_diagnostic()?;
        let mut summary = Summary::of_split(split, &test);
        summary.device = device::name::<D>().into();
        (summary.files_sha256, summary.seed, summary.config) = (files, options.seed, config);
        summary.effective_batch = options.batch_size;
        report(&options, &summary, &evaluation);
        summary.scores = evaluation.numbers().into_iter().collect();
        summary.save(&folder.join("summary.json")).into_diagnostic()
    }
}

/// A short name that tells configurations apart.
fn run_name(config: &str) -> String {
    coembed::digest::sha256(config.as_bytes())[..12].to_string()
}

/// Scores in percent, beside those of the paper where the configuration is one of the paper's.
fn report(options: &Options, summary: &Summary, evaluation: &Evaluation) {
    let percent = |v: f64| format!("{:.1}", 100.0 * v);
    let mut table = Table::new(["", "nDCG v2t", "nDCG t2v", "nDCG avg", "mAP v2t", "mAP t2v", "mAP avg"]);
    let g = &evaluation.main.graded;
    let scores = [g.v2t.ndcg.mean, g.t2v.ndcg.mean, g.ndcg_avg(), g.v2t.ap.mean, g.t2v.ap.mean, g.map_avg()];
    table.row(std::iter::once(summary.split.clone()).chain(scores.map(percent)));
    // The published numbers are those of the full test split alone.
    let similarity = &evaluation.main.similarity;
    let full = (similarity.rows(), similarity.cols()) == (9668, 3842);
    if let Some(row) = published(options).filter(|_| full) {
        let (ndcg, map) = (format!("{:.1}", row.ndcg), format!("{:.1}", row.map));
        table.row(["published", "", "", &ndcg, "", "", &map]);
    }
    println!("{table}{summary}");
}

struct Eval {
    checkpoint: PathBuf,
    place: PlaceArgs,
    dataset: Option<DatasetArg>,
    rgb: bool,
    rgb_flow: bool,
    challenge_submission: Option<PathBuf>,
}

impl Job for Eval {
    fn run<D: OpsDevice>(self, device: D) -> Result<()> {
        let checkpoint::Read { mut options, parameters, epochs } = checkpoint::read(&self.checkpoint)?;
        if let Some(dataset) = self.dataset {
            options.dataset = dataset.into();
        }
        if let Some(slice) = modalities(self.rgb, self.rgb_flow) {
            options.modalities = slice;
        }
        match options.model {
            ModelKind::Jpose => self.evaluate::<D, JposeModel<D>>(device, options, parameters, epochs),
            ModelKind::Mmen => self.evaluate::<D, MmenModel<D>>(device, options, parameters, epochs),
        }
    }
}

impl Eval {
    fn evaluate<D: OpsDevice, M: RelMarginModel<D>>(
        self,
        device: D,
        options: Options,
        parameters: StateDict,
        epochs: Option<usize>,
    ) -> Result<()> {
        let from = self.place.data.as_deref().unwrap_or(Path::new("."));
        let mut files = data::Files::new();
        let (split, test) = data::test(&options, from, &mut files)?;
        let (video, text) = (test.features.video.cols(), test.features.text.verb.cols());
        let mut model = M::fresh(&options, video, text, &device).into_diagnostic()?;
        restore::load_all(&mut model, &parameters)?;
        if let Some(epochs) = epochs {
            model.begin_epoch(&options, epochs.saturating_sub(1));
        }
        let evaluation = model.evaluate(&options, &device, &test).into_diagnostic()?;
        let mut summary = Summary::of_split(split, &test);
        summary.device = device::name::<D>().into();
        (summary.files_sha256, summary.seed) = (files, options.seed);
        report(&options, &summary, &evaluation);
        match options.model {
            ModelKind::Jpose => println!("{}", evaluation.published_output()),
            ModelKind::Mmen => println!("{}", evaluation.published_line()),
        }
        if let Some(path) = self.challenge_submission {
            let ids =
                epic100::load_ids(from, epic100::EvalSplitName::Test, &FolderOptions::default()).into_diagnostic()?;
            let similarity = evaluation.main.similarity.view();
            let pickle = epic100::submission(similarity, &ids.split.videos, &ids.split.captions).into_diagnostic()?;
            write_atomically(&path, &pickle).into_diagnostic().wrap_err_with(|| path.display().to_string())?;
        }
        Ok(())
    }
}
