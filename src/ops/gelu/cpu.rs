use dfdx::prelude::{Cpu, Shape, Tape, Tensor};

use super::GeluKernel;
use crate::ops::OpError;
use crate::ops::elementwise::elementwise;
use crate::ops::math::{normal, sigmoid};

impl GeluKernel for Cpu {
    fn gelu<S: Shape, T: Tape<f32, Self>>(x: Tensor<S, f32, Self, T>) -> Result<Tensor<S, f32, Self, T>, OpError> {
        // φ(x) = PEAK exp(-x²/2)
        const PEAK: f32 = 0.398_942_3;
        let derivative = |x: f32| {
            let (below, bell) = normal(x);
            (x * PEAK).mul_add(bell, below)
        };
        elementwise(x, |x: f32| x * normal(x).0, derivative)
    }

    fn quick_gelu<S: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        const SLOPE: f32 = 1.702;
        let derivative = |x: f32| {
            let s = sigmoid(SLOPE * x);
            // In this order nothing is infinite: where x is large, s (1 − s) is 0.
            x.mul_add(SLOPE * (s * (1.0 - s)), s)
        };
        elementwise(x, |x: f32| x * sigmoid(SLOPE * x), derivative)
    }
}
