//! Collaborative Experts and its relatives: building blocks.

use coembed::blocks::{
    Activation, Config, ContextGatingConfig, GateNorm, GatedEmbeddingConfig, NetVladConfig, NormalizedGatingConfig,
    PairReasoningConfig, Parameters, Phase, ProjectionConfig, ReasoningGateConfig, SpatialMlpConfig,
};
use coembed::ops::{self, OpError};
use coembed::train::{Purpose, rng, state_dict};
use dfdx::prelude::{Backward, Const, OwnedTape, Shape, SumTo, Tensor, Trace};

use crate::support::{Case, Dev, training};

type Traced<S> = Tensor<S, f32, Dev, OwnedTape<f32, Dev>>;
type Rows = (usize, usize);

pub fn build<C: Config<Dev>>(config: C) -> C::Built {
    let built = config.build(&Dev::default(), &mut rng(0, Purpose::Weights, 0, 0)).unwrap();
    assert_eq!(coembed::blocks::num_parameters(&built), config.num_parameters(), "the arithmetic and the built block");
    built
}

/// Evaluation, training, `Σ output · loss_weight` and its gradients, running statistics after the pass in training.
fn block<C: Config<Dev>, S: Shape>(
    name: &str,
    config: C,
    shape: impl Fn(&[usize]) -> S,
    inputs: &[&str],
    forward: impl Fn(&C::Built, Vec<Traced<S>>, Phase) -> Result<Traced<Rows>, OpError>,
) {
    let case = Case::load("ce", name);
    let mut block = build(config);
    case.load_into(&mut block);
    let read = |name: &&str| {
        let stored = format!("input.{name}");
        ops::to_tensor(&Dev::default(), case.f32(&stored), shape(case.shape(&stored))).unwrap()
    };
    let inputs_read: Vec<Tensor<S, f32, Dev>> = inputs.iter().map(read).collect();
    let traced = || inputs_read.iter().map(Trace::leaky_trace).collect::<Vec<_>>();
    case.compare_tensor("output.eval", &forward(&block, traced(), Phase::Evaluation).unwrap().retaped());
    let y = forward(&block, traced(), training()).unwrap();
    case.compare_tensor("output.train", &y.retaped());
    let loss = (y * case.tensor::<usize, usize>("input.loss_weight")).sum::<(), _>();
    case.compare_tensor("output.loss", &loss.retaped::<dfdx::prelude::NoneTape>());
    let gradients = loss.backward();
    for (name, input) in inputs.iter().zip(&inputs_read) {
        case.compare_gradient(&format!("grad.input.{name}"), &gradients, input);
    }
    case.compare_gradients(&block, gradients);
    case.compare_state("output.buffer_after.", &state_dict(&block).unwrap());
    case.finish();
}

fn rows(shape: &[usize]) -> Rows {
    (shape[0], shape[1])
}

fn x<S: Shape>(mut inputs: Vec<Traced<S>>) -> Traced<S> {
    inputs.remove(0)
}

fn net_vlad(name: &str, ghosts: usize, batch_norm: bool) {
    let config = NetVladConfig { width: Const::<6>, clusters: 4, ghosts, batch_norm };
    let shape = |shape: &[usize]| (shape[0], shape[1], Const::<6>);
    block(name, config, shape, &["x"], |block, inputs, phase| block.forward(x(inputs), phase));
}

pub fn netvlad_plain() {
    net_vlad("netvlad_plain", 0, true);
}

pub fn netvlad_ghost() {
    net_vlad("netvlad_ghost", 2, true);
}

pub fn netvlad_nobn() {
    net_vlad("netvlad_nobn", 1, false);
}

pub fn netvlad_padding() {
    net_vlad("netvlad_padding", 1, true);
}

fn gating(name: &str, norm: GateNorm) {
    let config = ContextGatingConfig { width: 8, norm };
    block(name, config, rows, &["x"], |block, inputs, phase| block.forward(x(inputs), phase));
}

pub fn context_gating() {
    gating("context_gating", GateNorm::Applied);
}

pub fn context_gating_nobn() {
    gating("context_gating_nobn", GateNorm::Unused);
}

fn gated_embedding(name: &str, norm: GateNorm) {
    let config = GatedEmbeddingConfig { inputs: 11, embedding: 8, norm };
    block(name, config, rows, &["x"], |block, inputs, phase| block.forward(x(inputs), phase));
}

pub fn geu() {
    gated_embedding("geu", GateNorm::Applied);
}

pub fn geu_nobn() {
    gated_embedding("geu_nobn", GateNorm::Unused);
}

pub fn geu_mimic() {
    let config = NormalizedGatingConfig(ContextGatingConfig { width: 8, norm: GateNorm::Applied });
    block("geu_mimic", config, rows, &["x"], |block, inputs, phase| block.forward(x(inputs), phase));
}

pub fn reduce_dim() {
    let config = ProjectionConfig { inputs: 11, outputs: 8 };
    block("reduce_dim", config, rows, &["x"], |block, inputs, _| block.forward(x(inputs)));
}

pub fn geu_reasoning() {
    block("geu_reasoning", ReasoningGateConfig { width: 8 }, rows, &["x", "mask"], |block, mut inputs, phase| {
        let mask = inputs.remove(1);
        block.forward(x(inputs), mask, phase)
    });
}

pub fn g_reason_specific() {
    // The fixture has the pair side by side: `[x₁; x₂]`.
    let case = Case::load("ce", "g_reason_specific");
    let mut block = build(PairReasoningConfig { width: 8, activation: Activation::Mish });
    case.load_into(&mut block);
    let pairs = case.tensor::<usize, usize>("input.x");
    let half = |second: usize| {
        let columns = (0..6 * 8).map(|i| pairs.as_vec()[i / 8 * 16 + second * 8 + i % 8]).collect();
        ops::to_tensor(&Dev::default(), columns, (6usize, 8usize)).unwrap()
    };
    let (own, partner) = (half(0), half(1));
    let y = block.forward(own.leaky_trace(), partner.leaky_trace()).unwrap();
    case.compare_tensor("output.eval", &y.retaped());
    case.compare_tensor("output.train", &y.retaped());
    let loss = (y * case.tensor::<usize, usize>("input.loss_weight")).sum::<(), _>();
    case.compare_tensor("output.loss", &loss.retaped::<dfdx::prelude::NoneTape>());
    let gradients = loss.backward();
    let halves = gradients
        .get(&own)
        .as_vec()
        .chunks(8)
        .zip(gradients.get(&partner).as_vec().chunks(8))
        .flat_map(|(a, b)| [a, b].concat())
        .collect::<Vec<_>>();
    case.compare_f32("grad.input.x", &halves);
    case.compare_gradients(&block, gradients);
    case.finish();
}

pub fn spatial_mlp() {
    let config = SpatialMlpConfig { width: 5 };
    block("spatial_mlp", config, rows, &["x"], |block, inputs, phase| block.forward(x(inputs), phase));
}

pub fn mish() {
    struct Nothing;
    impl Parameters<Dev> for Nothing {
        coembed::visit_fields! { Dev; }
    }
    impl Config<Dev> for Nothing {
        type Built = Nothing;

        fn num_parameters(&self) -> usize {
            0
        }

        fn build(&self, _: &Dev, _: &mut impl rand::Rng) -> Result<Nothing, OpError> {
            Ok(Nothing)
        }
    }
    block("mish", Nothing, rows, &["x"], |_, inputs, _| Activation::Mish.forward(x(inputs)));
}
