use dfdx::prelude::{Cpu, HasShape, ReshapeTo, Shape, SplitTape, Tape, Tensor};

use super::ScaleKernel;
use crate::ops::parallel::collect_written;
use crate::ops::record::record;
use crate::ops::slot::Slot;
use crate::ops::unwritten::Unwritten;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};
use crate::processor::vectorise;

vectorise! {
    fn multiply(factor: f32, x: &mut [f32]) {
        x.iter_mut().for_each(|x| *x *= factor);
    }
}

vectorise! {
    fn scaled<'y>(x: &[f32], factor: f32, y: Unwritten<'y>) -> &'y mut [f32] {
        y.map(x, |x| factor * x)
    }
}

impl ScaleKernel for Cpu {
    fn scale<S: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        factor: f32,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (shape, device, data) = (*x.shape(), x.device().clone(), view(&x));
        let y = collect_written(data.len(), 1, |at, y| scaled(&data[at..][..y.len()], factor, y));
        drop(data);
        let slot = Slot::of(&x).map_err(device_error)?;
        drop(x);
        record(&device, y, shape, tape, move |grad, grads| {
            slot.open(grads)?.give_row_blocks(grad, 1, |_, g| multiply(factor, g));
            Ok(())
        })
    }
}
