//! The loop's choices: what is the best, what is kept, when it validates, when it ends, how gradients are added up and shortened.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use coembed::blocks::Parameters;
use coembed::ops::{self, OpError};
use coembed::train::{
    BatchNumbers, Best, BestTie, Checkpoint, Epochs, Fit, FitError, Interval, Keep, Optimizer, OptimizerConfig,
    ParameterGroup, Progress, RestoreError, Schedule, Select, SgdConfig, StateDict, StateTensor, StateValues, Step,
    StepStart, Task, Training, Validation, state_dict,
};
use dfdx::prelude::{Cpu, SumTo, Tensor, TensorFromVec, TryMul};

/// One parameter.
#[derive(Clone)]
struct Model {
    a: Tensor<(usize,), f32, Cpu>,
    b: Tensor<(usize,), f32, Cpu>,
}

impl Parameters<Cpu> for Model {
    coembed::visit_fields! { Cpu; a: trained, b: trained }
}

fn vector(values: &[f32]) -> Tensor<(usize,), f32, Cpu> {
    Cpu::default().tensor_from_vec(values.to_vec(), (values.len(),))
}

fn model() -> Model {
    Model { a: vector(&[1.0, -1.0]), b: vector(&[0.5]) }
}

/// Losses `Σ a g` for given g, validation scores given beforehand; counts steps, in its state.
#[derive(Default)]
struct Given {
    gradients: Vec<[f32; 2]>,
    scores: Vec<f64>,
    steps: i64,
    /// Counts the steps of an epoch.
    afresh: bool,
}

impl Task<Cpu> for Given {
    type Model = Model;
    type Batches = BatchNumbers<OpError>;
    type Error = OpError;

    fn begin_epoch(&mut self, _: &mut Model, _: usize) -> Result<BatchNumbers<OpError>, OpError> {
        if self.afresh {
            self.steps = 0;
        }
        Ok(BatchNumbers::new(self.gradients.len()))
    }

    fn step(&mut self, model: &mut Model, batch: usize, start: StepStart<'_, Cpu>) -> Result<Step<Cpu>, OpError> {
        let product = ops::data(vector(&self.gradients[batch]));
        let traced = dfdx::prelude::Trace::leaky_trace(&model.a);
        let loss = TryMul::try_mul(traced, dfdx::prelude::SplitTape::split_tape(product).0).unwrap().sum::<(), _>();
        Step::new(loss, start.before)
    }

    fn after_step(&mut self, model: &mut Model) -> Result<(), OpError> {
        self.steps += 1;
        // As a scale that is clamped.
        model.b = vector(&[0.25]);
        Ok(())
    }

    fn score_names(&self) -> Vec<String> {
        vec!["score".into()]
    }

    fn evaluate(&self, _: &Model) -> Result<Vec<(String, f64)>, OpError> {
        let score = self.scores.get(self.steps as usize / self.gradients.len() - 1).copied();
        Ok(vec![("score".into(), score.unwrap_or(self.steps as f64))])
    }

    fn state(&self) -> Result<StateDict, OpError> {
        let steps = StateTensor { shape: vec![], values: StateValues::I64(vec![self.steps]) };
        Ok([("steps".to_string(), steps)].into())
    }

    fn restore(&mut self, _: &Cpu, mut state: StateDict) -> Result<(), RestoreError> {
        let name = "steps".to_string();
        match state.remove(&name).map(|tensor| tensor.values) {
            Some(StateValues::I64(values)) => self.steps = values[0],
            _ => return Err(RestoreError::Missing { name }),
        }
        Ok(())
    }
}

fn given(batches: usize, scores: &[f64]) -> Given {
    Given { gradients: vec![[1.0, 2.0]; batches], scores: scores.to_vec(), ..Given::default() }
}

fn sgd(momentum: f32, groups: Vec<ParameterGroup>) -> OptimizerConfig {
    OptimizerConfig::Sgd(SgdConfig { learning_rate: 0.5, momentum, groups })
}

fn run(fit: &Fit, task: &mut Given, model: &mut Model) -> Result<Progress, FitError<OpError>> {
    let mut optimizer = sgd(0.0, vec![]).build::<Cpu>().unwrap();
    let training = Training { task, model, optimizer: &mut optimizer, device: &Cpu::default() };
    fit.run(training, None, &mut (), &AtomicBool::new(false))
}

fn size(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut files: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    files.sort();
    files
}

#[test]
fn the_best_epoch_of_a_tie_and_the_newest_checkpoints() {
    let run = |tie| {
        let folder = tempfile::tempdir().unwrap();
        let after = Epochs::Every { every: size(1), from: 1 };
        let fit = Fit {
            epochs: 5,
            folder: Some(folder.path().into()),
            schedule: Schedule::StepDecay { epochs: size(1), gamma: 0.95 },
            select: Some(Select { tie, ..Select::by("score") }),
            keep: vec![Keep { name: "epoch".into(), after, last: false, newest: Some(size(2)) }],
            ..Fit::default()
        };
        let progress = run(&fit, &mut given(2, &[0.1, 0.5, f64::NAN, 0.5, 0.3]), &mut model()).unwrap();
        (progress.best.unwrap(), files(folder.path()))
    };
    let (best, files) = run(BestTie::Earlier);
    assert_eq!(best, Best { score: 0.5, epoch: 1, step: 4 });
    let want = ["best.safetensors", "epoch_4.safetensors", "epoch_5.safetensors", "last.safetensors", "metrics.jsonl"];
    assert_eq!(files, want);
    assert_eq!(run(BestTie::Later).0, Best { score: 0.5, epoch: 3, step: 8 });
}

