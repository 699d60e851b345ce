use std::convert::Infallible;
use std::marker::PhantomData;

use dfdx::prelude::{Gradients, OwnedTape, Tensor};

use super::optim::RestoreError;
use super::state_dict::StateDict;
use crate::blocks::{Parameters, Phase};
use crate::ops::{self, OpError, OpsDevice};

/// What a paper brings to the loop: its batches, its loss, its validation.
///
/// An epoch's batches must be a pure function of seed and epoch, and whatever else a task remembers from step to step belongs to its
/// [`state`](Task::state): that makes a resumed run equal to an uninterrupted one, bit for bit.
pub trait Task<D: OpsDevice> {
    /// The model.
    type Model: Parameters<D>;
    /// The batches of an epoch.
    type Batches: Batches<Error = Self::Error>;
    /// What can go wrong.
    type Error: std::error::Error + From<OpError> + Send + 'static;

    /// Prepares an epoch. A run that goes on in the middle of an epoch begins it again, and then puts the parameters and the task's own state back
    /// to what they were where it stopped.
    ///
    /// # Errors
    /// Whatever the data bring.
    fn begin_epoch(&mut self, model: &mut Self::Model, epoch: usize) -> Result<Self::Batches, Self::Error>;

    /// Loss and gradients of one batch.
    ///
    /// # Errors
    /// Whatever the data bring.
    fn step(
        &mut self,
        model: &mut Self::Model,
        batch: <Self::Batches as Batches>::Batch,
        start: StepStart<'_, D>,
    ) -> Result<Step<D>, Self::Error>;

    /// What follows the optimizer's step: a scale is clamped, a momentum encoder or a queue moves on.
    ///
    /// # Errors
    /// Whatever the task does there.
    fn after_step(&mut self, _model: &mut Self::Model) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Names of the validation scores.
    fn score_names(&self) -> Vec<String>;

    /// Validation scores by name.
    ///
    /// # Errors
    /// Whatever the data bring.
    fn evaluate(&self, model: &Self::Model) -> Result<Vec<(String, f64)>, Self::Error>;

    /// What the task remembers between steps and an epoch's beginning does not restore: a memory bank and its pointer, a momentum encoder,
    /// running bases. It is kept in the checkpoints that a run resumes from.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    fn state(&self) -> Result<StateDict, OpError> {
        Ok(StateDict::new())
    }

    /// Goes on from what [`Task::state`] gave.
    ///
    /// # Errors
    /// [`RestoreError`] when the entries are not its own.
    fn restore(&mut self, _device: &D, state: StateDict) -> Result<(), RestoreError> {
        match state.into_keys().next() {
            Some(name) => Err(RestoreError::Unexpected { name }),
            None => Ok(()),
        }
    }
}

/// The batches of one epoch. They are assembled on a thread of their own, ahead of the step that takes them.
pub trait Batches: Sync {
    /// One of them.
    type Batch: Send;
    /// What can go wrong.
    type Error: Send;

    /// How many there are.
    fn count(&self) -> usize;

    /// A batch by its number; a pure function of it.
    ///
    /// # Errors
    /// Whatever the data bring.
    fn batch(&self, number: usize) -> Result<Self::Batch, Self::Error>;
}

/// Batches that are nothing but their numbers: for tasks that find their data themselves.
#[derive(Debug, Clone, Copy)]
pub struct BatchNumbers<E = Infallible> {
    count: usize,
    error: PhantomData<fn() -> E>,
}

impl<E> BatchNumbers<E> {
    /// So many batches.
    pub fn new(count: usize) -> Self {
        Self { count, error: PhantomData }
    }
}

impl<E: Send> Batches for BatchNumbers<E> {
    type Batch = usize;
    type Error = E;

    fn count(&self) -> usize {
        self.count
    }

    fn batch(&self, number: usize) -> Result<usize, E> {
        Ok(number)
    }
}

/// What the loop hands to a step.
pub struct StepStart<'s, D: OpsDevice> {
    /// Training, with the random stream of the step.
    pub phase: Phase<'s>,
    /// The gradients that those of the step are added to.
    pub before: Gradients<f32, D>,
}

/// Gradients and loss of one batch.
pub struct Step<D: OpsDevice> {
    /// Gradients of every parameter that the batch used, added to those before.
    pub gradients: Gradients<f32, D>,
    /// The loss of the batch.
    pub loss: f64,
    /// Named shares, as (part, whole), which are added up over the epoch for its line in the log.
    pub shares: Vec<(&'static str, f64, f64)>,
}

impl<D: OpsDevice> Step<D> {
    /// The step of a loss.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    pub fn new(loss: Tensor<(), f32, D, OwnedTape<f32, D>>, before: Gradients<f32, D>) -> Result<Self, OpError> {
        let value = ops::value(&loss)?;
        Ok(Self { gradients: ops::backward(loss, before)?, loss: value, shares: vec![] })
    }
}
