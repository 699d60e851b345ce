//! The loop: one for every paper.

mod plan;
mod writer;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use dfdx::prelude::Gradients;
use rand::RngCore;

use super::checkpoint::{Best, Checkpoint, CheckpointError, Progress};
use super::gradients;
use super::metrics_log::{Line, MetricsLog};
use super::optim::{Optimizer, RestoreError, trained_names};
use super::schedule::Schedule;
use super::seed::{Purpose, rng};
use super::state_dict::{load, state_dict};
use super::task::{Batches, Step, StepStart, Task};
use crate::blocks::{Phase, StepStream};
use crate::ops::{OpError, OpsDevice};
pub use plan::{BestTie, Epochs, Interval, Keep, Select, Validation};
use writer::{Save, Writer};

/// Told about the course of a run: a progress bar, a log.
pub trait Observer {
    /// The training of a seed begins, or goes on: number of trained values, and the folder of the run.
    fn run_begins(&mut self, _seed: u64, _parameters: usize, _folder: &Path) {}
    /// An epoch of so many batches begins.
    fn epoch_begins(&mut self, _epoch: usize, _batches: usize) {}
    /// A batch is done.
    fn batch_ends(&mut self, _batch: usize, _loss: f64) {}
    /// A validation within an epoch is done.
    fn validated(&mut self, _step: u64, _scores: &[(String, f64)]) {}
    /// An epoch is done: its loss (the plain sum over batches, as published), shares, and scores where it was validated.
    fn epoch_ends(&mut self, _epoch: usize, _numbers: &[(String, f64)]) {}
}

impl Observer for () {}

/// What ends a run early.
#[derive(Debug, thiserror::Error)]
pub enum FitError<E: std::error::Error + 'static> {
    /// The task failed.
    #[error(transparent)]
    Task(E),
    /// The optimizer or a copy failed.
    #[error(transparent)]
    Op(#[from] OpError),
    /// A checkpoint failed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A saved state is not that of this optimizer, or of this task.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The parameters of a checkpoint are not those of the model.
    #[error("the checkpoint does not fit the model: {report}")]
    Parameters {
        /// What fits and what does not.
        report: String,
    },
    /// The log failed.
    #[error("{}: {source}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A run from the beginning would overwrite another.
    #[error("{} holds a run already: go on from its last.safetensors, or give another folder", path.display())]
    HoldsRun {
        /// The folder.
        path: PathBuf,
    },
    /// There is no such score to select by.
    #[error("there is no score {score:?} to select by; there are {}", known.join(", "))]
    NoScore {
        /// Its name.
        score: String,
        /// The scores of the task.
        known: Vec<String>,
    },
    /// A number of the loop that makes no sense.
    #[error("{field}: {reason}")]
    Option {
        /// The field of [`Fit`].
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A parameter has a name that a checkpoint has for something else.
    #[error("a parameter cannot be called {name}: checkpoints keep the optimizer and the task under such names")]
    Reserved {
        /// The parameter.
        name: String,
    },
    /// A group of the optimizer changes nothing.
    #[error("optimizer: groups: no trained parameter fits the pattern {pattern:?}")]
    NoParameter {
        /// The pattern.
        pattern: String,
    },
    /// A checkpoint says that more was done than there is to do.
    #[error("the checkpoint has done {done} {what}, of {all}")]
    Progress {
        /// Epochs, or batches of an epoch.
        what: &'static str,
        /// How many it has done.
        done: usize,
        /// How many there are.
        all: usize,
    },
    /// A loss or gradient is NaN or infinite. Running statistics have moved already; with accumulation a gradient is that of several batches.
    #[error("epoch {epoch}, batch {batch}: {what} is not finite; the parameters are those before this batch")]
    NotFinite {
        /// Which epoch, from 0.
        epoch: usize,
        /// Which batch, from 0.
        batch: usize,
        /// The loss, or the first parameter with such a gradient.
        what: String,
    },
}

/// The newest state, from which a run goes on.
const LAST: &str = "last.safetensors";

/// The loop: what is decided about a run beside its task, model and optimizer.
#[derive(Debug, Clone, Default)]
pub struct Fit {
    /// Epochs in all.
    pub epochs: usize,
    /// Examples in a batch, for the record.
    pub batch_size: usize,
    /// Seed of what the steps draw (dropout).
    pub seed: u64,
    /// Where `last.safetensors`, `best.safetensors`, those of [`Fit::keep`] and `metrics.jsonl` go; nothing is written without it.
    pub folder: Option<PathBuf>,
    /// Course of the learning rate.
    pub schedule: Schedule,
    /// When the task is validated.
    pub validation: Validation,
    /// Which validation is the best, whose parameters are kept; none without it.
    pub select: Option<Select>,
    /// The gradients of all parameters together are shortened to this Euclidean norm, `g · min(1, c / (‖g‖ + 1e-6))` as PyTorch does.
    pub clip_norm: Option<f32>,
    /// Batches whose mean gradient makes one optimizer step; 1 without it. What is left at the end of an epoch is a step, too.
    pub accumulate: Option<NonZeroUsize>,
    /// Further checkpoints.
    pub keep: Vec<Keep>,
    /// The configuration of the run, kept in every checkpoint.
    pub config: String,
    /// Digest of the data of the run, kept in every checkpoint.
    pub data: String,
}

/// What a run changes as it goes.
pub struct Training<'a, D: OpsDevice, T: Task<D>, O> {
    /// Batches, loss, validation.
    pub task: &'a mut T,
    /// The model.
    pub model: &'a mut T::Model,
    /// What changes it.
    pub optimizer: &'a mut O,
    /// Where all of this is.
    pub device: &'a D,
}

