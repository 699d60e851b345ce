//! Whole training steps (forward, backward, Adam), for comparison with `benches/peers/steps.py`; see docs/performance.md.

#[path = "common/device.rs"]
mod device;
#[path = "common/inputs.rs"]
mod inputs;
#[path = "common/peer.rs"]
mod peer;

use coembed::blocks::{Config, Frames, Parameters as _, Path, Phase, Role, StepStream, VisitorMut};
use coembed::losses::{CircleLoss, CircleWeighting};
use coembed::models::{ContrastBatch, MomentumContrastConfig, TcaConfig};
use coembed::ops::{self, AdamMoments, AdamStep, AttentionOptions, DataTape, LayerTape, OpError, WeightDecay};
use coembed::train::{Adam, AdamConfig, Optimizer, Purpose, rng};
use device::{Dev, device};
use dfdx::prelude::{Backward, HasShape, OwnedTape, Shape, Tensor, TensorFromVec, WithEmptyTape, ZerosTensor};
use inputs::values;
use peer::Work;

type Plain<S> = Tensor<S, f32, Dev>;
type Traced<S> = Tensor<S, f32, Dev, OwnedTape<f32, Dev>>;
type Tokens = (usize, usize, usize);

fn tensor<S: Shape>(seed: u32, shape: S, scale: f32, offset: f32) -> Plain<S> {
    let values = values(seed, shape.num_elements(), scale).into_iter().map(|v| v + offset).collect();
    device().tensor_from_vec(values, shape)
}

/// A parameter with the moments of its optimizer.
struct Parameter<S: Shape> {
    value: Plain<S>,
    moments: AdamMoments<Dev>,
}

/// Makes parameters, each from a stream of its own.
struct Parameters(u32);

impl Parameters {
    fn make<S: Shape>(&mut self, shape: S, scale: f32, offset: f32) -> Parameter<S> {
        let zeros = || device().zeros_like(&(shape.num_elements(),));
        let value = tensor(100 + self.0, shape, scale, offset);
        self.0 += 1;
        Parameter { value, moments: AdamMoments { first: zeros(), second: zeros() } }
    }

    fn linear(&mut self, outputs: usize, inputs: usize) -> Linear {
        let weight = self.make((outputs, inputs), 2.0 / (inputs as f32).sqrt(), 0.0);
        Linear { weight, bias: self.make((outputs,), 0.1, 0.0) }
    }

    fn norm(&mut self, width: usize) -> Norm {
        Norm { scale: self.make((width,), 0.1, 1.0), shift: self.make((width,), 0.1, 0.0) }
    }
}

/// The gradients of a step and the numbers of its Adam.
struct Update {
    gradients: dfdx::prelude::Gradients<f32, Dev>,
    step: AdamStep,
}

impl Update {
    fn new(loss: Traced<()>, number: u32) -> Self {
        let weight_decay = WeightDecay::Penalty(0.0);
        let step = AdamStep { number, learning_rate: 1e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay };
        Self { gradients: loss.backward(), step }
    }

    fn apply<S: Shape>(&mut self, parameter: &mut Parameter<S>) {
        ops::adam(&mut parameter.value, &mut self.gradients, &mut parameter.moments, self.step).unwrap();
    }
}

struct Linear {
    weight: Parameter<(usize, usize)>,
    bias: Parameter<(usize,)>,
}

impl Linear {
    fn forward<S: ops::Rows<Last = usize>, T: LayerTape<Dev>>(
        &self,
        x: Tensor<S, f32, Dev, T>,
    ) -> Result<Tensor<S::With<usize>, f32, Dev, T::Output>, OpError> {
        ops::linear(x, &self.weight.value, Some(&self.bias.value))
    }

    fn update(&mut self, update: &mut Update) {
        update.apply(&mut self.weight);
        update.apply(&mut self.bias);
    }
}

struct Norm {
    scale: Parameter<(usize,)>,
    shift: Parameter<(usize,)>,
}

impl Norm {
    fn forward<T: LayerTape<Dev>>(
        &self,
        x: Tensor<Tokens, f32, Dev, T>,
    ) -> Result<Tensor<Tokens, f32, Dev, T::Output>, OpError> {
        ops::layer_norm(x, &self.scale.value, &self.shift.value, 1e-5)
    }

    fn update(&mut self, update: &mut Update) {
        update.apply(&mut self.scale);
        update.apply(&mut self.shift);
    }
}

/// Times training steps of a model.
fn training<M: 'static>(
    mut model: M,
    loss: impl Fn(&M) -> Result<Traced<()>, OpError> + 'static,
    update: impl Fn(&mut M, &mut Update) + 'static,
) -> Work {
    let mut number = 0;
    Box::new(move |clock| {
        number += 1;
        clock.time(|| {
            let loss = loss(&model).unwrap();
            let value = f64::from(loss.as_vec()[0]);
            update(&mut model, &mut Update::new(loss, number));
            value
        })
    })
}

fn two_tower() -> Work {
    let mut make = Parameters(0);
    let towers: [[Linear; 2]; 2] = std::array::from_fn(|_| [make.linear(1024, 2048), make.linear(256, 1024)]);
    let inputs = [1, 2].map(|seed| tensor(seed, (512usize, 2048usize), 2.0, 0.0));
    let loss = move |towers: &[[Linear; 2]; 2]| {
        let embed = |i: usize| {
            let [first, second] = &towers[i];
            let hidden = ops::gelu(first.forward(ops::data(inputs[i].clone()))?)?;
            ops::l2_normalize(second.forward(hidden)?, 1e-12)
        };
        ops::symmetric_cross_entropy(ops::scale(ops::matmul_nt(embed(0)?, embed(1)?)?, 20.0)?)
    };
    training(towers, loss, |towers, step| towers.iter_mut().flatten().for_each(|layer| layer.update(step)))
}

