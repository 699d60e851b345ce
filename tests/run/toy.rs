//! A recipe as small as they get: two linear towers on random features. It trains, resumes, is tested and reported as every paper is.
use coembed::blocks::{Dropout, Linear, LinearConfig, Phase};
use coembed::data::Loaded;
use coembed::losses::InfoNceLoss;
use coembed::metrics::rank::{self, RankOptions, RankReport};
use coembed::ops::{self, LayerTape};
use coembed::options::Checked;
use coembed::prelude::*;
use coembed::run::{Part, Recipe, Setting};
use coembed::train::{BatchNumbers, OptimizerConfig, Select, StepStart};

coembed::options! {
    /// Options of the toy.
    pub ToyOptions, changes ToyChanges {
        /// Epochs.
        epochs: usize = 4,
        /// Seeds, one run each.
        seeds: Vec<u64> = vec![0, 1],
    }
}

type Rows<D, T = NoneTape> = Tensor<(usize, usize), f32, D, T>;
type Towers<D> = Vec<Linear<usize, usize, D>>;
type Pairs = [Matrix<f32>; 2];

fn embed<D: OpsDevice, T: LayerTape<D>>(
    of: &Towers<D>,
    [a, b]: [Rows<D, T>; 2],
    phase: Phase,
) -> Result<Rows<D, T::Output>, OpError> {
    ops::matmul_nt(Dropout { rate: 0.1 }.forward(of[0].forward(a)?, phase)?, of[1].forward(b)?)
}

fn rows<D: OpsDevice>(device: &D, pairs: &Pairs, (from, to): (usize, usize)) -> Result<[Rows<D>; 2], OpError> {
    let of = |m: &Matrix<f32>| ops::to_tensor(device, m.as_slice()[from * 5..to * 5].to_vec(), (to - from, 5));
    Ok([of(&pairs[0])?, of(&pairs[1])?])
}

fn judge<D: OpsDevice>(device: &D, model: &Towers<D>, pairs: &Pairs) -> Result<RankReport, OpError> {
    let similarity = ops::to_vec(&embed(model, rows(device, pairs, (0, 24))?, Phase::Evaluation)?)?;
    let (similarity, truths) = (Matrix::new(similarity, 24, 24).unwrap(), (0..24).map(|i| vec![i]).collect::<Vec<_>>());
    Ok(rank::evaluate(similarity.view(), &truths, &RankOptions::default()).unwrap())
}

pub struct ToyTask<'a, D>(&'a Pairs, D);

impl<D: OpsDevice> Task<D> for ToyTask<'_, D> {
    type Model = Towers<D>;
    type Batches = BatchNumbers<OpError>;
    type Error = OpError;

    fn begin_epoch(&mut self, _: &mut Towers<D>, _: usize) -> Result<BatchNumbers<OpError>, OpError> {
        Ok(BatchNumbers::new(3))
    }

    fn step(&mut self, model: &mut Towers<D>, batch: usize, start: StepStart<'_, D>) -> Result<Step<D>, OpError> {
        let pairs = rows(&self.1, self.0, (8 * batch, 8 * batch + 8))?.map(ops::data);
        Step::new(InfoNceLoss::default().forward(embed(model, pairs, start.phase)?)?, start.before)
    }

    fn score_names(&self) -> Vec<String> {
        RankReport::names()
    }

    fn evaluate(&self, model: &Towers<D>) -> Result<Vec<(String, f64)>, OpError> {
        Ok(judge(&self.1, model, self.0)?.scores())
    }
}

pub struct Toy;

impl Recipe for Toy {
    type Options = ToyOptions;
    type Data = Pairs;
    type Model<D: OpsDevice> = Towers<D>;
    type Task<'a, D: OpsDevice> = ToyTask<'a, D>;
    type Evaluation = RankReport;
    type Error = OpError;

    fn name(&self) -> &'static str {
        "toy"
    }

    fn load(&self, _: &Checked<ToyOptions>, folder: &std::path::Path, _: Part) -> Result<Loaded<Pairs>, OpError> {
        let name = folder.display().to_string();
        let mut draw = rng(name.len() as u64, Purpose::Own(7), 0, 0);
        let video = Matrix::from_fn(24, 5, |_, _| rand::Rng::random_range(&mut draw, -1.0..1.0f32));
        let text = Matrix::from_fn(24, 5, |row, column| video.row(row)[column] * 0.5 + 0.1);
        Ok(Loaded {
            split: [video, text],
            files: vec![(folder.into(), coembed::digest::sha256(name.as_bytes()))],
            warnings: vec![],
        })
    }

    fn model<D: OpsDevice>(&self, of: Setting<'_, Self, D>) -> Result<Towers<D>, OpError> {
        let mut draw = rng(of.seed, Purpose::Weights, 0, 0);
        (0..2).map(|_| LinearConfig { inputs: 5, outputs: 6 }.build(of.device, &mut draw)).collect()
    }

    fn task<'a, D: OpsDevice>(&'a self, of: Setting<'a, Self, D>, _: &Towers<D>) -> Result<ToyTask<'a, D>, OpError> {
        Ok(ToyTask(of.data, of.device.clone()))
    }

    fn optimizer(&self, _: &Checked<ToyOptions>) -> OptimizerConfig {
        OptimizerConfig::Adam(Default::default())
    }

    fn fit(&self, options: &Checked<ToyOptions>) -> Fit {
        Fit { epochs: options.epochs, batch_size: 8, select: Some(Select::by("t2v/R@1")), ..Fit::default() }
    }

    fn evaluate<D: OpsDevice>(&self, of: Setting<'_, Self, D>, model: &Towers<D>) -> Result<RankReport, OpError> {
        judge(of.device, model, of.data)
    }
}
