use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tape, Tensor, TensorFromVec};

use super::SoftmaxKernel;
use crate::ops::math::{exp, max, max_and_exp_sum, sum, sum2, update_sum};
use crate::ops::parallel::{collect_blocks, collect_written};
use crate::ops::record::record_tensor;
use crate::ops::slot::Slot;
use crate::ops::unwritten::Unwritten;
use crate::ops::view::view;
use crate::ops::{OpError, Rows, device_error};
use crate::processor::vectorise;

vectorise! {
    fn softmax_rows<'y>(x: &[f32], y: Unwritten<'y>, width: usize) -> &'y mut [f32] {
        let mut rows = y.rows(width);
        for x in x.chunks_exact(width) {
            let largest = max(x);
            let (y, total) = rows.row().map_sum(x, |v| exp(v - largest));
            let scale = 1.0 / total;
            y.iter_mut().for_each(|y| *y *= scale);
            rows.written(y);
        }
        rows.all()
    }
}

vectorise! {
    /// `dx = y (g − Σ g y)`, in the place of `g`.
    fn softmax_backward(y: &[f32], grad: &mut [f32], width: usize) {
        for (y, g) in y.chunks_exact(width).zip(grad.chunks_exact_mut(width)) {
            let inner = sum2(g, y, |g, y| g * y);
            g.iter_mut().zip(y).for_each(|(g, y)| *g = y * (*g - inner));
        }
    }
}

vectorise! {
    fn log_softmax_rows<'y>(x: &[f32], y: Unwritten<'y>, width: usize) -> &'y mut [f32] {
        let mut rows = y.rows(width);
        for x in x.chunks_exact(width) {
            let (largest, total) = max_and_exp_sum(x);
            let log_total = total.ln();
            let y = rows.row().map(x, |x| (x - largest) - log_total);
            rows.written(y);
        }
        rows.all()
    }
}

vectorise! {
    /// `dx = g − exp(y) Σ g`, in the place of `g`.
    fn log_softmax_backward(y: &[f32], grad: &mut [f32], width: usize) {
        for (y, g) in y.chunks_exact(width).zip(grad.chunks_exact_mut(width)) {
            let total = sum(g, |v| v);
            g.iter_mut().zip(y).for_each(|(g, y)| *g -= exp(*y) * total);
        }
    }
}

vectorise! {
    fn masked_softmax_row(x: &[f32], mask: &[f32], y: &mut [f32]) {
        for ((y, x), m) in y.iter_mut().zip(x).zip(mask) {
            *y = if *m != 0.0 { *x } else { f32::NEG_INFINITY };
        }
        let largest = max(y);
        // The maximum passes over NaN, which must not pass for a row without entries.
        if largest == f32::NEG_INFINITY && !y.iter().any(|y| y.is_nan()) {
            return y.fill(0.0);
        }
        let scale = 1.0 / update_sum(y, |v| exp(v - largest));
        y.iter_mut().for_each(|y| *y *= scale);
    }
}

/// Records `y`; `backward(y, grad, width)` turns its gradient into that of `x`, rows of a block at a time.
fn record_rows<S: Rows, T: Tape<f32, Cpu>>(
    x: Tensor<S, f32, Cpu>,
    y: Vec<f32>,
    tape: T,
    backward: impl Fn(&[f32], &mut [f32], usize) + Sync + 'static,
) -> Result<Tensor<S, f32, Cpu, T>, OpError> {
    let (shape, width, device) = (*x.shape(), x.shape().last().size(), x.device().clone());
    let slot = Slot::of(&x).map_err(device_error)?;
    drop(x);
    let y = device.try_tensor_from_vec(y, shape).map_err(device_error)?;
    let values = y.clone();
    Ok(record_tensor(y, tape, move |grad, grads| {
        let y = view(&values);
        slot.open(grads)?.give_row_blocks(grad, width, |first, grad| {
            backward(&y[first * width..][..grad.len()], grad, width);
        });
        Ok(())
    }))
}

impl SoftmaxKernel for Cpu {
    fn softmax<S: Rows, B: Dim, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        mask: Option<&Tensor<(B, S::Last), f32, Self>>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (width, len) = (x.shape().last().size(), x.shape().num_elements());
        let values = view(&x);
        let y = match mask {
            None => collect_written(len, width, |first, y| softmax_rows(&values[first * width..][..y.len()], y, width)),
            Some(mask) => {
                let per_item = x.shape().rows() / mask.shape().0.size().max(1);
                let mask = view(mask);
                collect_blocks(len, width, |first, y| {
                    for (i, y) in y.chunks_exact_mut(width).enumerate() {
                        let (x, item) = (&values[(first + i) * width..][..width], (first + i) / per_item);
                        masked_softmax_row(x, &mask[item * width..][..width], y);
                    }
                })
            }
        };
        drop(values);
        record_rows(x, y, tape, softmax_backward)
    }

    fn log_softmax<S: Rows, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (width, len) = (x.shape().last().size(), x.shape().num_elements());
        let values = view(&x);
        let y = collect_written(len, width, |first, y| log_softmax_rows(&values[first * width..][..y.len()], y, width));
        drop(values);
        record_rows(x, y, tape, log_softmax_backward)
    }
}
