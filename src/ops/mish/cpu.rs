use dfdx::prelude::{Cpu, Shape, Tape, Tensor};

use super::{LINEAR_ABOVE, MishKernel};
use crate::ops::OpError;
use crate::ops::elementwise::elementwise;
use crate::ops::math::{at_least, at_most, exp};

/// Below this the value rounds to nothing; also where `exp` stops following.
const ZERO_BELOW: f32 = -87.0;

#[inline(always)]
fn mish(x: f32) -> f32 {
    let e = exp(at_most(x, LINEAR_ABOVE));
    let n = e * (e + 2.0);
    at_least(x, ZERO_BELOW) * (n / (n + 2.0))
}

/// `t + x (1 − t²) σ(x)` with `t = n / (n + 2)`.
#[inline(always)]
fn derivative(x: f32) -> f32 {
    let x = at_least(at_most(x, LINEAR_ABOVE), ZERO_BELOW);
    let e = exp(x);
    let n = e * (e + 2.0);
    let inv = 1.0 / (n + 2.0);
    n * inv + x * (4.0 * e * (1.0 + e) * inv * inv)
}

impl MishKernel for Cpu {
    fn mish<S: Shape, T: Tape<f32, Self>>(x: Tensor<S, f32, Self, T>) -> Result<Tensor<S, f32, Self, T>, OpError> {
        elementwise(x, mish, derivative)
    }
}
