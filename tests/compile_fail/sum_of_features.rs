//! Features, which record nothing, are the left operand of a sum.

use coembed::ops::{self, DataTape, OpError};
use coembed::prelude::{Const, Cpu, Tensor};

fn sum(
    face: Tensor<(usize, Const<512>), f32, Cpu, DataTape>,
    scene: Tensor<(usize, Const<512>), f32, Cpu, DataTape>,
) -> Result<Tensor<(usize, Const<512>), f32, Cpu, DataTape>, OpError> {
    ops::add(face, scene)
}

fn main() {}