#[test]
fn a_score_that_is_not_a_number_comes_first_and_is_not_the_best() {
    let fit = Fit { epochs: 2, select: Some(Select::by("score")), ..Fit::default() };
    let progress = run(&fit, &mut given(1, &[f64::NAN, -3.0]), &mut model()).unwrap();
    assert_eq!(progress.best, Some(Best { score: -3.0, epoch: 1, step: 2 }));
}

#[test]
fn a_wrong_score_is_an_error_before_the_first_step() {
    let fit = Fit { epochs: 2, select: Some(Select::by("scoer")), ..Fit::default() };
    let mut task = given(1, &[]);
    let error = run(&fit, &mut task, &mut model()).unwrap_err();
    assert_eq!(error.to_string(), "there is no score \"scoer\" to select by; there are score");
    assert_eq!(task.steps, 0);
}

#[test]
fn patience_ends_a_run_and_its_state_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let select = Select { patience: Some(1), ..Select::by("score") };
    let fit = Fit { epochs: 9, folder: Some(folder.path().into()), select: Some(select), ..Fit::default() };
    let progress = run(&fit, &mut given(1, &[0.2, 0.3, 0.1, 0.3, 0.9]), &mut model()).unwrap();
    assert_eq!((progress.epochs, progress.ended, progress.stale), (4, true, 2));
    let saved = Checkpoint::open(&folder.path().join("last.safetensors")).unwrap();
    assert_eq!(saved.progress, progress);
    assert_eq!(saved.task["steps"].values, StateValues::I64(vec![4]));
}

#[test]
fn validations_at_the_first_step_and_every_so_many() {
    let folder = tempfile::tempdir().unwrap();
    let fit = Fit {
        epochs: 2,
        folder: Some(folder.path().into()),
        validation: Validation { every: Interval::Steps(size(3)), first_step: true },
        select: Some(Select::by("score")),
        ..Fit::default()
    };
    let mut task = Given { gradients: vec![[1.0, 0.0]; 4], scores: vec![], steps: 4, ..Given::default() };
    run(&fit, &mut task, &mut model()).unwrap();
    let log = std::fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<(u64, bool)> = lines.iter().map(|l| (l["step"].as_u64().unwrap(), l["score"].is_number())).collect();
    assert_eq!(steps, [(1, true), (3, true), (4, false), (6, true), (8, false)]);
}

#[test]
fn gradients_of_several_batches_are_averaged_and_shortened() {
    let gradients = vec![[3.0, 0.0], [1.0, 4.0], [5.0, 0.0]];
    let fit = Fit { epochs: 1, accumulate: Some(size(2)), ..Fit::default() };
    let (mut task, mut plain) =
        (Given { gradients: gradients.clone(), scores: vec![0.0; 9], steps: 1, ..Given::default() }, model());
    run(&fit, &mut task, &mut plain).unwrap();
    // Means (2, 2), then (5, 0), at a rate of 0.5.
    assert_eq!(plain.a.as_vec(), [1.0 - 0.5 * (2.0 + 5.0), -1.0 - 0.5 * 2.0]);
    assert_eq!(task.steps, 1 + 2);
    assert_eq!(plain.b.as_vec(), [0.25], "what follows a step");

    let fit = Fit { clip_norm: Some(1.0), ..fit };
    let (mut task, mut clipped) = (Given { gradients, scores: vec![0.0; 9], steps: 1, ..Given::default() }, model());
    run(&fit, &mut task, &mut clipped).unwrap();
    let norm = 8.0f32.sqrt() + 1e-6;
    let want = [1.0 - 0.5 * (2.0 / norm + 5.0 / 5.000_001), -1.0 - 0.5 * (2.0 / norm)];
    for (got, want) in clipped.a.as_vec().into_iter().zip(want) {
        assert!((got - want).abs() < 1e-6, "{got} {want}");
    }
}

#[test]
fn what_is_not_finite_is_named_and_changes_nothing() {
    let mut task = Given { gradients: vec![[1.0, 0.0], [f32::INFINITY, 0.0]], scores: vec![], ..Given::default() };
    let mut model = model();
    let error = run(&Fit { epochs: 1, ..Fit::default() }, &mut task, &mut model).unwrap_err();
    let said = error.to_string();
    assert!(
        said.starts_with("epoch 0, batch 1: the gradient of a, the first of the bad ones, is not finite"),
        "{said}"
    );
    assert_eq!(model.a.as_vec(), [0.5, -1.0]);
}

