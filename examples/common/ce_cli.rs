//! The subcommands of the programs of Collaborative Experts and TeachText.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, Parser, Subcommand};
use coembed::blocks::Config;
use coembed::data::experts::folder::{self, Dataset, Subsets};
use coembed::data::experts::{Batcher, ExpertSplit, load_checkpoint};
use coembed::formats::Limits;
use coembed::losses::{MaxMarginLoss, TeacherScale};
use coembed::metrics::captions::top_k;
use coembed::ops::OpsDevice;
use coembed::recipes::ce::{Arch, CeEvaluation, CeModel, CeTask, CeTraining, Options, Table, display_parameters};
use coembed::recipes::ce::{evaluate, import_config, monitored, numbers};
use coembed::report::write_predictions;
use coembed::train::{BestTie, Checkpoint, Fit, Optimizer, Progress, Purpose, Rolling, from_torch, rng};
use miette::{IntoDiagnostic, Result, WrapErr, bail, miette};

use crate::config;
use crate::device::{self, Job, on_device};
use crate::progress::Bar;
use crate::restore::load_all;

#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// The comparison on built-in data (what happens without a subcommand)
    Demo,
    /// Train on the authors' features, once for every seed, and test the best epoch
    Train {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        place: PlaceArgs,
        /// Folder of runs
        #[arg(long, default_value = "logs/runs")]
        out_dir: PathBuf,
        /// Go on with runs that were interrupted: the result is that of uninterrupted ones
        #[arg(long)]
        resume: bool,
        /// Seeds [default: those of the configuration]
        #[arg(long, value_delimiter = ',')]
        seeds: Vec<u64>,
    },
    /// Evaluate a checkpoint: the authors' trained_model.pth or ours (.safetensors)
    Eval {
        checkpoint: PathBuf,
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        place: PlaceArgs,
        /// Write the ten best videos of every query as CSV, as the challenge asks for them
        #[arg(long, value_name = "FILE")]
        predictions: Option<PathBuf>,
    },
    /// Number of parameters of a configuration, without building it
    Params {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Turn one of the authors' JSON configurations into ours
    ImportConfig {
        /// The JSON file; paths in `inherit_from` are relative to --root
        json: PathBuf,
        /// Root of the authors' project
        #[arg(long, default_value = ".")]
        root: PathBuf,
        /// Where to write [default: standard output]
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

#[derive(Args, Clone)]
struct ConfigArgs {
    /// Options in RON, or with --row a table of rows
    #[arg(long)]
    config: PathBuf,
    /// A row of the table, such as msrvtt-train-full-ce
    #[arg(long)]
    row: Option<String>,
}

#[derive(Args, Clone)]
struct PlaceArgs {
    /// Folder of the unpacked features (the authors' root_feat_folder)
    #[arg(long)]
    data: PathBuf,
    /// Whether to run on a GPU [default: where the build can]
    #[arg(long)]
    gpu: Option<bool>,
}

/// Runs what the command line asks for; `demo` without a subcommand.
pub fn main(demo: impl FnOnce() -> Result<()>) -> ExitCode {
    let level = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok());
    let log = tracing_subscriber::fmt().with_max_level(level.unwrap_or(tracing::Level::WARN));
    log.with_writer(std::io::stderr).init();
    let result = match Cli::parse().command.unwrap_or(Command::Demo) {
        Command::Demo => demo(),
        Command::Train { config, place, out_dir, resume, seeds } => {
            on_device(place.gpu, Train { config, data: place.data, out_dir, resume, seeds })
        }
        Command::Eval { checkpoint, config, place, predictions } => {
            on_device(place.gpu, Eval { checkpoint, config, data: place.data, predictions })
        }
        Command::Params { config } => params(&config),
        Command::ImportConfig { json, root, out } => import(&json, &root, out.as_deref()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

fn options(args: &ConfigArgs) -> Result<Options> {
    let options: Options = match &args.row {
        Some(row) => Table::read(&args.config).into_diagnostic()?.options(row).into_diagnostic()?,
        None => config::read(&args.config)?,
    };
    options.check().into_diagnostic().wrap_err_with(|| args.config.display().to_string())?;
    Ok(options)
}

fn params(args: &ConfigArgs) -> Result<()> {
    let count = options(args)?.num_parameters().into_diagnostic()?;
    println!("{count} ({})", display_parameters(count));
    Ok(())
}

fn to_ron(options: &Options) -> Result<String> {
    ron::ser::to_string_pretty(options, ron::ser::PrettyConfig::default()).into_diagnostic()
}

fn import(json: &Path, root: &Path, out: Option<&Path>) -> Result<()> {
    let imported = import_config(json, root).into_diagnostic()?;
    if !imported.ignored.is_empty() {
        eprintln!("without effect here: {}", imported.ignored.join(", "));
    }
    let ron = to_ron(&imported.options)?;
    match out {
        Some(path) => coembed::files::write_atomically(path, ron.as_bytes()).into_diagnostic(),
        None => {
            println!("{ron}");
            Ok(())
        }
    }
}

/// Reads splits of the authors' features; `test` for those of the test after training.
fn read(options: &Options, data: &Path, test: bool) -> Result<(Option<ExpertSplit>, ExpertSplit)> {
    let dataset = Dataset::find(&options.dataset).into_diagnostic()?;
    let mut wanted = options.folder_options(test).into_diagnostic()?;
    wanted.subsets = if test { Subsets::Eval } else { Subsets::Both };
    let loaded = folder::load(data, dataset, &wanted).into_diagnostic()?;
    loaded.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    let eval = loaded.split.eval.ok_or_else(|| miette!("there is no split to evaluate on"))?;
    Ok((loaded.split.train, eval))
}

fn training(options: &Options, seed: u64) -> CeTraining {
    CeTraining {
        batch_size: options.batch_size,
        batches: options.batch_options(),
        loss: MaxMarginLoss { margin: options.margin, fix_norm: options.fix_norm },
        distil: (!options.teachers.is_empty()).then_some(TeacherScale::Sum),
        test_captions: options.captions(false),
        caption_merge: options.test_caption_mode,
        seed,
    }
}

fn fresh<D: OpsDevice>(options: &Options, device: &D, seed: u64) -> Result<CeModel<D>> {
    if options.arch != Arch::CollaborativeExperts {
        bail!(
            "{:?} is counted by params; the library builds it (models::Moee, models::Mnnet), this program does not train it",
            options.arch
        );
    }
    let config = options.model().into_diagnostic()?;
    config.build(device, &mut rng(seed, Purpose::Weights, 0, 0)).into_diagnostic()
}

struct Train {
    config: ConfigArgs,
    data: PathBuf,
    out_dir: PathBuf,
    resume: bool,
    seeds: Vec<u64>,
}

impl Job for Train {
    fn run<D: OpsDevice>(self, device: D) -> Result<()> {
        let options = options(&self.config)?;
        let config = to_ron(&options)?;
        let (train, validation) = read(&options, &self.data, false)?;
        let train = train.ok_or_else(|| miette!("there is no split to train on"))?;
        let (_, test) = read(&options, &self.data, true)?;
        let select = match &options.monitor {
            Some(monitor) => Some(monitored(monitor).ok_or_else(|| miette!("no score to select by: {monitor}"))?),
            None => None,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        ctrlc::set_handler(move || stopped.store(true, Ordering::Relaxed)).into_diagnostic()?;
        let name = &coembed::data::digest::sha256(config.as_bytes())[..12];
        for &seed in if self.seeds.is_empty() { &options.seeds } else { &self.seeds } {
            let folder = self.out_dir.join(name).join(format!("seed-{seed}"));
            let last = folder.join("last.safetensors");
            if last.exists() && !self.resume {
                bail!("{} holds a run already: go on with --resume, or give another --out-dir", folder.display());
            }
            let mut model = fresh(&options, &device, seed)?;
            let mut task = CeTask::new(training(&options, seed), &device, &train, &validation).into_diagnostic()?;
            let mut optimizer = options.optimizer.build::<D>().into_diagnostic()?;
            let mut progress = Progress::default();
            if last.exists() {
                // The folder is named by the configuration, so that it is the same.
                let state = Checkpoint::open(&last).into_diagnostic()?;
                load_all(&mut model, &state.model)?;
                optimizer.restore(&device, state.optimizer).into_diagnostic()?;
                progress = state.progress;
            }
            let fit = Fit {
                epochs: options.epochs,
                folder: Some(folder.clone()),
                schedule: options.schedule,
                select: select.clone(),
                select_tie: BestTie::Later,
                rolling: rolling(&options),
                config: config.clone(),
                ..Fit::default()
            };
            println!("seed {seed}: {} parameters; {}", options.num_parameters().into_diagnostic()?, folder.display());
            let mut bar = Bar::new(options.epochs, ["t2v/R@1", "t2v/geometric mean"].map(String::from));
            let progress =
                fit.run(&mut task, &mut model, &mut optimizer, progress, &mut bar, &stop).into_diagnostic()?;
            if progress.epochs < options.epochs {
                println!("stopped after {} epochs; go on with --resume", progress.epochs);
                return Ok(());
            }
            if select.is_some() {
                let best = Checkpoint::open(&folder.join("best.safetensors")).into_diagnostic()?;
                load_all(&mut model, &best.model)?;
            }
            println!("device {}, coembed {}", device::name::<D>(), env!("CARGO_PKG_VERSION"));
            report(&judge(&options, &model, &device, &test)?);
        }
        Ok(())
    }
}

/// Every so many epochs a checkpoint, the newest three kept, where not only the best is wanted.
fn rolling(options: &Options) -> Option<Rolling> {
    let every = NonZeroUsize::new(options.save_period).filter(|_| !options.save_only_best)?;
    let skip = options.skip_first_n_saves * every.get();
    Some(Rolling { every, skip, keep: NonZeroUsize::MIN.saturating_add(2) })
}

fn judge<D: OpsDevice>(options: &Options, model: &CeModel<D>, device: &D, split: &ExpertSplit) -> Result<CeEvaluation> {
    let batcher = Batcher::new(split, options.batch_options()).into_diagnostic()?;
    let dataset = Dataset::find(&options.dataset).into_diagnostic()?;
    dataset.check_captions(split, options.captions(true)).into_diagnostic()?;
    evaluate(model, device, &batcher, options.captions(true), options.test_caption_mode, 0).into_diagnostic()
}

fn report(evaluation: &CeEvaluation) {
    for (name, value) in numbers(&evaluation.report) {
        println!("{name} {value:.2}");
    }
}

struct Eval {
    checkpoint: PathBuf,
    config: ConfigArgs,
    data: PathBuf,
    predictions: Option<PathBuf>,
}

impl Job for Eval {
    fn run<D: OpsDevice>(self, device: D) -> Result<()> {
        let options = options(&self.config)?;
        let mut model = fresh(&options, &device, 0)?;
        let parameters = if self.checkpoint.extension().is_some_and(|e| e == "safetensors") {
            Checkpoint::open(&self.checkpoint).into_diagnostic()?.model
        } else {
            let limits = Limits { input_bytes: 64 << 30, bytes: 64 << 30, ..Limits::default() };
            let checkpoint = load_checkpoint(&self.checkpoint, &limits).into_diagnostic()?;
            checkpoint.skipped.iter().for_each(|skipped| eprintln!("left out: {skipped:?}"));
            from_torch(&checkpoint.state).into_diagnostic()?
        };
        load_all(&mut model, &parameters)?;
        let (_, test) = read(&options, &self.data, true)?;
        let evaluation = judge(&options, &model, &device, &test)?;
        println!("device {}, coembed {}", device::name::<D>(), env!("CARGO_PKG_VERSION"));
        report(&evaluation);
        if let Some(path) = self.predictions {
            let best = top_k(evaluation.similarity.view(), evaluation.real.view(), 10).into_diagnostic()?;
            write_predictions(&path, &best).into_diagnostic().wrap_err_with(|| path.display().to_string())?;
        }
        Ok(())
    }
}
