use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use dfdx::prelude::{Gradients, Shape, Tensor};

use super::checkpoint::{Checkpoint, CheckpointError, Progress};
use super::metrics_log::MetricsLog;
use super::optim::Optimizer;
use super::schedule::Schedule;
use super::state_dict::state_dict;
use crate::blocks::{Parameters, Path, Role, Visitor};
use crate::ops::{OpError, OpsDevice};

/// Gradients and loss of one batch.
pub struct Step<D: OpsDevice> {
    /// Gradients of every parameter that the batch used.
    pub gradients: Gradients<f32, D>,
    /// The loss that they belong to.
    pub loss: f64,
    /// Named shares, as (part, whole), which are added up over the epoch for its line in the log.
    pub shares: Vec<(&'static str, f64, f64)>,
}

/// What a paper brings to the loop: its batches, its loss, its evaluation.
///
/// An epoch's batches must be a pure function of seed and epoch; that is what makes a resumed run equal to an uninterrupted
/// one, bit for bit.
pub trait Task<D: OpsDevice> {
    /// The model.
    type Model: Parameters<D>;
    /// What can go wrong.
    type Error: std::error::Error + 'static;

    /// Prepares an epoch and says how many batches it has.
    ///
    /// # Errors
    /// Whatever the data bring.
    fn begin_epoch(&mut self, model: &mut Self::Model, epoch: usize) -> Result<usize, Self::Error>;

    /// Loss and gradients of one batch.
    ///
    /// # Errors
    /// Whatever the data bring.
    fn step(&mut self, model: &mut Self::Model, batch: usize) -> Result<Step<D>, Self::Error>;

    /// Named validation scores.
    ///
    /// # Errors
    /// Whatever the data bring.
    fn evaluate(&self, model: &Self::Model) -> Result<Vec<(String, f64)>, Self::Error>;
}

/// Told about the course of a run: a progress bar, a log.
pub trait Observer {
    /// An epoch of so many batches begins.
    fn epoch_begins(&mut self, _epoch: usize, _batches: usize) {}
    /// A batch is done.
    fn batch_ends(&mut self, _batch: usize, _loss: f64) {}
    /// An epoch is done: its loss (the plain sum over batches, as published) and scores.
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
    /// The log failed.
    #[error("{path}: {source}")]
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A loss or gradient is NaN or infinite.
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

/// Which of several epochs with the same best score is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BestTie {
    /// The first.
    #[default]
    Earlier,
    /// The last, as published for Collaborative Experts.
    Later,
}

/// Checkpoints at regular intervals of which the newest are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rolling {
    /// Epochs between two of them: written after the epochs (from 0) that it divides.
    pub every: NonZeroUsize,
    /// Epochs at the start of the run without any.
    pub skip: usize,
    /// How many are kept.
    pub keep: NonZeroUsize,
}

impl Rolling {
    /// Whether one is written after an epoch.
    fn fires(&self, epoch: usize) -> bool {
        epoch >= self.skip && epoch.is_multiple_of(self.every.get())
    }

    /// The epoch whose checkpoint goes when that of `epoch` is written.
    fn outlived(&self, epoch: usize) -> Option<usize> {
        let old = epoch.checked_sub(self.every.get().checked_mul(self.keep.get())?)?;
        self.fires(old).then_some(old)
    }
}

/// The loop: one for every paper.
#[derive(Debug, Clone, Default)]
pub struct Fit {
    /// Epochs in all.
    pub epochs: usize,
    /// Where checkpoints (`last.safetensors`, `best.safetensors`, `NAME_EPOCH.safetensors`, `epoch_EPOCH.safetensors`) and
    /// `metrics.jsonl` go; nothing is written without it.
    pub folder: Option<PathBuf>,
    /// Name and rate of the numbered checkpoints: written when `(epoch + 1) % rate == 1` (every epoch for a rate of 1,
    /// where the published rule never fires) and after the last epoch.
    pub numbered: Option<(String, usize)>,
    /// Checkpoints `epoch_EPOCH.safetensors` of which the newest are kept.
    pub rolling: Option<Rolling>,
    /// Course of the learning rate.
    pub schedule: Schedule,
    /// Name of the score whose maximum is the best checkpoint.
    pub select: Option<String>,
    /// Which epoch wins when scores are equal.
    pub select_tie: BestTie,
    /// The configuration of the run, kept in every checkpoint.
    pub config: String,
    /// Digest of the data of the run, kept in every checkpoint.
    pub data: String,
}

