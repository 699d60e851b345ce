//! The verb text without the noun text.

use coembed::blocks::PosText;
use coembed::models::VerbNoun;
use dfdx::prelude::{Const, Cpu, NoneTape, Tensor, ZerosTensor};

fn main() {
    let verb: Tensor<(usize, Const<5>), f32, Cpu> = Cpu::default().zeros_like(&(2, Const));
    PosText::<VerbNoun, _, _, _, NoneTape>::new([verb]).unwrap();
}