impl<D: OpsDevice, T: Task<D>, O: Optimizer<D>> Training<'_, D, T, O> {
    /// What is wrong with it before anything has begun: a name that checkpoints have for something else, a group without parameters.
    fn check(&self) -> Result<(), FitError<T::Error>> {
        let names = trained_names(self.model);
        if let Some(name) = names.iter().find(|name| Checkpoint::is_reserved(name)) {
            return Err(FitError::Reserved { name: name.clone() });
        }
        match self.optimizer.groups().iter().find(|group| !names.iter().any(|name| group.fits(name))) {
            Some(group) => Err(FitError::NoParameter { pattern: group.pattern.clone() }),
            None => Ok(()),
        }
    }

    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), FitError<T::Error>> {
        if checkpoint.progress.steps > 0 && checkpoint.optimizer.is_empty() {
            return Err(RestoreError::Missing { name: "of any parameter".into() }.into());
        }
        self.restore_model(checkpoint)?;
        Ok(self.optimizer.restore(self.device, self.model, checkpoint.optimizer.clone())?)
    }

    fn restore_model(&mut self, checkpoint: &Checkpoint) -> Result<(), FitError<T::Error>> {
        let report = load(self.model, &checkpoint.model)?;
        if !report.is_complete() {
            return Err(FitError::Parameters { report: report.to_string() });
        }
        Ok(self.task.restore(self.device, checkpoint.task.clone())?)
    }
}

impl Fit {
    /// Examples that a step of the optimizer sees.
    pub fn effective_batch(&self) -> usize {
        self.batch_size * self.accumulate.map_or(1, NonZeroUsize::get)
    }

    /// The first field with a number that makes no sense, NaN above all: no comparison would stop it.
    fn check(&self) -> Result<(), (&'static str, String)> {
        self.schedule.check().map_err(|reason| ("schedule", reason))?;
        match self.clip_norm {
            Some(norm) if !(norm > 0.0 && norm.is_finite()) => {
                Err(("clip_norm", format!("{norm} is not a finite number above 0")))
            }
            _ => Ok(()),
        }
    }

    /// Trains, from the beginning or from a state, to the last epoch, until patience is at an end, or until `stop` is set; then the state is
    /// saved and can be resumed.
    ///
    /// # Errors
    /// [`FitError`].
    pub fn run<D: OpsDevice, T: Task<D>, O: Optimizer<D>>(
        &self,
        mut training: Training<'_, D, T, O>,
        state: Option<Checkpoint>,
        observer: &mut impl Observer,
        stop: &AtomicBool,
    ) -> Result<Progress, FitError<T::Error>> {
        let progress = state.as_ref().map(|state| state.progress.clone()).unwrap_or_default();
        self.check().map_err(|(field, reason)| FitError::Option { field, reason })?;
        training.check()?;
        if progress.epochs > self.epochs {
            return Err(FitError::Progress { what: "epochs", done: progress.epochs, all: self.epochs });
        }
        if let Some(select) = &self.select {
            let known = training.task.score_names();
            if !known.contains(&select.score) {
                return Err(FitError::NoScore { score: select.score.clone(), known });
            }
        }
        if let (None, Some(path)) = (&state, &self.folder)
            && path.join(LAST).exists()
        {
            return Err(FitError::HoldsRun { path: path.clone() });
        }
        let path = self.folder.as_ref().map(|folder| folder.join("metrics.jsonl"));
        let log_error = |source| FitError::Log { path: path.clone().unwrap_or_default(), source };
        if let Some(state) = &state {
            training.restore(state)?;
        }
        // An epoch begins anew even where it goes on in the middle; what it changed is put back then.
        let within = state.filter(|state| state.progress.batches > 0);
        let log = path.as_ref().map(|path| MetricsLog::open(path, progress.lines)).transpose().map_err(log_error)?;
        std::thread::scope(|scope| {
            let writer = self.folder.is_some().then(|| Writer::start(scope));
            let since = (Instant::now(), progress.steps);
            let mut run = Run { fit: self, training, progress, within, log, writer, since };
            let result = run.epochs(observer, stop);
            let written = run.writer.take().map_or(Ok(()), Writer::finish);
            result?;
            written?;
            Ok(run.progress)
        })
    }
}

