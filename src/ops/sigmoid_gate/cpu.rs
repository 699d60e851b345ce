use dfdx::prelude::{Cpu, HasShape, Merge, Shape, Tensor};

use super::SigmoidGateKernel;
use crate::ops::math::sigmoid;
use crate::ops::parallel::{collect_block_pairs, collect_blocks};
use crate::ops::record::{operands, record};
use crate::ops::slot::Slot;
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
    /// The gradient of the gate; and of that of the result, in its place, the one of the value.
    fn backward(value: &[f32], gate: &[f32], g_value: &mut [f32], g_gate: &mut [f32]) {
        for ((dy, gg), (v, g)) in g_value.iter_mut().zip(g_gate).zip(value.iter().zip(gate)) {
            let s = sigmoid(*g);
            // In this order no product is infinite where the gradient is not.
            *gg = *dy * (v * (s * (1.0 - s)));
            *dy *= s;
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
        record(&device, y, shape, tape, move |mut grad, grads| {
            let (v, g) = (view(&value), view(&gate));
            let g_gate = collect_block_pairs(v.len(), 1, &mut grad, 1, |at, g_gate, g_value| {
                backward(&v[at..][..g_value.len()], &g[at..][..g_value.len()], g_value, g_gate);
            });
            Slot::gradient(&value, grads)?.give(grad);
            if R::GRADIENT {
                Slot::gradient(&gate, grads)?.give(g_gate);
            }
            Ok(())
        })
    }
}
