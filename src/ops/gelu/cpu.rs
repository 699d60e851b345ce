use dfdx::prelude::{Cpu, HasShape, ReshapeTo, Shape, SplitTape, Tape, Tensor};

use super::GeluKernel;
use crate::ops::math::{normal, sigmoid};
use crate::ops::parallel::for_blocks;
use crate::ops::record::record;
use crate::ops::vectorise::vectorise;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};

const QUICK: f32 = 1.702;

vectorise! {
    fn gelu_values(x: &[f32], y: &mut [f32]) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y = x * normal(*x).0);
    }
}

vectorise! {
    /// `dx = g (Φ(x) + x φ(x))`.
    fn gelu_backward(x: &[f32], grad: &[f32], gx: &mut [f32]) {
        const PEAK: f32 = 0.398_942_3;
        for ((gx, x), g) in gx.iter_mut().zip(x).zip(grad) {
            let (below, bell) = normal(*x);
            *gx += g * (below + x * bell * PEAK);
        }
    }
}

vectorise! {
    fn quick_values(x: &[f32], y: &mut [f32]) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y = x * sigmoid(QUICK * x));
    }
}

vectorise! {
    fn quick_backward(x: &[f32], grad: &[f32], gx: &mut [f32]) {
        for ((gx, x), g) in gx.iter_mut().zip(x).zip(grad) {
            let s = sigmoid(QUICK * x);
            *gx += g * (s + QUICK * x * s * (1.0 - s));
        }
    }
}

/// An elementwise operation from its values and its gradient, block by block.
fn elementwise<S: Shape, T: Tape<f32, Cpu>>(
    x: Tensor<S, f32, Cpu, T>,
    values: fn(&[f32], &mut [f32]),
    backward: fn(&[f32], &[f32], &mut [f32]),
) -> Result<Tensor<S, f32, Cpu, T>, OpError> {
    let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
    let (shape, data) = (*x.shape(), view(&x));
    let mut y = vec![0.0; data.len()];
    for_blocks(&mut y, |at, y| values(&data[at..][..y.len()], y));
    let device = x.device().clone();
    record(&device, y, shape, tape, move |grad, grads| {
        let data = view(&x);
        for_blocks(grads.get_or_alloc_mut(&x)?, |at, gx| {
            backward(&data[at..][..gx.len()], &grad[at..][..gx.len()], gx);
        });
        Ok(())
    })
}

impl GeluKernel for Cpu {
    fn gelu<S: Shape, T: Tape<f32, Self>>(x: Tensor<S, f32, Self, T>) -> Result<Tensor<S, f32, Self, T>, OpError> {
        elementwise(x, gelu_values, gelu_backward)
    }

    fn quick_gelu<S: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        elementwise(x, quick_values, quick_backward)
    }
}
