use dfdx::prelude::{Cpu, HasShape, ReshapeTo, Shape, SplitTape, Tape, Tensor};

use super::{DropoutKernel, Lottery};
use crate::ops::parallel::for_blocks;
use crate::ops::record::record;
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};

impl DropoutKernel for Cpu {
    fn dropout<S: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        lottery: Lottery,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (device, shape) = (x.device().clone(), *x.shape());
        let mut y = vec![0.0; shape.num_elements()];
        let data = view(&x);
        for_blocks(&mut y, |at, block| {
            block.iter_mut().zip(&data[at..]).enumerate().for_each(|(i, (y, x))| *y = x * lottery.factor(at + i));
        });
        // The backward pass needs no values of the input: its identity is kept, its memory is not.
        let slot = Slot::of(&x).map_err(device_error)?;
        record(&device, y, shape, tape, move |grad, grads| {
            slot.open(grads)?.give_row_blocks(grad, 1, |at, block| {
                block.iter_mut().enumerate().for_each(|(i, g)| *g *= lottery.factor(at + i));
            });
            Ok(())
        })
    }
}
