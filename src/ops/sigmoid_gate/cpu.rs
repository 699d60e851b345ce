use dfdx::prelude::{Cpu, HasShape, Merge, Shape, Tensor};

use super::SigmoidGateKernel;
use crate::ops::math::sigmoid;
use crate::ops::parallel::{collect_written, collect_written_pairs};
use crate::ops::record::{operands, record};
use crate::ops::slot::Slot;
use crate::ops::unwritten::Unwritten;
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, RecordingTape};
use crate::processor::vectorise;

vectorise! {
    fn gated<'y>(value: &[f32], gate: &[f32], y: Unwritten<'y>) -> &'y mut [f32] {
        y.map2(value, gate, |v, g| v * sigmoid(g))
    }
}

vectorise! {
    /// The gradient of the gate; and of that of the result, in its place, the one of the value.
    fn backward<'g>(value: &[f32], gate: &[f32], g_value: &mut [f32], g_gate: Unwritten<'g>) -> &'g mut [f32] {
        g_gate.map_and_update(g_value, value, gate, |dy, v, g| {
            let s = sigmoid(g);
            // In this order no product is infinite where the gradient is not.
            (dy * (v * (s * (1.0 - s))), dy * s)
        })
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
        let y = collect_written(v.len(), 1, |at, y| gated(&v[at..][..y.len()], &g[at..][..y.len()], y));
        drop((v, g));

        let device = value.device().clone();
        record(&device, y, shape, tape, move |mut grad, grads| {
            let (v, g) = (view(&value), view(&gate));
            let g_gate = collect_written_pairs(v.len(), 1, &mut grad, 1, |at, g_gate, g_value| {
                backward(&v[at..][..g_value.len()], &g[at..][..g_value.len()], g_value, g_gate)
            });
            Slot::gradient(&value, grads)?.give(grad);
            if R::GRADIENT {
                Slot::gradient(&gate, grads)?.give(g_gate);
            }
            Ok(())
        })
    }
}