/// A run under way.
struct Run<'a, 'scope, D: OpsDevice, T: Task<D>, O> {
    fit: &'a Fit,
    training: Training<'a, D, T, O>,
    progress: Progress,
    /// The state in the middle of an epoch that the run goes on from.
    within: Option<Checkpoint>,
    log: Option<MetricsLog>,
    writer: Option<Writer<'scope>>,
    since: (Instant, u64),
}

/// Whether a run goes on.
#[derive(PartialEq)]
enum Going {
    On,
    Stopped,
}

type Fallible<R, T, D> = Result<R, FitError<<T as Task<D>>::Error>>;
type Batch<T, D> = <<T as Task<D>>::Batches as Batches>::Batch;
type Ready<T, D> = Receiver<Result<Batch<T, D>, <T as Task<D>>::Error>>;

impl<D: OpsDevice, T: Task<D>, O: Optimizer<D>> Run<'_, '_, D, T, O> {
    fn epochs(&mut self, observer: &mut impl Observer, stop: &AtomicBool) -> Fallible<(), T, D> {
        while self.progress.epochs < self.fit.epochs && !self.progress.ended {
            let Training { task, model, .. } = &mut self.training;
            let batches = task.begin_epoch(model, self.progress.epochs).map_err(FitError::Task)?;
            if let Some(state) = self.within.take() {
                self.training.restore_model(&state)?;
            }
            let (done, all) = (self.progress.batches, batches.count());
            if done > all {
                return Err(FitError::Progress { what: "batches of an epoch", done, all });
            }
            observer.epoch_begins(self.progress.epochs, all);
            if self.batches(&batches, observer, stop)? == Going::Stopped {
                return self.save(vec![Save::Whole(LAST.into())]);
            }
            self.end_epoch(observer)?;
        }
        Ok(())
    }

    /// The rest of an epoch; a thread of its own assembles the next batch meanwhile.
    fn batches(
        &mut self,
        batches: &T::Batches,
        observer: &mut impl Observer,
        stop: &AtomicBool,
    ) -> Fallible<Going, T, D> {
        let (first, count) = (self.progress.batches, batches.count());
        let together = self.fit.accumulate.map_or(1, NonZeroUsize::get);
        std::thread::scope(|scope| {
            let (sender, ready) = sync_channel(1);
            // Nobody receives any more when the run stops.
            scope.spawn(move || (first..count).try_for_each(|number| sender.send(batches.batch(number)).ok()));
            for first in (first..count).step_by(together) {
                if stop.load(Ordering::Relaxed) {
                    return Ok(Going::Stopped);
                }
                if !self.step(&ready, first..count.min(first.saturating_add(together)), count, observer)? {
                    // The other side is gone after a panic, which the end of the scope passes on.
                    return Ok(Going::Stopped);
                }
                if self.fit.validation.after_step(self.progress.steps) {
                    self.validate_within(observer)?;
                }
                if self.progress.ended {
                    return Ok(Going::Stopped);
                }
            }
            Ok(Going::On)
        })
    }

    /// One step of the optimizer, on the mean gradient of some batches, unless nobody makes them any more.
    fn step(
        &mut self,
        ready: &Ready<T, D>,
        numbers: Range<usize>,
        count: usize,
        observer: &mut impl Observer,
    ) -> Fallible<bool, T, D> {
        let epoch = self.progress.epochs;
        let not_finite = |batch, what| FitError::NotFinite { epoch, batch, what };
        let Training { task, model, optimizer, .. } = &mut self.training;
        let (mut sum, mut losses) = (Gradients::leaky(), vec![]);
        for number in numbers.clone() {
            let Ok(batch) = ready.recv() else { return Ok(false) };
            let stream = StepStream::new(rng(self.fit.seed, Purpose::Step, epoch, number).next_u64());
            let start = StepStart { phase: Phase::Training(&stream), before: sum };
            let batch = batch.map_err(FitError::Task)?;
            let Step { gradients, loss, shares } = task.step(model, batch, start).map_err(FitError::Task)?;
            sum = if numbers.len() > 1 { gradients::of_parameters(*model, gradients)? } else { gradients };
            losses.push((number, loss, shares));
        }
        let trains = |name: &str| optimizer.trains(name);
        let survey = gradients::survey(*model, &trains, &mut sum)?;
        if let Some(name) = survey.not_finite {
            let what = format!("the gradient of {name}, the first of the bad ones,");
            return Err(not_finite(numbers.end - 1, what));
        }
        for (number, loss, shares) in &losses {
            let share = shares.iter().find(|(_, part, whole)| !part.is_finite() || !whole.is_finite());
            match share {
                _ if !loss.is_finite() => return Err(not_finite(*number, "the loss".into())),
                Some((name, ..)) => return Err(not_finite(*number, format!("the share {name}"))),
                None => {}
            }
        }
        let mean = 1.0 / numbers.len() as f64;
        let norm = survey.squared_norm.sqrt() * mean;
        let factor = mean * self.fit.clip_norm.map_or(1.0, |most| (f64::from(most) / (norm + 1e-6)).min(1.0));
        if factor != 1.0 {
            gradients::scale(*model, &trains, &mut sum, factor as f32)?;
        }
        let time = epoch as f64 + numbers.start as f64 / count as f64;
        optimizer.set_rate_factor(self.fit.schedule.factor(time, self.fit.epochs));
        optimizer.step(*model, sum)?;
        task.after_step(model).map_err(FitError::Task)?;
        (self.progress.batches, self.progress.steps) = (numbers.end, self.progress.steps + 1);
        for (number, loss, shares) in losses {
            self.progress.add(loss, shares);
            observer.batch_ends(number, loss);
        }
        Ok(true)
    }

