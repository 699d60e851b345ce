use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::folder::{FolderError, RunFolder};
use super::host::{cpu_name, device_name};
use super::recipe::{Evaluation, Recipe, Tested};
use super::summary::{SeedScores, Summary};
use crate::blocks::num_parameters;
use crate::data::Loaded;
use crate::digest;
use crate::files::write_atomically;
use crate::formats::npy;
use crate::ops::{OpError, OpsDevice};
use crate::options::{Checked, Options};
use crate::train::{
    Checkpoint, CheckpointError, ConfigError, Fit, FitError, Observer, Progress, StateDict, Training, load,
};

/// What ends a run early.
#[derive(Debug, thiserror::Error)]
pub enum RunError<E: Error + 'static> {
    /// The recipe failed.
    #[error(transparent)]
    Recipe(E),
    /// The training failed.
    #[error(transparent)]
    Fit(#[from] FitError<E>),
    /// The folder cannot be that of this run.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The optimizer has an option that is out of range.
    #[error(transparent)]
    Optimizer(#[from] ConfigError),
    /// An operation failed.
    #[error(transparent)]
    Op(#[from] OpError),
    /// A checkpoint is of a run with other options.
    #[error("{}: this checkpoint is of a run with other options than those of its folder", path.display())]
    OtherOptions {
        /// The checkpoint.
        path: PathBuf,
    },
    /// A run would go on with other data.
    #[error("{}: the data are not those that the run was trained on", path.display())]
    OtherData {
        /// The checkpoint.
        path: PathBuf,
    },
    /// The parameters do not fit the model.
    #[error("the checkpoint does not fit the model: {report}")]
    Parameters {
        /// What fits and what does not.
        report: String,
    },
    /// A result cannot be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// How a training ended.
#[derive(Debug)]
pub enum Outcome<E> {
    /// All seeds are trained and tested.
    Done {
        /// What they gave.
        summary: Box<Summary>,
        /// The evaluation of the last seed.
        evaluation: E,
    },
    /// It was asked to stop; its state is saved.
    Stopped {
        /// The folder to go on with.
        folder: PathBuf,
    },
}

/// Trains and tests one model for each seed.
///
/// `folder` is asked for when options and data have passed all checks, with the configuration as text; where it holds states of this run, the
/// run goes on from them, and the result is that of one that was never interrupted, bit for bit.
///
/// # Errors
/// [`RunError`].
pub fn train<D: OpsDevice, R: Recipe>(
    recipe: &R,
    options: &Checked<R::Options>,
    loaded: &Loaded<R::Data>,
    device: &D,
    folder: impl FnOnce(&str) -> Result<RunFolder, FolderError>,
    observer: &mut impl Observer,
    stop: &AtomicBool,
) -> Result<Outcome<R::Evaluation>, RunError<R::Error>> {
    let config = options.to_ron();
    let data = data_digest(loaded);
    let prepare = |seed| {
        let model = recipe.model(options, &loaded.split, device, seed).map_err(RunError::Recipe)?;
        let task = recipe.task(options, &loaded.split, &model, device, seed).map_err(RunError::Recipe)?;
        Ok::<_, RunError<R::Error>>((model, task, recipe.optimizer(options).build::<D>()?))
    };
    let seeds = recipe.seeds(options);
    // Whatever is wrong shows before anything is written.
    let mut prepared = seeds.first().map(|seed| prepare(*seed)).transpose()?;
    let run = folder(&config)?;
    let mut summary = summarise::<D, R>(recipe, options, loaded);
    let mut last_evaluation = None;
    for seed in seeds {
        let (mut model, mut task, mut optimizer) = match prepared.take() {
            Some(prepared) => prepared,
            None => prepare(seed)?,
        };
        let folder = run.of_seed(seed);
        summary.parameters = num_parameters(&model);
        observer.run_begins(seed, summary.parameters, run.path());
        let mut training =
            Training { task: &mut task, model: &mut model, optimizer: &mut optimizer, device };
        let mut progress = Progress::default();
        let last = folder.join("last.safetensors");
        if last.exists() {
            let state = Checkpoint::open(&last)?;
            if state.config != config {
                return Err(RunError::OtherOptions { path: last });
            }
            if state.data != data {
                return Err(RunError::OtherData { path: last });
            }
            progress = training.restore(state)?;
        }
        let fit = Fit {
            folder: Some(folder.clone()),
            seed,
            config: config.clone(),
            data: data.clone(),
            ..recipe.fit(options)
        };
        let progress = fit.run(training, progress, observer, stop)?;
        if progress.epochs < fit.epochs && !progress.ended {
            return Ok(Outcome::Stopped { folder: run.path().into() });
        }
        let mut epochs = progress.epochs;
        let best = folder.join("best.safetensors");
        if recipe.tested() == Tested::Best && fit.select.is_some() && progress.best.is_some() {
            let best = Checkpoint::open(&best)?;
            load_all::<D, R::Error>(&mut model, &best.model)?;
            epochs = best.progress.epochs;
        }
        recipe.restored(options, &mut model, epochs);
        let evaluation = recipe.evaluate(options, &loaded.split, &model, device).map_err(RunError::Recipe)?;
        write_ranks(&folder, &evaluation)?;
        let scores = evaluation.scores().into_iter().collect();
        summary.seeds.push(SeedScores { seed: Some(seed), epochs: Some(epochs), scores });
        last_evaluation = Some(evaluation);
    }
    // A check of options refuses a run without seeds.
    let Some(evaluation) = last_evaluation else { return Ok(Outcome::Stopped { folder: run.path().into() }) };
    publish(recipe, options, loaded, &mut summary);
    let path = run.path().join("summary.json");
    summary.save(&path).map_err(|source| RunError::Io { path, source })?;
    Ok(Outcome::Done { summary: Box::new(summary), evaluation })
}

/// Tests parameters, which were trained for so many epochs where that is known.
///
/// # Errors
/// [`RunError`].
pub fn evaluate<D: OpsDevice, R: Recipe>(
    recipe: &R,
    options: &Checked<R::Options>,
    loaded: &Loaded<R::Data>,
    device: &D,
    parameters: &StateDict,
    epochs: Option<usize>,
) -> Result<(Summary, R::Evaluation), RunError<R::Error>> {
    let mut model = recipe.model(options, &loaded.split, device, 0).map_err(RunError::Recipe)?;
    load_all::<D, R::Error>(&mut model, parameters)?;
    if let Some(epochs) = epochs {
        recipe.restored(options, &mut model, epochs);
    }
    let evaluation = recipe.evaluate(options, &loaded.split, &model, device).map_err(RunError::Recipe)?;
    let mut summary = summarise::<D, R>(recipe, options, loaded);
    summary.parameters = num_parameters(&model);
    summary.seeds.push(SeedScores { seed: None, epochs, scores: evaluation.scores().into_iter().collect() });
    publish(recipe, options, loaded, &mut summary);
    Ok((summary, evaluation))
}

fn data_digest<T>(loaded: &Loaded<T>) -> String {
    let digests: Vec<&str> = loaded.files.iter().map(|(_, digest)| digest.as_str()).collect();
    digest::sha256(digests.join(" ").as_bytes())
}

fn load_all<D: OpsDevice, E: Error + 'static>(
    model: &mut impl crate::blocks::Parameters<D>,
    parameters: &StateDict,
) -> Result<(), RunError<E>> {
    let report = load(model, parameters)?;
    if report.is_complete() { Ok(()) } else { Err(RunError::Parameters { report: report.to_string() }) }
}

fn summarise<D, R: Recipe>(recipe: &R, options: &Checked<R::Options>, loaded: &Loaded<R::Data>) -> Summary {
    Summary {
        recipe: recipe.name().into(),
        version: env!("CARGO_PKG_VERSION").into(),
        device: device_name::<D>().into(),
        cpu: cpu_name(),
        split: recipe.split(options, &loaded.split),
        files_sha256: loaded.files.iter().map(|(path, digest)| (path.display().to_string(), digest.clone())).collect(),
        facts: recipe.facts(&loaded.split),
        effective_batch: recipe.effective_batch(options),
        config: options.to_ron(),
        ..Summary::default()
    }
}

/// Adds the scores up, beside those of the published row with the same options, whatever its seeds.
fn publish<R: Recipe>(recipe: &R, options: &Checked<R::Options>, loaded: &Loaded<R::Data>, summary: &mut Summary) {
    let table = recipe.rows().ok().filter(|_| recipe.is_published_split(&loaded.split));
    let same = |row: &R::Options| recipe.without_seeds(row) == recipe.without_seeds(options);
    let row = table.as_ref().and_then(|table| table.find(same)).filter(|row| !row.scores.is_empty());
    summary.published = row.map(|row| row.name.clone());
    summary.add_up(row.map_or(&BTreeMap::new(), |row| &row.scores));
}

fn write_ranks<E: Error + 'static>(folder: &Path, evaluation: &impl Evaluation) -> Result<(), RunError<E>> {
    evaluation.ranks().into_iter().try_for_each(|(direction, ranks)| {
        let path = folder.join(format!("ranks_{direction}.npy"));
        write_atomically(&path, &npy::f64_vector(&ranks)).map_err(|source| RunError::Io { path, source })
    })
}
