use super::RelMarginError;
use super::evaluate::Evaluation;
use super::jpose::{JposeModel, JposeTask, jpose_config};
use super::mmen::{MmenModel, MmenTask, mmen_config};
use super::options::Options;
use crate::blocks::{Config, Parameters};
use crate::data::retrieval::{EvalSplit, TrainSplit};
use crate::ops::{OpError, OpsDevice};
use crate::train::{Purpose, Task, rng};

/// What a program over this recipe needs of a model: JPoSE or MMEN.
pub trait RelMarginModel<D: OpsDevice>: Parameters<D> + Sized {
    /// Its training.
    type Task<'a>: Task<D, Model = Self, Error = RelMarginError>;

    /// Name in the file names of checkpoints.
    const NAME: &'static str;

    /// Number of trained values for features of the given widths, without building.
    fn count(options: &Options, video: usize, text: usize) -> usize;

    /// A model with fresh weights, a pure function of the seed.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    fn fresh(options: &Options, video: usize, text: usize, device: &D) -> Result<Self, OpError>;

    /// Training and validation.
    ///
    /// # Errors
    /// [`RelMarginError::Split`] when the parts of a split do not belong together.
    fn task<'a>(
        options: &Options,
        device: &D,
        train: &'a TrainSplit,
        validation: &'a EvalSplit,
    ) -> Result<Self::Task<'a>, RelMarginError>;

    /// Scores on a split.
    ///
    /// # Errors
    /// [`RelMarginError`].
    fn evaluate(&self, options: &Options, device: &D, split: &EvalSplit) -> Result<Evaluation, RelMarginError>;
}

impl<D: OpsDevice> RelMarginModel<D> for JposeModel<D> {
    type Task<'a> = JposeTask<'a, D>;
    const NAME: &'static str = "JPoSE";

    fn count(options: &Options, video: usize, text: usize) -> usize {
        Config::<D>::num_parameters(&jpose_config(options, video, text))
    }

    fn fresh(options: &Options, video: usize, text: usize, device: &D) -> Result<Self, OpError> {
        jpose_config(options, video, text).build(device, &mut rng(options.seed, Purpose::Weights, 0, 0))
    }

    fn task<'a>(
        options: &Options,
        device: &D,
        train: &'a TrainSplit,
        validation: &'a EvalSplit,
    ) -> Result<Self::Task<'a>, RelMarginError> {
        JposeTask::new(options, device, train, validation)
    }

    fn evaluate(&self, _: &Options, device: &D, split: &EvalSplit) -> Result<Evaluation, RelMarginError> {
        JposeTask::evaluate_on(device, self, split)
    }
}

impl<D: OpsDevice> RelMarginModel<D> for MmenModel<D> {
    type Task<'a> = MmenTask<'a, D>;
    const NAME: &'static str = "MMEN";

    fn count(options: &Options, video: usize, text: usize) -> usize {
        Config::<D>::num_parameters(&mmen_config(options, video, text))
    }

    fn fresh(options: &Options, video: usize, text: usize, device: &D) -> Result<Self, OpError> {
        mmen_config(options, video, text).build(device, &mut rng(options.seed, Purpose::Weights, 0, 0))
    }

    fn task<'a>(
        options: &Options,
        device: &D,
        train: &'a TrainSplit,
        validation: &'a EvalSplit,
    ) -> Result<Self::Task<'a>, RelMarginError> {
        MmenTask::new(options, device, train, validation)
    }

    fn evaluate(&self, options: &Options, device: &D, split: &EvalSplit) -> Result<Evaluation, RelMarginError> {
        MmenTask::evaluate_on(device, self, options.caption_type.level(), split)
    }
}
