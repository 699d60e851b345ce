//! An adjective space is asked of a model of verbs and nouns.

use coembed::blocks::{ConcatConfig, Config, PartOfSpeech};
use coembed::models::{JposeConfig, VerbNoun};
use coembed::train::{Purpose, rng};
use dfdx::prelude::{Const, Cpu, Tensor, ZerosTensor};

struct Adjective;

impl PartOfSpeech for Adjective {
    const NAME: &'static str = "adjective";
}

fn main() {
    let device = Cpu::default();
    let model = JposeConfig::<VerbNoun, _, _, _, _>::new(Const::<6>, Const::<5>, Const::<4>, ConcatConfig { width: Const::<8> });
    let model = model.build(&device, &mut rng(0, Purpose::Weights, 0, 0)).unwrap();
    let features: Tensor<(usize, Const<6>), f32, Cpu> = device.zeros_like(&(2, Const));
    model.embed_video_part::<Adjective, _, _>(features).unwrap();
}