struct Layer {
    projections: [Linear; 4],
    feed: Linear,
    back: Linear,
    norm1: Norm,
    norm2: Norm,
    heads: usize,
}

impl Layer {
    fn new(width: usize, hidden: usize, heads: usize) -> Self {
        let mut make = Parameters(0);
        Self {
            projections: std::array::from_fn(|_| make.linear(width, width)),
            feed: make.linear(hidden, width),
            back: make.linear(width, hidden),
            norm1: make.norm(width),
            norm2: make.norm(width),
            heads,
        }
    }

    fn attention<T: LayerTape<Dev>>(
        &self,
        x: Tensor<Tokens, f32, Dev, T>,
    ) -> Result<Tensor<Tokens, f32, Dev, T::Output>, OpError> {
        let [query, key, value, out] = &self.projections;
        let (k, v) = (key.forward(x.with_empty_tape())?, value.forward(x.with_empty_tape())?);
        out.forward(ops::attention(query.forward(x)?, k, v, &AttentionOptions::new(self.heads))?)
    }

    fn pre_norm(&self, x: Tensor<Tokens, f32, Dev, DataTape>) -> Result<Traced<Tokens>, OpError> {
        let x = ops::add(self.attention(self.norm1.forward(x.clone())?)?, x)?;
        let hidden = ops::quick_gelu(self.feed.forward(self.norm2.forward(x.with_empty_tape())?)?)?;
        ops::add(self.back.forward(hidden)?, x)
    }

    fn post_norm(&self, x: Tensor<Tokens, f32, Dev, DataTape>) -> Result<Traced<Tokens>, OpError> {
        let x = self.norm1.forward(ops::add(self.attention(x.clone())?, x)?)?;
        let hidden = ops::relu(self.feed.forward(x.with_empty_tape())?)?;
        self.norm2.forward(ops::add(self.back.forward(hidden)?, x)?)
    }

    fn update(&mut self, update: &mut Update) {
        self.projections.iter_mut().chain([&mut self.feed, &mut self.back]).for_each(|layer| layer.update(update));
        self.norm1.update(update);
        self.norm2.update(update);
    }
}

type Forward = fn(&Layer, Tensor<Tokens, f32, Dev, DataTape>) -> Result<Traced<Tokens>, OpError>;

fn layer(shape: Tokens, hidden: usize, forward: Forward) -> Work {
    let (x, target) = (tensor(1, shape, 2.0, 0.0), tensor(2, shape, 2.0, 0.0));
    let loss = move |layer: &Layer| ops::mean_squared_error(forward(layer, ops::data(x.clone()))?, &target);
    training(Layer::new(shape.2, hidden, 8), loss, Layer::update)
}

/// The parameters of a layer as the peer has them: a stream for each, the scale by what it is.
struct Fill(u32);

impl VisitorMut<Dev> for Fill {
    type Error = OpError;

    fn tensor<S: Shape>(&mut self, path: &Path, _: Role, x: &mut Plain<S>) -> Result<(), OpError> {
        let (name, shape) = (path.to_string(), *x.shape());
        let inputs = shape.concrete().into_iter().last().unwrap_or(1);
        let (scale, offset) = match () {
            () if name.ends_with("bias") => (0.1, 0.0),
            () if name.contains("norm") => (0.1, 1.0),
            () => (2.0 / (inputs as f32).sqrt(), 0.0),
        };
        *x = tensor(100 + self.0, shape, scale, offset);
        self.0 += 1;
        Ok(())
    }
}

/// A step of Temporal Context Aggregation: anchors, positives and negatives through one layer, a bank of 4096 keys, circle loss.
fn tca_bank() -> Work {
    let (width, keys, batch) = (1024usize, 4096usize, 8usize);
    let config = TcaConfig { dropout: 0.0, ..TcaConfig::new(width) };
    let mut model = config.build(&device(), &mut rng(0, Purpose::Weights, 0, 0)).unwrap();
    model.visit_mut(&Path::ROOT, &mut Fill(0)).unwrap();
    let bank = MomentumContrastConfig { keys, ..MomentumContrastConfig::tca(width) };
    let mut bank = bank.build(&model, &device(), &mut rng(0, Purpose::Weights, 0, 1)).unwrap();
    bank.queue = tensor(50, (width, keys), 2.0 / (width as f32).sqrt(), 0.0);
    let videos = [1, 2, 3].map(|seed| tensor(seed, (batch, 300usize, width), 2.0, 0.0));
    let loss = CircleLoss { weighting: CircleWeighting::FirstRow, ..CircleLoss::default() };
    let weight_decay = WeightDecay::Penalty(1e-4);
    let mut adam = Adam::new(AdamConfig { learning_rate: 1e-4, weight_decay, ..AdamConfig::default() });
    let stream = StepStream::new(0);
    Box::new(move |clock| {
        clock.time(|| {
            let [anchors, positives, negatives] = videos.clone().map(Frames::complete);
            let batch = ContrastBatch { anchors, positives, negatives };
            let logits = bank.contrast(&model, batch, Phase::Training(&stream)).unwrap();
            let loss = loss.forward(logits).unwrap();
            let value = f64::from(loss.as_vec()[0]);
            adam.step(&mut model, loss.backward()).unwrap();
            value
        })
    })
}

fn main() {
    peer::main(&[
        ("two_tower", two_tower),
        ("pre_norm_layer", || layer((16, 64, 512), 2048, Layer::pre_norm)),
        ("tca_layer", || layer((8, 300, 1024), 2048, Layer::post_norm)),
        ("tca_bank", tca_bank),
        ("tca_layer_64", || layer((64, 300, 1024), 2048, Layer::post_norm)),
    ]);
}