/// Whether an event with a published "rate" happens in an epoch: `(epoch + 1) % rate == 1`.
///
/// At a rate of 1 the published rule never fires; here it fires in every epoch, as is evidently meant.
pub(crate) fn fires(epoch: usize, rate: usize) -> bool {
    rate <= 1 || (epoch + 1) % rate == 1
}

impl Fit {
    /// Trains from `progress` (the default, or that of a checkpoint whose model and optimizer were restored) to the last
    /// epoch, or until `stop` is set; then the state is saved and can be resumed.
    ///
    /// # Errors
    /// [`FitError`].
    pub fn run<D: OpsDevice, T: Task<D>, O: Optimizer<D>>(
        &self,
        task: &mut T,
        model: &mut T::Model,
        optimizer: &mut O,
        mut progress: Progress,
        observer: &mut impl Observer,
        stop: &AtomicBool,
    ) -> Result<Progress, FitError<T::Error>> {
        let log_path = self.folder.as_ref().map(|folder| folder.join("metrics.jsonl"));
        let log_error = |source| FitError::Log { path: log_path.clone().unwrap_or_default(), source };
        let mut log = match &log_path {
            Some(path) => Some(MetricsLog::open(path, progress.epochs).map_err(log_error)?),
            None => None,
        };
        for epoch in progress.epochs..self.epochs {
            let batches = task.begin_epoch(model, epoch).map_err(FitError::Task)?;
            observer.epoch_begins(epoch, batches);
            for batch in progress.batches..batches {
                if stop.load(Ordering::Relaxed) {
                    self.save("last", model, optimizer, &progress)?;
                    return Ok(progress);
                }
                let Step { mut gradients, loss, shares } = task.step(model, batch).map_err(FitError::Task)?;
                if let Some(what) = not_finite(model, &mut gradients, loss)? {
                    return Err(FitError::NotFinite { epoch, batch, what });
                }
                let time = epoch as f64 + batch as f64 / batches as f64;
                optimizer.set_rate_factor(self.schedule.factor(time, self.epochs));
                optimizer.step(model, gradients)?;
                progress.batches = batch + 1;
                progress.partial_loss += loss;
                for (name, part, whole) in shares {
                    let (parts, wholes) = progress.partial_shares.entry(name.into()).or_default();
                    *parts += part;
                    *wholes += whole;
                }
                progress.steps += 1;
                observer.batch_ends(batch, loss);
            }
            let mut numbers = vec![("loss".to_string(), progress.partial_loss)];
            let shares = std::mem::take(&mut progress.partial_shares);
            numbers.extend(shares.into_iter().map(|(name, (part, whole))| (name, part / whole.max(1.0))));
            numbers.extend(task.evaluate(model).map_err(FitError::Task)?);
            observer.epoch_ends(epoch, &numbers);
            tracing::info!(epoch, ?numbers, "epoch done");
            if let Some(log) = &mut log {
                log.append(epoch, &numbers).map_err(log_error)?;
            }
            progress =
                Progress { epochs: epoch + 1, steps: progress.steps, best: progress.best, ..Progress::default() };
            self.save_epoch(epoch, &numbers, model, optimizer, &mut progress)?;
        }
        Ok(progress)
    }

