use dfdx::prelude::{Cpu, Dim, HasShape, Merge, Tensor};

use super::RowDistanceKernel;
use crate::ops::math::sum2;
use crate::ops::parallel::for_rows;
use crate::ops::record::{operands, record};
use crate::ops::vectorise::vectorise;
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, RecordingTape};

fn row(data: &[f32], i: usize, width: usize) -> &[f32] {
    &data[i * width..][..width]
}

vectorise! {
    fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
        sum2(a, b, |a, b| (a - b) * (a - b))
    }
}

vectorise! {
    fn dot(a: &[f32], b: &[f32]) -> f32 {
        sum2(a, b, |a, b| a * b)
    }
}

/// Cosine of two rows with the inverse norms it was made of.
fn cosine(a: &[f32], b: &[f32], eps: f32) -> (f32, f32, f32) {
    let (inv_a, inv_b) = (1.0 / (dot(a, a) + eps).sqrt(), 1.0 / (dot(b, b) + eps).sqrt());
    (dot(a, b) * inv_a * inv_b, inv_a, inv_b)
}

impl RowDistanceKernel for Cpu {
    fn row_squared_distance<B: Dim, E: Dim, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        a: Tensor<(B, E), f32, Self, T>,
        b: Tensor<(B, E), f32, Self, R>,
    ) -> Result<Tensor<(B,), f32, Self, T>, OpError> {
        let (a, b, tape) = operands(a, b)?;
        let (rows, width) = (a.shape().0, a.shape().1.size());
        let mut y = vec![0.0; rows.size()];
        let (a_data, b_data) = (view(&a), view(&b));
        for_rows(&mut y, 1, |i, y| y[0] = squared_distance(row(&a_data, i, width), row(&b_data, i, width)));

        let device = a.device().clone();
        record(&device, y, (rows,), tape, move |grad, grads| {
            let (a_data, b_data) = (view(&a), view(&b));
            for_rows(grads.get_or_alloc_mut(&a)?, width, |i, ga| {
                for ((ga, a), b) in ga.iter_mut().zip(row(&a_data, i, width)).zip(row(&b_data, i, width)) {
                    *ga += 2.0 * grad[i] * (a - b);
                }
            });
            for_rows(grads.get_or_alloc_mut(&b)?, width, |i, gb| {
                for ((gb, a), b) in gb.iter_mut().zip(row(&a_data, i, width)).zip(row(&b_data, i, width)) {
                    *gb += 2.0 * grad[i] * (b - a);
                }
            });
            Ok(())
        })
    }

    fn row_cosine<B: Dim, E: Dim, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        a: Tensor<(B, E), f32, Self, T>,
        b: Tensor<(B, E), f32, Self, R>,
        eps: f32,
    ) -> Result<Tensor<(B,), f32, Self, T>, OpError> {
        let (a, b, tape) = operands(a, b)?;
        let (rows, width) = (a.shape().0, a.shape().1.size());
        let mut y = vec![0.0; rows.size()];
        let (a_data, b_data) = (view(&a), view(&b));
        for_rows(&mut y, 1, |i, y| y[0] = cosine(row(&a_data, i, width), row(&b_data, i, width), eps).0);

        let device = a.device().clone();
        record(&device, y, (rows,), tape, move |grad, grads| {
            let (a_data, b_data) = (view(&a), view(&b));
            // ∂cos/∂a = b inv_a inv_b − a cos inv_a²
            for_rows(grads.get_or_alloc_mut(&a)?, width, |i, ga| {
                let (a, b) = (row(&a_data, i, width), row(&b_data, i, width));
                let (cos, inv_a, inv_b) = cosine(a, b, eps);
                for ((ga, a), b) in ga.iter_mut().zip(a).zip(b) {
                    *ga += grad[i] * inv_a * (b * inv_b - a * cos * inv_a);
                }
            });
            for_rows(grads.get_or_alloc_mut(&b)?, width, |i, gb| {
                let (a, b) = (row(&a_data, i, width), row(&b_data, i, width));
                let (cos, inv_a, inv_b) = cosine(a, b, eps);
                for ((gb, a), b) in gb.iter_mut().zip(a).zip(b) {
                    *gb += grad[i] * inv_b * (a * inv_a - b * cos * inv_b);
                }
            });
            Ok(())
        })
    }
}
