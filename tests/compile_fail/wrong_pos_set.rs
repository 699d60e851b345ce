//! The text of another set of parts of speech is given to a model of verbs and nouns.

use coembed::blocks::{ConcatConfig, Config, PartOfSpeech, PartOrder, PosText};
use coembed::models::{JposeConfig, Noun, Verb, VerbNoun};
use coembed::train::{Purpose, rng};
use dfdx::prelude::{Const, Cpu, NoneTape, Tensor, ZerosTensor};

struct Adjective;

impl PartOfSpeech for Adjective {
    const NAME: &'static str = "adjective";
}

coembed::parts_of_speech! { VerbNounAdjective: Verb, Noun, Adjective }

fn main() {
    let device = Cpu::default();
    let model = JposeConfig::<VerbNoun, _, _, _, _>::new(Const::<6>, Const::<5>, Const::<4>, ConcatConfig { width: Const::<8> });
    let model = model.build(&device, &mut rng(0, Purpose::Weights, 0, 0)).unwrap();
    let part = || -> Tensor<(usize, Const<5>), f32, Cpu> { device.zeros_like(&(2, Const)) };
    let text = PosText::<VerbNounAdjective, _, _, _, NoneTape>::new([part(), part(), part()]).unwrap();
    model.embed_text(text, PartOrder::Declared).unwrap();
}
