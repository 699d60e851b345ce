use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tape, Tensor};

use super::WeightedSumKernel;
use crate::ops::parallel::{collect_blocks, for_row_blocks};
use crate::ops::record::record;
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};
use crate::processor::vectorise;

vectorise! {
    fn add_scaled(x: &[f32], weights: &[f32], out: &mut [f32], width: usize) {
        for ((x, weight), out) in x.chunks_exact(width).zip(weights).zip(out.chunks_exact_mut(width)) {
            out.iter_mut().zip(x).for_each(|(out, x)| *out = x.mul_add(*weight, *out));
        }
    }
}

impl WeightedSumKernel for Cpu {
    fn weighted_sum<G: Dim, B: Dim, E: Dim, T: Tape<f32, Self>>(
        x: Tensor<(G, B, E), f32, Self, T>,
        weights: &Tensor<(G, B), f32, Self>,
    ) -> Result<Tensor<(B, E), f32, Self, T>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (groups, rows, last) = *x.shape();
        let (count, width) = (rows.size(), last.size());
        let weights = view(weights).into_owned();
        let data = view(&x);
        let y = collect_blocks(count * width, width, |first, y| {
            for group in 0..groups.size() {
                let row = group * count + first;
                add_scaled(&data[row * width..][..y.len()], &weights[row..], y, width);
            }
        });
        drop(data);

        let (device, slot) = (x.device().clone(), Slot::of(&x).map_err(device_error)?);
        drop(x);
        record(&device, y, (rows, last), tape, move |grad, grads| {
            let gx = slot.open(grads)?.filled();
            for (group, gx) in gx.chunks_exact_mut((count * width).max(1)).enumerate() {
                for_row_blocks(gx, width, |first, gx| {
                    let grad = &grad[first * width..][..gx.len()];
                    add_scaled(grad, &weights[group * count + first..], gx, width);
                });
            }
            Ok(())
        })
    }
}
