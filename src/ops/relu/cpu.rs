use dfdx::prelude::{Cpu, HasShape, ReshapeTo, Shape, SplitTape, Tape, Tensor};

use super::ReluKernel;
use crate::ops::parallel::for_blocks;
use crate::ops::record::record;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};

impl ReluKernel for Cpu {
    fn relu<S: Shape, T: Tape<f32, Self>>(x: Tensor<S, f32, Self, T>) -> Result<Tensor<S, f32, Self, T>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let shape = *x.shape();
        let mut y = view(&x).to_vec();
        // Written so that NaN stays NaN.
        for_blocks(&mut y, |_, block| block.iter_mut().for_each(|v| *v = if *v <= 0.0 { 0.0 } else { *v }));

        let device = x.device().clone();
        record(&device, y, shape, tape, move |grad, grads| {
            let x_data = view(&x);
            for_blocks(grads.get_or_alloc_mut(&x)?, |at, block| {
                for ((gx, v), g) in block.iter_mut().zip(&x_data[at..]).zip(&grad[at..]) {
                    *gx += if *v > 0.0 { *g } else { 0.0 };
                }
            });
            Ok(())
        })
    }
}
