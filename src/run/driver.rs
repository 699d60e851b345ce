use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::folder::{RunFolder, RunFolderError};
use super::host::{cpu_name, device_name};
use super::recipe::{Evaluation, Recipe, Setting, Tested};
use super::summary::{SeedScores, Summary};
use crate::blocks::num_parameters;
use crate::data::Loaded;
use crate::digest;
use crate::files::{read_text, write_atomically};
use crate::formats::npy_writer;
use crate::ops::{OpError, OpsDevice};
use crate::options::{Checked, Options, OptionsError};
use crate::train::{
    AnyOptimizer, Checkpoint, CheckpointError, Fit, FitError, Observer, OptimizerConfigError, StateDict, Training, load,
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
    Folder(#[from] RunFolderError),
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The optimizer has an option that is out of range.
    #[error(transparent)]
    Optimizer(#[from] OptimizerConfigError),
    /// An operation failed.
    #[error(transparent)]
    Op(#[from] OpError),
    /// A run would go on with other options.
    #[error("{}: of a run with other options", path.display())]
    OtherOptions {
        /// The checkpoint, or the configuration of the folder.
        path: PathBuf,
    },
    /// Options cannot be trained with.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// A run would go on with other data.
    #[error("{}: the data are not those that the run was trained on", path.display())]
    OtherData {
        /// The first file that is another, or the checkpoint.
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
/// [`RunError`]; a folder that was made for the run and holds no state yet is gone then.
pub fn train<D: OpsDevice, R: Recipe>(
    recipe: &R,
    options: &Checked<R::Options>,
    loaded: &Loaded<R::Data>,
    device: &D,
    folder: impl FnOnce(&str) -> Result<RunFolder, RunFolderError>,
    observer: &mut impl Observer,
    stop: &AtomicBool,
) -> Result<Outcome<R::Evaluation>, RunError<R::Error>> {
    // They may have been checked for evaluation alone.
    options.validate()?;
    let run = Run { recipe, options, loaded, device, config: options.to_ron(), data: data_digest(loaded) };
    // Whatever is wrong shows before anything is written.
    let first = options.seeds().first().map(|seed| run.prepare(*seed)).transpose()?;
    let folder = folder(&run.config)?;
    let path = folder.config();
    if read_text(&path).map_err(|source| RunError::Io { path: path.clone(), source })? != run.config {
        return Err(RunError::OtherOptions { path });
    }
    let outcome = run.seeds(&folder, first, observer, stop);
    if outcome.is_err() {
        folder.discard();
    }
    outcome
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
    let run = Run { recipe, options, loaded, device, config: options.to_ron(), data: String::new() };
    let mut model = recipe.model(run.setting(0)).map_err(RunError::Recipe)?;
    load_all::<D, R::Error>(&mut model, parameters)?;
    if let Some(epochs) = epochs {
        recipe.restored(options, &mut model, epochs);
    }
    let evaluation = recipe.evaluate(run.setting(0), &model).map_err(RunError::Recipe)?;
    let mut summary = run.summary();
    summary.parameters = num_parameters(&model);
    summary.seeds.push(SeedScores { seed: None, epochs, scores: numbers(&evaluation) });
    run.publish(&mut summary);
    Ok((summary, evaluation))
}

/// What all seeds of a run have in common.
struct Run<'a, R: Recipe, D: OpsDevice> {
    recipe: &'a R,
    options: &'a Checked<R::Options>,
    loaded: &'a Loaded<R::Data>,
    device: &'a D,
    config: String,
    data: String,
}

/// A model, what trains it, and what changes it.
type Prepared<'a, R, D> = (<R as Recipe>::Model<D>, <R as Recipe>::Task<'a, D>, AnyOptimizer<D>);

impl<'a, R: Recipe, D: OpsDevice> Run<'a, R, D> {
    fn setting(&self, seed: u64) -> Setting<'a, R, D> {
        Setting { options: self.options, data: &self.loaded.split, device: self.device, seed }
    }

    fn prepare(&self, seed: u64) -> Result<Prepared<'a, R, D>, RunError<R::Error>> {
        let model = self.recipe.model(self.setting(seed)).map_err(RunError::Recipe)?;
        let task = self.recipe.task(self.setting(seed), &model).map_err(RunError::Recipe)?;
        Ok((model, task, self.recipe.optimizer(self.options).build()?))
    }

    /// One seed after the other; `first` is prepared.
    fn seeds(
        &self,
        folder: &RunFolder,
        mut first: Option<Prepared<'a, R, D>>,
        observer: &mut impl Observer,
        stop: &AtomicBool,
    ) -> Result<Outcome<R::Evaluation>, RunError<R::Error>> {
        if let Some(path) = folder.other_data(&self.loaded.files)? {
            return Err(RunError::OtherData { path });
        }
        let (mut summary, mut last) = (self.summary(), None);
        for &seed in self.options.seeds() {
            let prepared = first.take().map_or_else(|| self.prepare(seed), Ok)?;
            summary.parameters = num_parameters(&prepared.0);
            observer.run_begins(seed, summary.parameters, folder.path());
            let Some((epochs, evaluation)) = self.seed(&folder.of_seed(seed), seed, prepared, observer, stop)? else {
                break;
            };
            let scores = numbers(&evaluation);
            summary.seeds.push(SeedScores { seed: Some(seed), epochs: Some(epochs), scores });
            last = Some(evaluation);
        }
        match last {
            Some(evaluation) if summary.seeds.len() == self.options.seeds().len() => {
                self.publish(&mut summary);
                let path = folder.path().join("summary.json");
                summary.save(&path).map_err(|source| RunError::Io { path, source })?;
                Ok(Outcome::Done { summary: Box::new(summary), evaluation })
            }
            _ => Ok(Outcome::Stopped { folder: folder.path().into() }),
        }
    }

    /// Trains one seed, from the state in its folder if there is one, and tests it; `None` when it was asked to stop.
    fn seed(
        &self,
        folder: &Path,
        seed: u64,
        (mut model, mut task, mut optimizer): Prepared<'a, R, D>,
        observer: &mut impl Observer,
        stop: &AtomicBool,
    ) -> Result<Option<(usize, R::Evaluation)>, RunError<R::Error>> {
        let device = self.device;
        let training = Training { task: &mut task, model: &mut model, optimizer: &mut optimizer, device };
        let (config, data) = (self.config.clone(), self.data.clone());
        let fit = Fit { folder: Some(folder.into()), seed, config, data, ..self.recipe.fit(self.options) };
        let progress = fit.run(training, self.state(folder)?, observer, stop)?;
        if progress.epochs < fit.epochs && !progress.ended {
            return Ok(None);
        }
        let mut epochs = progress.epochs;
        if self.recipe.tested(self.options) == Tested::Best && progress.best.is_some() {
            let best = Checkpoint::open(&folder.join("best.safetensors"))?;
            load_all::<D, R::Error>(&mut model, &best.model)?;
            epochs = best.progress.epochs;
        }
        self.recipe.restored(self.options, &mut model, epochs);
        let evaluation = self.recipe.evaluate(self.setting(seed), &model).map_err(RunError::Recipe)?;
        for (direction, ranks) in evaluation.ranks() {
            let path = folder.join(format!("ranks_{direction}.npy"));
            let file = npy_writer::array(&[ranks.len()], &ranks).map_err(io::Error::other);
            let written = file.and_then(|file| write_atomically(&path, &file));
            written.map_err(|source| RunError::Io { path, source })?;
        }
        Ok(Some((epochs, evaluation)))
    }

    /// The state in a folder, which must be one of this run.
    fn state(&self, folder: &Path) -> Result<Option<Checkpoint>, RunError<R::Error>> {
        let path = folder.join("last.safetensors");
        if !path.exists() {
            return Ok(None);
        }
        let state = Checkpoint::open(&path)?;
        match &state {
            state if state.config != self.config => Err(RunError::OtherOptions { path }),
            state if state.data != self.data => Err(RunError::OtherData { path }),
            _ => Ok(Some(state)),
        }
    }

    fn summary(&self) -> Summary {
        let Self { recipe, options, loaded, config, .. } = self;
        let files = loaded.files.iter().map(|(path, digest)| (path.display().to_string(), digest.clone()));
        Summary {
            recipe: recipe.name().into(),
            version: env!("CARGO_PKG_VERSION").into(),
            device: device_name::<D>().into(),
            cpu: cpu_name(),
            split: recipe.split(options, &loaded.split),
            files_sha256: files.collect(),
            facts: recipe.facts(&loaded.split),
            effective_batch: recipe.fit(options).effective_batch(),
            config: config.clone(),
            ..Summary::default()
        }
    }

    /// Adds the scores up, beside those of the published row with the same options, whatever its seeds.
    fn publish(&self, summary: &mut Summary) {
        let table = self.recipe.rows().ok().filter(|_| self.recipe.is_published_split(&self.loaded.split));
        let own = self.options.without_seeds();
        let row = table.as_ref().and_then(|table| table.find(|row| row.without_seeds() == own));
        let row = row.filter(|row| !row.scores.is_empty());
        summary.published = row.map(|row| row.name.clone());
        summary.add_up(row, |score| self.recipe.deviation(score));
    }
}

/// The scores that are finite numbers: others cannot be written.
fn numbers(evaluation: &impl Evaluation) -> BTreeMap<String, f64> {
    evaluation.scores().into_iter().filter(|(_, score)| score.is_finite()).collect()
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