    fn save_epoch<D: OpsDevice, E: std::error::Error + 'static>(
        &self,
        epoch: usize,
        numbers: &[(String, f64)],
        model: &impl Parameters<D>,
        optimizer: &impl Optimizer<D>,
        progress: &mut Progress,
    ) -> Result<(), FitError<E>> {
        let score = numbers.iter().find(|(name, _)| self.select.as_ref() == Some(name)).map(|(_, score)| *score);
        let beats = |score: f64, best: f64| score > best || (self.select_tie == BestTie::Later && score == best);
        let better = score.filter(|score| progress.best.is_none_or(|(best, _)| beats(*score, best)));
        if let Some(score) = better {
            progress.best = Some((score, epoch));
            self.save("best", model, optimizer, progress)?;
        }
        if let Some((name, rate)) = &self.numbered
            && (fires(epoch, *rate) || epoch + 1 == self.epochs)
        {
            self.save(&format!("{name}_{epoch}"), model, optimizer, progress)?;
        }
        if let (Some(rolling), Some(folder)) = (self.rolling.filter(|rolling| rolling.fires(epoch)), &self.folder) {
            self.save(&format!("epoch_{epoch}"), model, optimizer, progress)?;
            if let Some(old) = rolling.outlived(epoch) {
                let path = folder.join(format!("epoch_{old}.safetensors"));
                match std::fs::remove_file(&path) {
                    Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                        return Err(CheckpointError::Io { path, source }.into());
                    }
                    _ => {}
                }
            }
        }
        // Last, so that a run killed before it repeats the epoch and writes the same files again.
        self.save("last", model, optimizer, progress)
    }

    fn save<D: OpsDevice, E: std::error::Error + 'static>(
        &self,
        name: &str,
        model: &impl Parameters<D>,
        optimizer: &impl Optimizer<D>,
        progress: &Progress,
    ) -> Result<(), FitError<E>> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let checkpoint = Checkpoint {
            model: state_dict(model)?,
            optimizer: optimizer.state()?,
            progress: progress.clone(),
            config: self.config.clone(),
            data: self.data.clone(),
        };
        Ok(checkpoint.save(&folder.join(format!("{name}.safetensors")))?)
    }
}

/// What is not finite: the first parameter (in the order of the state dict) with a bad gradient, or the loss.
fn not_finite<D: OpsDevice>(
    model: &impl Parameters<D>,
    gradients: &mut Gradients<f32, D>,
    loss: f64,
) -> Result<Option<String>, OpError> {
    struct Search<'a, D: OpsDevice> {
        gradients: &'a mut Gradients<f32, D>,
        found: Option<String>,
    }
    impl<D: OpsDevice> Visitor<D> for Search<'_, D> {
        type Error = OpError;

        fn tensor<S: Shape>(&mut self, path: &Path, role: Role, tensor: &Tensor<S, f32, D>) -> Result<(), OpError> {
            if role == Role::Trained && self.found.is_none() {
                self.gradients.try_alloc_for(tensor).map_err(crate::ops::device_error)?;
                let gradient = crate::ops::to_vec(&self.gradients.get(tensor))?;
                if gradient.iter().any(|g| !g.is_finite()) {
                    self.found = Some(format!("the gradient of {path}, the first of the bad ones,"));
                }
            }
            Ok(())
        }

        fn counter(&mut self, _: &Path, _: &u64) -> Result<(), OpError> {
            Ok(())
        }
    }
    let mut search = Search { gradients, found: None };
    model.visit(&Path::ROOT, &mut search)?;
    Ok(search.found.or_else(|| (!loss.is_finite()).then(|| "the loss".into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_fires_as_published_and_a_rate_of_one_in_every_epoch() {
        let epochs = |rate| (0..25).filter(|e| fires(*e, rate)).collect::<Vec<_>>();
        assert_eq!(epochs(10), [0, 10, 20]);
        assert_eq!(epochs(1).len(), 25);
        assert_eq!(epochs(2), (0..25).step_by(2).collect::<Vec<_>>());
    }

    #[test]
    fn rolling_checkpoints_keep_the_newest() {
        let [every, keep] = [2, 3].map(|n| NonZeroUsize::new(n).unwrap());
        let rolling = Rolling { every, skip: 3, keep };
        let mut kept = Vec::new();
        for epoch in (0..14).filter(|epoch| rolling.fires(*epoch)) {
            kept.push(epoch);
            kept.retain(|old| Some(*old) != rolling.outlived(epoch));
        }
        assert_eq!(kept, [8, 10, 12]);
    }
}
