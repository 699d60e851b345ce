use dfdx::prelude::{Cpu, HasShape, ReshapeTo, Shape, SplitTape, Tensor};

use super::ConcatKernel;
use crate::ops::parallel::for_rows;
use crate::ops::record::record;
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{AroundAxis, OpError, RecordingTape, device_error};

impl ConcatKernel for Cpu {
    fn concat<S: Shape, O: Shape, T: RecordingTape<Self>>(
        parts: Vec<Tensor<S, f32, Self, T>>,
        axis: usize,
        shape: O,
    ) -> Result<Tensor<O, f32, Self, T>, OpError> {
        // Everything from the axis on is one row.
        let width = |around: AroundAxis| around.length * around.inner;
        let device = parts[0].device().clone();
        let mut tape = T::default();
        let mut inputs = Vec::with_capacity(parts.len());
        let mut y = vec![0.0; shape.num_elements()];
        let (mut at, total) = (0, width(AroundAxis::of(&shape, axis)));
        for part in parts {
            let (part, part_tape) = part.try_contiguous().map_err(device_error)?.split_tape();
            tape = tape.merge(part_tape);
            let (data, w) = (view(&part), width(AroundAxis::of(part.shape(), axis)));
            for_rows(&mut y, total, |i, row| row[at..at + w].copy_from_slice(&data[i * w..][..w]));
            drop(data);
            // Only where the gradient goes is kept, not the values.
            inputs.push((Slot::of(&part).map_err(device_error)?, at, w));
            at += w;
        }
        record(&device, y, shape, tape, move |grad, grads| {
            for (slot, at, w) in inputs {
                slot.open(grads)?.add_rows(w, |i, gx| {
                    gx.iter_mut().zip(&grad[i * total + at..]).for_each(|(gx, g)| *gx += g);
                });
            }
            Ok(())
        })
    }
}
