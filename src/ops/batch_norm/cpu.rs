use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tensor, TensorFromVec};

use super::{BatchNormKernel, BatchStatistics};
use crate::ops::parallel::{add_column_sums, for_rows};
use crate::ops::record::{parameter, record};
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, Rows, device_error};

/// Sum over rows of `f(value, column)`, in f64 and in the order of the rows.
fn column_sums(x: &[f32], width: usize, f: impl Fn(f32, usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; width];
    for row in x.chunks_exact(width.max(1)) {
        for (c, (sum, v)) in sums.iter_mut().zip(row).enumerate() {
            *sum += f(*v, c);
        }
    }
    sums
}

/// `(x − mean) · inv`, the normalised values before scale and shift.
fn normalised(x: &[f32], mean: &[f32], inv: &[f32]) -> Vec<f32> {
    let mut out = x.to_vec();
    for_rows(&mut out, mean.len(), |_, row| {
        for ((v, m), i) in row.iter_mut().zip(mean).zip(inv) {
            *v = (*v - m) * i;
        }
    });
    out
}

fn scaled(normalised: &[f32], scale: &[f32], shift: &[f32]) -> Vec<f32> {
    let mut out = normalised.to_vec();
    for_rows(&mut out, scale.len(), |_, row| {
        for ((v, s), b) in row.iter_mut().zip(scale).zip(shift) {
            *v = *v * s + b;
        }
    });
    out
}

/// Adds `Σ grad ⊙ normalised` over rows to `out`.
fn add_scale_gradient(grad: &[f32], normalised: &[f32], out: &mut [f32]) {
    let width = out.len().max(1);
    for (g, x) in grad.chunks_exact(width).zip(normalised.chunks_exact(width)) {
        for ((o, g), x) in out.iter_mut().zip(g).zip(x) {
            *o += g * x;
        }
    }
}

impl BatchNormKernel for Cpu {
    fn batch_norm_train<S: Rows, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        scale: &Tensor<(S::Last,), f32, Self>,
        shift: &Tensor<(S::Last,), f32, Self>,
        eps: f32,
    ) -> Result<(Tensor<S, f32, Self, T::Output>, BatchStatistics<S::Last, Self>), OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (scale, tape) = parameter(scale, tape.begin())?;
        let (shift, tape) = parameter(shift, tape)?;
        let (shape, last, rows) = (*x.shape(), x.shape().last(), x.shape().rows() as f64);
        let width = last.size();

        let mean: Vec<f64> = column_sums(&view(&x), width, |v, _| v.into()).iter().map(|s| s / rows).collect();
        let squares = column_sums(&view(&x), width, |v, c| (f64::from(v) - mean[c]).powi(2));
        let inv: Vec<f32> = squares.iter().map(|s| (1.0 / (s / rows + f64::from(eps)).sqrt()) as f32).collect();
        let mean: Vec<f32> = mean.into_iter().map(|m| m as f32).collect();
        let variance = squares.iter().map(|s| (s / rows) as f32).collect();

        let x_hat = normalised(&view(&x), &mean, &inv);
        let y = scaled(&x_hat, &view(&scale), &view(&shift));
        let device = x.device().clone();
        let to_tensor = |v| device.try_tensor_from_vec(v, (last,)).map_err(device_error);
        let statistics = BatchStatistics { mean: to_tensor(mean)?, variance: to_tensor(variance)? };

        let x = x.ghost();
        let y = record(&device, y, shape, tape, move |grad, grads| {
            let sum = column_sums(grad, width, |g, _| g.into());
            let mut sum_hat = vec![0.0f64; width];
            for (g, h) in grad.chunks_exact(width.max(1)).zip(x_hat.chunks_exact(width.max(1))) {
                for ((s, g), h) in sum_hat.iter_mut().zip(g).zip(h) {
                    *s += f64::from(*g) * f64::from(*h);
                }
            }
            // dx = scale · inv · (g − mean(g) − x̂ · mean(g x̂))
            let scale_data = view(&scale);
            if T::GRADIENT {
                for_rows(grads.get_or_alloc_mut(&x)?, width, |i, gx| {
                    for (c, gx) in gx.iter_mut().enumerate() {
                        let (g, h) = (grad[i * width + c], x_hat[i * width + c]);
                        let centred = g - (sum[c] / rows) as f32 - h * (sum_hat[c] / rows) as f32;
                        *gx += scale_data[c] * inv[c] * centred;
                    }
                });
            }
            add_scale_gradient(grad, &x_hat, grads.get_or_alloc_mut(&scale)?);
            add_column_sums(grad, grads.get_or_alloc_mut(&shift)?);
            Ok(())
        })?;
        Ok((y, statistics))
    }

    fn batch_norm_eval<S: Rows, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        scale: &Tensor<(S::Last,), f32, Self>,
        shift: &Tensor<(S::Last,), f32, Self>,
        statistics: &BatchStatistics<S::Last, Self>,
        eps: f32,
    ) -> Result<Tensor<S, f32, Self, T::Output>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (scale, tape) = parameter(scale, tape.begin())?;
        let (shift, tape) = parameter(shift, tape)?;
        let (shape, width) = (*x.shape(), x.shape().last().size());
        let inv: Vec<f32> = view(&statistics.variance).iter().map(|v| 1.0 / (v + eps).sqrt()).collect();
        let x_hat = normalised(&view(&x), &view(&statistics.mean), &inv);
        let y = scaled(&x_hat, &view(&scale), &view(&shift));

        let device = x.device().clone();
        let x = x.ghost();
        record(&device, y, shape, tape, move |grad, grads| {
            let scale_data = view(&scale);
            if T::GRADIENT {
                for_rows(grads.get_or_alloc_mut(&x)?, width, |i, gx| {
                    for (c, gx) in gx.iter_mut().enumerate() {
                        *gx += grad[i * width + c] * scale_data[c] * inv[c];
                    }
                });
            }
            add_scale_gradient(grad, &x_hat, grads.get_or_alloc_mut(&scale)?);
            add_column_sums(grad, grads.get_or_alloc_mut(&shift)?);
            Ok(())
        })
    }
}
