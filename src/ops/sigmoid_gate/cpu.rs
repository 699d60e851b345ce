use dfdx::prelude::{Cpu, HasShape, Merge, ReshapeTo, Shape, SplitTape, Tape, Tensor};

use super::SigmoidGateKernel;
use crate::ops::math::sigmoid;
use crate::ops::parallel::for_blocks;
use crate::ops::record::record;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};

impl SigmoidGateKernel for Cpu {
    fn sigmoid_gate<S: Shape, T: Tape<f32, Self> + Merge<R>, R: Tape<f32, Self>>(
        value: Tensor<S, f32, Self, T>,
        gate: Tensor<S, f32, Self, R>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        let (value, tape) = value.try_contiguous().map_err(device_error)?.split_tape();
        let (gate, gate_tape) = gate.try_contiguous().map_err(device_error)?.split_tape();
        let (shape, gate_data) = (*value.shape(), view(&gate));
        let mut y = view(&value).to_vec();
        for_blocks(&mut y, |at, block| {
            for (y, g) in block.iter_mut().zip(&gate_data[at..]) {
                *y *= sigmoid(*g);
            }
        });

        let device = value.device().clone();
        record(&device, y, shape, tape.merge(gate_tape), move |grad, grads| {
            let (v_data, g_data) = (view(&value), view(&gate));
            for_blocks(grads.get_or_alloc_mut(&value)?, |at, block| {
                for ((gv, g), dy) in block.iter_mut().zip(&g_data[at..]).zip(&grad[at..]) {
                    *gv += dy * sigmoid(*g);
                }
            });
            for_blocks(grads.get_or_alloc_mut(&gate)?, |at, block| {
                for (((gg, g), v), dy) in block.iter_mut().zip(&g_data[at..]).zip(&v_data[at..]).zip(&grad[at..]) {
                    let s = sigmoid(*g);
                    *gg += dy * v * s * (1.0 - s);
                }
            });
            Ok(())
        })
    }
}
