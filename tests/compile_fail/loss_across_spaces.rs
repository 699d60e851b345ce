//! A verb embedding is compared with a noun embedding of the same width.

use coembed::blocks::{ConcatConfig, Config};
use coembed::losses::TripletLoss;
use coembed::models::{JposeConfig, Noun, Verb, VerbNoun};
use coembed::train::{Purpose, rng};
use dfdx::prelude::{Const, Cpu, Tensor, ZerosTensor};

fn main() {
    let device = Cpu::default();
    let model = JposeConfig::<VerbNoun, _, _, _, _>::new(Const::<6>, Const::<5>, Const::<4>, ConcatConfig { width: Const::<8> });
    let model = model.build(&device, &mut rng(0, Purpose::Weights, 0, 0)).unwrap();
    let video = || -> Tensor<(usize, Const<6>), f32, Cpu> { device.zeros_like(&(2, Const)) };
    let verb = model.embed_video_part::<Verb, _, _>(video()).unwrap();
    let other_verb = model.embed_video_part::<Verb, _, _>(video()).unwrap();
    let noun = model.embed_video_part::<Noun, _, _>(video()).unwrap();
    TripletLoss::default().terms(verb, other_verb, noun, &device.zeros_like(&(2,))).unwrap();
}