#[test]
fn a_frozen_parameter_neither_moves_nor_counts_in_the_norm() {
    let groups = vec![ParameterGroup { pattern: "a".into(), frozen: true, ..ParameterGroup::default() }];
    let (mut task, mut model) = (given(1, &[0.0]), model());
    let mut optimizer = sgd(0.9, groups).build::<Cpu>().unwrap();
    let training = Training { task: &mut task, model: &mut model, optimizer: &mut optimizer, device: &Cpu::default() };
    let fit = Fit { epochs: 1, clip_norm: Some(1e-3), ..Fit::default() };
    fit.run(training, None, &mut (), &AtomicBool::new(false)).unwrap();
    assert_eq!(model.a.as_vec(), [1.0, -1.0]);
    assert!(optimizer.state().unwrap().keys().all(|name| name.starts_with('b')), "nothing is kept of it");
}

#[test]
fn a_state_that_did_more_than_there_is_to_do_is_refused() {
    let run = |progress: Progress| {
        let (mut task, mut model) = (given(2, &[0.0]), model());
        let state = Checkpoint {
            model: state_dict(&model).unwrap(),
            task: task.state().unwrap(),
            progress,
            ..Checkpoint::default()
        };
        let mut optimizer = sgd(0.0, vec![]).build::<Cpu>().unwrap();
        let training =
            Training { task: &mut task, model: &mut model, optimizer: &mut optimizer, device: &Cpu::default() };
        let fit = Fit { epochs: 1, ..Fit::default() };
        fit.run(training, Some(state), &mut (), &AtomicBool::new(false)).unwrap_err().to_string()
    };
    let error = run(Progress { epochs: usize::MAX, ..Progress::default() });
    assert_eq!(error, format!("the checkpoint has done {} epochs, of 1", usize::MAX));
    let error = run(Progress { batches: 3, ..Progress::default() });
    assert_eq!(error, "the checkpoint has done 3 batches of an epoch, of 2");
}

#[test]
fn a_folder_that_holds_a_run_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let fit = Fit { epochs: 1, folder: Some(folder.path().into()), ..Fit::default() };
    run(&fit, &mut given(2, &[0.5]), &mut model()).unwrap();
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let before = ["last.safetensors", "metrics.jsonl"].map(read);
    let mut task = given(1, &[0.1]);
    let error = run(&fit, &mut task, &mut model()).unwrap_err();
    assert!(matches!(&error, FitError::HoldsRun { path } if path == folder.path()), "{error}");
    assert_eq!(task.steps, 0);
    assert_eq!(["last.safetensors", "metrics.jsonl"].map(read), before);
}

#[test]
fn a_group_that_fits_nothing_is_refused() {
    let groups = vec![ParameterGroup { pattern: "encoder.*".into(), frozen: true, ..ParameterGroup::default() }];
    let (mut task, mut model) = (given(1, &[0.0]), model());
    let mut optimizer = sgd(0.0, groups).build::<Cpu>().unwrap();
    let training = Training { task: &mut task, model: &mut model, optimizer: &mut optimizer, device: &Cpu::default() };
    let error = Fit { epochs: 1, ..Fit::default() }.run(training, None, &mut (), &AtomicBool::new(false));
    let error = error.unwrap_err();
    assert!(matches!(&error, FitError::NoParameter { pattern } if pattern == "encoder.*"), "{error}");
    assert_eq!(model.a.as_vec(), [1.0, -1.0]);
}

#[test]
fn what_an_epoch_begins_afresh_is_restored_in_the_middle_of_it() {
    let (mut task, mut model) = (Given { afresh: true, ..given(3, &[]) }, model());
    let done = Given { steps: 2, ..Given::default() };
    let state = Checkpoint {
        model: state_dict(&model).unwrap(),
        task: done.state().unwrap(),
        progress: Progress { batches: 2, ..Progress::default() },
        ..Checkpoint::default()
    };
    let mut optimizer = sgd(0.0, vec![]).build::<Cpu>().unwrap();
    let training = Training { task: &mut task, model: &mut model, optimizer: &mut optimizer, device: &Cpu::default() };
    let fit = Fit { epochs: 1, ..Fit::default() };
    fit.run(training, Some(state), &mut (), &AtomicBool::new(false)).unwrap();
    assert_eq!(task.steps, 3);
}

#[test]
fn numbers_of_the_loop_that_make_no_sense_are_refused_by_name() {
    let refused = |fit: Fit| {
        let (mut task, mut model) = (given(1, &[]), model());
        let error = run(&fit, &mut task, &mut model).unwrap_err().to_string();
        assert_eq!(task.steps, 0);
        error
    };
    for norm in [f32::NAN, f32::INFINITY, 0.0, -1.0] {
        let error = refused(Fit { epochs: 1, clip_norm: Some(norm), ..Fit::default() });
        assert_eq!(error, format!("clip_norm: {norm} is not a finite number above 0"));
    }
    let schedule = Schedule::StepDecay { epochs: size(1), gamma: f64::NAN };
    let error = refused(Fit { epochs: 1, schedule, ..Fit::default() });
    assert_eq!(error, "schedule: gamma NaN is not between 0 and 1");
}
