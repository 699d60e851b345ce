use dfdx::prelude::{Cpu, Dim, HasShape, Merge, ReshapeTo, SplitTape, Tape, Tensor};

use super::ConcatKernel;
use crate::ops::parallel::for_rows;
use crate::ops::record::record;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};

impl ConcatKernel for Cpu {
    fn concat<B: Dim, E: Dim, W: Dim, T: Tape<f32, Self> + Merge<T>>(
        parts: Vec<Tensor<(B, E), f32, Self, T>>,
        width: W,
    ) -> Result<Tensor<(B, W), f32, Self, T>, OpError> {
        let (device, rows) = (parts[0].device().clone(), parts[0].shape().0);
        let mut tape = T::default();
        let mut inputs = Vec::with_capacity(parts.len());
        for part in parts {
            let (part, part_tape) = part.try_contiguous().map_err(device_error)?.split_tape();
            tape = tape.merge(part_tape);
            inputs.push(part);
        }
        let total = width.size();
        let mut y = vec![0.0; rows.size() * total];
        let mut at = 0;
        for input in &inputs {
            let (data, w) = (view(input), input.shape().1.size());
            for_rows(&mut y, total, |i, row| row[at..at + w].copy_from_slice(&data[i * w..][..w]));
            at += w;
        }
        record(&device, y, (rows, width), tape, move |grad, grads| {
            let mut at = 0;
            for input in &inputs {
                let w = input.shape().1.size();
                for_rows(grads.get_or_alloc_mut(input)?, w, |i, gx| {
                    gx.iter_mut().zip(&grad[i * total + at..]).for_each(|(gx, g)| *gx += g);
                });
                at += w;
            }
            Ok(())
        })
    }
}
