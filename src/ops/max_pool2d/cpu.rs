use std::ops::Range;

use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tape, Tensor};

use super::{MaxPool2dKernel, PoolSteps};
use crate::ops::convolution::KernelAxis;
use crate::ops::parallel::for_rows;
use crate::ops::record::record;
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};

/// The values under the kernel at a position.
fn under(axis: KernelAxis, position: usize) -> Range<usize> {
    let start = position * axis.stride;
    start.saturating_sub(axis.padding)..(start + axis.kernel - axis.padding).min(axis.length)
}

/// Calls `f(square, place of its first maximum in the plane)` for every square.
fn maxima(plane: &[f32], [down, across]: [KernelAxis; 2], mut f: impl FnMut(usize, usize)) {
    for row in 0..down.positions {
        let rows = under(down, row);
        for column in 0..across.positions {
            let columns = under(across, column);
            let mut best = rows.start * across.length + columns.start;
            for start in rows.clone().map(|row| row * across.length) {
                for place in start + columns.start..start + columns.end {
                    if plane[place] > plane[best] || plane[place].is_nan() {
                        best = place;
                    }
                }
            }
            f(row * across.positions + column, best);
        }
    }
}

impl MaxPool2dKernel for Cpu {
    fn max_pool2d<B: Dim, C: Dim, H: Dim, W: Dim, T: Tape<f32, Self>>(
        x: Tensor<(B, C, H, W), f32, Self, T>,
        steps: PoolSteps,
    ) -> Result<Tensor<(B, C, usize, usize), f32, Self, T>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (batch, channels, height, width) = *x.shape();
        let axes = steps.axes([height.size(), width.size()])?;
        let ([rows, columns], plane) = (axes.map(|axis| axis.positions), height.size() * width.size());
        let mut y = vec![0.0; batch.size() * channels.size() * rows * columns];
        let data = view(&x);
        for_rows(&mut y, rows * columns, |i, y| {
            let plane = &data[i * plane..][..plane];
            maxima(plane, axes, |square, place| y[square] = plane[place]);
        });
        drop(data);

        let device = x.device().clone();
        record(&device, y, (batch, channels, rows, columns), tape, move |grad, grads| {
            let data = view(&x);
            Slot::gradient(&x, grads)?.add_rows(plane, |i, gx| {
                let grad = &grad[i * rows * columns..];
                maxima(&data[i * plane..][..plane], axes, |square, place| gx[place] += grad[square]);
            });
            Ok(())
        })
    }
}
