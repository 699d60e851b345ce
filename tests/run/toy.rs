//! A recipe as small as they get: two linear towers on random features. It trains, resumes, is tested and reported as every paper is.

use std::path::Path;

use coembed::blocks::Dropout;
use coembed::data::Loaded;
use coembed::losses::InfoNceLoss;
use coembed::matrix::Matrix;
use coembed::metrics::VideosByTexts;
use coembed::metrics::rank::{self, RankOptions, RankReport};
use coembed::ops;
use coembed::options::{Checked, Table, TableError};
use coembed::prelude::*;
use coembed::run::{Deviation, Part, Recipe, Setting};
use coembed::train::{BatchNumbers, Fit, OptimizerConfig, Select, Step, StepStart, Task};

coembed::options! {
    /// Options of the toy.
    pub ToyOptions, changes ToyChanges {
        /// Epochs.
        epochs: usize = 4,
        /// Seeds, one run each.
        seeds: Vec<u64> = vec![0, 1],
    }
}

type Towers<D> = [Linear<usize, usize, D>; 2];
type Similarity<D, T> = Tensor<(usize, usize), f32, D, T>;

fn similarity<D: OpsDevice, T: LayerTape<D>>(
    towers: &Towers<D>,
    pairs: &[Matrix<f32>; 2],
    phase: Phase,
) -> Result<Similarity<D, T::Output>, OpError> {
    let embed = |i: usize| {
        let features = ops::to_tensor(towers[i].weight.device(), pairs[i].as_slice().to_vec(), (24, 5))?;
        Dropout { rate: 0.1 }
            .forward(towers[i].forward(dfdx::prelude::PutTape::put_tape(features, T::default()))?, phase)
    };
    ops::matmul_nt(embed(0)?, embed(1)?)
}

fn evaluate<D: OpsDevice>(towers: &Towers<D>, pairs: &[Matrix<f32>; 2]) -> Result<RankReport, OpError> {
    let scores =
        Matrix::new(ops::to_vec(&similarity::<D, NoneTape>(towers, pairs, Phase::Evaluation)?)?, 24, 24).unwrap();
    let truths: Vec<Vec<usize>> = (0..24).map(|i| vec![i]).collect();
    Ok(rank::evaluate(VideosByTexts::new(scores.view()), &truths, &RankOptions::default()).unwrap())
}

pub struct ToyTask<'a>(&'a [Matrix<f32>; 2]);

impl<D: OpsDevice> Task<D> for ToyTask<'_> {
    type Model = Towers<D>;
    type Batches = BatchNumbers<OpError>;
    type Error = OpError;

    fn begin_epoch(&mut self, _: &mut Towers<D>, _: usize) -> Result<BatchNumbers<OpError>, OpError> {
        Ok(BatchNumbers::new(3))
    }

    fn step(&mut self, towers: &mut Towers<D>, _: usize, start: StepStart<'_, D>) -> Result<Step<D>, OpError> {
        let similarity = similarity::<D, ops::DataTape>(towers, self.0, start.phase)?;
        Step::new(InfoNceLoss::default().forward(similarity)?, start.before)
    }

    fn score_names(&self) -> Vec<String> {
        RankReport::names()
    }

    fn evaluate(&self, towers: &Towers<D>) -> Result<Vec<(String, f64)>, OpError> {
        Ok(evaluate(towers, self.0)?.scores())
    }
}

pub struct Toy;

impl Recipe for Toy {
    type Options = ToyOptions;
    type Data = [Matrix<f32>; 2];
    type Model<D: OpsDevice> = Towers<D>;
    type Task<'a, D: OpsDevice> = ToyTask<'a>;
    type Evaluation = RankReport;
    type Error = OpError;

    fn name(&self) -> &'static str {
        "toy"
    }

    fn rows(&self) -> Result<Table<ToyOptions>, TableError> {
        // Published for the options that the battery runs.
        let row = r#"(rows: [(name: "toy", scores: {"t2v/R@1": 8.5, "v2t/R@1": 9.0}, deviations: {"t2v/R@1": 0.5})])"#;
        Table::embedded(&[("toy.ron", row)])
    }

    fn deviation(&self, score: &str) -> Deviation {
        if score == "t2v/MnR" { Deviation::Population } else { Deviation::Sample }
    }

    fn load(&self, _: &Checked<ToyOptions>, _: &Path, _: Part) -> Result<Loaded<[Matrix<f32>; 2]>, OpError> {
        let mut draw = rng(3, Purpose::Own(7), 0, 0);
        let split = [(); 2].map(|()| Matrix::from_fn(24, 5, |_, _| draw.random_range(-1.0..1.0f32)));
        Ok(Loaded { split, files: vec![("drawn".into(), "3, 7".into())], warnings: vec![] })
    }

    fn model<D: OpsDevice>(&self, of: Setting<'_, Self, D>) -> Result<Towers<D>, OpError> {
        let mut draw = rng(of.seed, Purpose::Weights, 0, 0);
        let mut tower = || LinearConfig { inputs: 5, outputs: 6 }.build(of.device, &mut draw);
        Ok([tower()?, tower()?])
    }

    fn task<'a, D: OpsDevice>(&'a self, of: Setting<'a, Self, D>, _: &Towers<D>) -> Result<ToyTask<'a>, OpError> {
        Ok(ToyTask(of.data))
    }

    fn optimizer(&self, _: &Checked<ToyOptions>) -> OptimizerConfig {
        OptimizerConfig::Adam(Default::default())
    }

    fn fit(&self, options: &Checked<ToyOptions>) -> Fit {
        Fit { epochs: options.epochs, batch_size: 24, select: Some(Select::by("t2v/R@1")), ..Fit::default() }
    }

    fn evaluate<D: OpsDevice>(&self, of: Setting<'_, Self, D>, towers: &Towers<D>) -> Result<RankReport, OpError> {
        evaluate(towers, of.data)
    }
}
