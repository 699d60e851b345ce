//! The gated embedding unit is built for features of 6 values and given 7.

use coembed::blocks::{Config, GateNorm, GatedEmbeddingConfig, Phase};
use coembed::train::{Purpose, rng};
use dfdx::prelude::{Const, Cpu, Tensor, ZerosTensor};

fn main() {
    let device = Cpu::default();
    let unit = GatedEmbeddingConfig { inputs: Const::<6>, embedding: Const::<4>, norm: GateNorm::Unused };
    let unit = unit.build(&device, &mut rng(0, Purpose::Weights, 0, 0)).unwrap();
    let features: Tensor<(usize, Const<7>), f32, Cpu> = device.zeros_like(&(2, Const));
    unit.forward(features, Phase::Evaluation).unwrap();
}
