use std::borrow::Cow;

use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tensor};

use super::{Conv1dKernel, Conv1dSteps};
use crate::gemm::{Operand, Threads, gemm};
use crate::ops::parallel::{fold, for_items};
use crate::ops::record::{record, weight_and_bias};
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, device_error};

/// Sizes of a convolution.
#[derive(Clone, Copy)]
struct Sizes {
    channels: usize,
    length: usize,
    outputs: usize,
    kernel: usize,
    positions: usize,
    steps: Conv1dSteps,
}

impl Sizes {
    /// Values under the kernel at one position.
    fn window(self) -> usize {
        self.channels * self.kernel
    }

    fn input(self) -> usize {
        self.channels * self.length
    }

    fn output(self) -> usize {
        self.outputs * self.positions
    }

    /// Multiply-adds of a batch.
    fn work(self, batch: usize) -> usize {
        batch * self.output() * self.window()
    }

    /// Whether the values under the kernel are the input itself.
    fn is_pointwise(self) -> bool {
        self.kernel == 1 && self.steps == Conv1dSteps::default()
    }

    /// Calls `f(value of the item, value of the windows)` for the pairs that are the same.
    fn pairs(self, mut f: impl FnMut(usize, usize)) {
        for row in 0..self.window() {
            let (channel, k) = (row / self.kernel, row % self.kernel);
            for position in 0..self.positions {
                if let Some(i) = self.steps.source(position, k, self.length) {
                    f(channel * self.length + i, row * self.positions + position);
                }
            }
        }
    }

    /// `(channels · kernel, positions)`: every column holds what is under the kernel at that position.
    fn windows(self, item: &[f32]) -> Cow<'_, [f32]> {
        if self.is_pointwise() {
            return Cow::Borrowed(item);
        }
        let mut windows = vec![0.0; self.window() * self.positions];
        self.pairs(|i, w| windows[w] = item[i]);
        Cow::Owned(windows)
    }
}

fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, sizes: Sizes, batch: usize) -> Vec<f32> {
    let mut y = vec![0.0; batch * sizes.output()];
    let filter = Operand::new(weight, sizes.outputs, sizes.window());
    for_items(&mut y, sizes.output(), sizes.work(batch), |i, y, threads| {
        if let Some(bias) = bias {
            y.chunks_exact_mut(sizes.positions).zip(bias).for_each(|(row, bias)| row.fill(*bias));
        }
        let windows = sizes.windows(&x[i * sizes.input()..][..sizes.input()]);
        let windows = Operand::new(&windows, sizes.window(), sizes.positions);
        gemm(filter, windows, y, sizes.positions, bias.is_some(), threads);
    });
    y
}

fn add_input_gradient(grad: &[f32], weight: &[f32], sizes: Sizes, gx: &mut [f32]) {
    let filter = Operand::new(weight, sizes.outputs, sizes.window()).t();
    let batch = grad.len() / sizes.output().max(1);
    for_items(gx, sizes.input(), sizes.work(batch), |i, gx, threads| {
        let gy = Operand::new(&grad[i * sizes.output()..][..sizes.output()], sizes.outputs, sizes.positions);
        if sizes.is_pointwise() {
            return gemm(filter, gy, gx, sizes.positions, true, threads);
        }
        let mut windows = vec![0.0; sizes.window() * sizes.positions];
        gemm(filter, gy, &mut windows, sizes.positions, false, threads);
        sizes.pairs(|i, w| gx[i] += windows[w]);
    });
}

/// The items one after the other, so that the sum over them has one order.
fn add_weight_gradient(grad: &[f32], x: &[f32], sizes: Sizes, gw: &mut [f32]) {
    let items = grad.chunks_exact(sizes.output().max(1)).zip(x.chunks_exact(sizes.input().max(1)));
    for (gy, x) in items {
        let windows = sizes.windows(x);
        let windows = Operand::new(&windows, sizes.window(), sizes.positions).t();
        let gy = Operand::new(gy, sizes.outputs, sizes.positions);
        gemm(gy, windows, gw, sizes.window(), true, Threads::All);
    }
}

impl Conv1dKernel for Cpu {
    fn conv1d<B: Dim, C: Dim, L: Dim, O: Dim, K: Dim, T: LayerTape<Self>>(
        x: Tensor<(B, C, L), f32, Self, T>,
        weight: &Tensor<(O, C, K), f32, Self>,
        bias: Option<&Tensor<(O,), f32, Self>>,
        steps: Conv1dSteps,
        positions: usize,
    ) -> Result<Tensor<(B, O, usize), f32, Self, T::Output>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (weight, bias, tape) = weight_and_bias(weight, bias, tape.begin())?;
        let ((batch, channels, length), (outputs, _, kernel)) = (*x.shape(), *weight.shape());
        let (channels, length, kernel) = (channels.size(), length.size(), kernel.size());
        let sizes = Sizes { channels, length, outputs: outputs.size(), kernel, positions, steps };
        let y = forward(&view(&x), &view(&weight), bias.as_ref().map(view).as_deref(), sizes, batch.size());

        let device = x.device().clone();
        record(&device, y, (batch, outputs, positions), tape, move |grad, grads| {
            if T::GRADIENT {
                add_input_gradient(&grad, &view(&weight), sizes, Slot::gradient(&x, grads)?.filled());
            }
            add_weight_gradient(&grad, &view(&x), sizes, Slot::gradient(&weight, grads)?.filled());
            if let Some(bias) = &bias {
                let rows = grad.chunks_exact(positions);
                let gb = grads.get_or_alloc_mut(bias)?;
                rows.enumerate().for_each(|(i, row)| gb[i % sizes.outputs] += fold(row, 0.0, |a, b| a + b));
            }
            Ok(())
        })
    }
}
