use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tape, Tensor};

use super::L2NormalizeKernel;
use crate::ops::parallel::{dot, for_rows};
use crate::ops::record::record;
use crate::ops::view::view;
use crate::ops::{OpError, Rows, device_error};

impl L2NormalizeKernel for Cpu {
    fn l2_normalize<S: Rows, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        eps: f32,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (shape, width) = (*x.shape(), x.shape().last().size());
        let mut y = view(&x).to_vec();
        for_rows(&mut y, width, |_, row| {
            let scale = 1.0 / dot(row, row).sqrt().max(eps);
            row.iter_mut().for_each(|v| *v *= scale);
        });

        let device = x.device().clone();
        record(&device, y, shape, tape, move |grad, grads| {
            let x_data = view(&x);
            for_rows(grads.get_or_alloc_mut(&x)?, width, |i, gx| {
                let (row, g) = (&x_data[i * width..][..width], &grad[i * width..][..width]);
                let norm = dot(row, row).sqrt();
                let scale = 1.0 / norm.max(eps);
                // Below eps the divisor is a constant.
                let along = if norm > eps { dot(row, g) * scale * scale * scale } else { 0.0 };
                for ((gx, g), v) in gx.iter_mut().zip(g).zip(row) {
                    *gx += g * scale - v * along;
                }
            });
            Ok(())
        })
    }
}
