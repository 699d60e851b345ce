use dfdx::prelude::{Cpu, Shape, Tape, Tensor};

use super::ReluKernel;
use crate::ops::OpError;
use crate::ops::elementwise::elementwise;

impl ReluKernel for Cpu {
    fn relu<S: Shape, T: Tape<f32, Self>>(x: Tensor<S, f32, Self, T>) -> Result<Tensor<S, f32, Self, T>, OpError> {
        // Written so that NaN stays NaN.
        elementwise(x, |v| if v <= 0.0 { 0.0 } else { v }, |v| if v > 0.0 { 1.0 } else { 0.0 })
    }
}
