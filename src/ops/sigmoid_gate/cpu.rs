use dfdx::prelude::{Cpu, HasShape, Merge, Shape, Tensor};

use super::SigmoidGateKernel;
use crate::ops::math::sigmoid;
use crate::ops::parallel::{collect_blocks, for_row_block_pairs};
use crate::ops::record::{add_gradient, operands, record, take_gradient};
use crate::ops::vectorise::vectorise;
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, RecordingTape};

vectorise! {
    fn gated(value: &[f32], gate: &[f32], y: &mut [f32]) {
        for ((y, v), g) in y.iter_mut().zip(value).zip(gate) {
            *y = v * sigmoid(*g);
        }
    }
}

vectorise! {
    fn backward(value: &[f32], gate: &[f32], grad: &[f32], g_value: &mut [f32], g_gate: &mut [f32]) {
        let inputs = value.iter().zip(gate).zip(grad);
        for ((gv, gg), ((v, g), dy)) in g_value.iter_mut().zip(g_gate).zip(inputs) {
            let s = sigmoid(*g);
            *gv += dy * s;
            // In this order no product is infinite where the gradient is not.
            *gg += dy * (v * (s * (1.0 - s)));
        }
    }
}

impl SigmoidGateKernel for Cpu {
    fn sigmoid_gate<S: Shape, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        value: Tensor<S, f32, Self, T>,
        gate: Tensor<S, f32, Self, R>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        let (value, gate, tape) = operands(value, gate)?;
        let shape = *value.shape();
        let (v, g) = (view(&value), view(&gate));
        let y = collect_blocks(v.len(), 1, |at, y| gated(&v[at..][..y.len()], &g[at..][..y.len()], y));
        drop((v, g));

        let device = value.device().clone();
        record(&device, y, shape, tape, move |grad, grads| {
            let (v, g) = (view(&value), view(&gate));
            // Value and gate may be one tensor: its gradient is written in one place at a time.
            let mut g_value = take_gradient(grads, &value)?;
            let mut g_gate = take_gradient(grads, &gate)?;
            for_row_block_pairs(&mut g_value, 1, &mut g_gate, 1, |at, g_value, g_gate| {
                let n = g_value.len();
                backward(&v[at..][..n], &g[at..][..n], &grad[at..][..n], g_value, g_gate);
            });
            add_gradient(grads, &value, g_value)?;
            if R::GRADIENT { add_gradient(grads, &gate, g_gate) } else { Ok(()) }
        })
    }
}