    /// A validation between the batches of an epoch.
    fn validate_within(&mut self, observer: &mut impl Observer) -> Fallible<(), T, D> {
        let scores = self.training.task.evaluate(self.training.model).map_err(FitError::Task)?;
        observer.validated(self.progress.steps, &scores);
        self.log(self.progress.epochs, &scores)?;
        let mut files = self.select_best(self.progress.epochs, &scores);
        files.push(Save::Whole(LAST.into()));
        self.save(files)
    }

    fn end_epoch(&mut self, observer: &mut impl Observer) -> Fallible<(), T, D> {
        let (epoch, epochs) = (self.progress.epochs, self.fit.epochs);
        let (mut numbers, mut files) = (self.progress.end_epoch(), vec![]);
        if self.fit.validation.after_epoch(epoch, epochs) {
            let scores = self.training.task.evaluate(self.training.model).map_err(FitError::Task)?;
            files = self.select_best(epoch, &scores);
            numbers.extend(scores);
        }
        observer.epoch_ends(epoch, &numbers);
        tracing::info!(epoch, ?numbers, "epoch done");
        self.log(epoch, &numbers)?;
        for keep in self.fit.keep.iter().filter(|keep| keep.fires(epoch, epochs)) {
            files.push(Save::Parameters(keep.file(epoch)));
            files.extend(keep.outlived(epoch).map(|old| Save::Removal(keep.file(old))));
        }
        // Last, so that a run killed before it repeats the epoch and writes the same files again.
        files.push(Save::Whole(LAST.into()));
        self.save(files)
    }

    /// Notes whether these are the best scores, and what is to be written if so.
    fn select_best(&mut self, epoch: usize, scores: &[(String, f64)]) -> Vec<Save> {
        let Some(select) = &self.fit.select else { return vec![] };
        let progress = &mut self.progress;
        let score = scores.iter().find(|(name, _)| *name == select.score).map_or(f64::NAN, |(_, score)| *score);
        if select.is_better(score, progress.best.map(|best| best.score)) {
            progress.best = Some(Best { score, epoch, step: progress.steps });
            progress.stale = 0;
            return vec![Save::Parameters("best.safetensors".into())];
        }
        progress.stale += 1;
        progress.ended = select.patience.is_some_and(|patience| progress.stale > patience);
        vec![]
    }

    fn log(&mut self, epoch: usize, numbers: &[(String, f64)]) -> Fallible<(), T, D> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let (begun, before) = self.since;
        let seconds = begun.elapsed().as_secs_f64();
        let learning_rate = self.training.optimizer.learning_rate();
        let steps_per_second = (self.progress.steps - before) as f64 / seconds.max(1e-9);
        let line = Line { epoch, step: self.progress.steps, learning_rate, seconds, steps_per_second, numbers };
        log.append(&line).map_err(|source| FitError::Log { path: log.path().into(), source })?;
        self.progress.lines += 1;
        Ok(())
    }

    fn save(&mut self, files: Vec<Save>) -> Fallible<(), T, D> {
        let (Some(writer), Some(folder)) = (&self.writer, &self.fit.folder) else { return Ok(()) };
        let Training { task, model, optimizer, .. } = &self.training;
        let checkpoint = Checkpoint {
            model: state_dict(*model)?,
            optimizer: optimizer.state()?,
            task: task.state()?,
            progress: self.progress.clone(),
            config: self.fit.config.clone(),
            data: self.fit.data.clone(),
        };
        if writer.send(folder, files, checkpoint) {
            return Ok(());
        }
        self.writer.take().map_or(Ok(()), |writer| Ok(writer.finish()?))
    }
}
