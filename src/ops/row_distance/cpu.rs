use dfdx::prelude::{Cpu, Dim, HasShape, Merge, Tensor};

use super::RowDistanceKernel;
use crate::ops::math::{length, sum2};
use crate::ops::parallel::for_rows;
use crate::ops::record::{operands, record};
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, RecordingTape};
use crate::processor::vectorise;

fn row(data: &[f32], i: usize, width: usize) -> &[f32] {
    &data[i * width..][..width]
}

vectorise! {
    fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
        sum2(a, b, |a, b| (a - b) * (a - b))
    }
}

/// A factor of a row in two: a power of two, 1 for all rows but extraordinary ones, and `1 / √(Σ (unit x)² + unit² eps)`.
#[derive(Clone, Copy)]
struct Scale {
    unit: f32,
    inverse: f32,
}

vectorise! {
    /// Cosine of two rows, and what makes unit vectors of them.
    fn cosine(a: &[f32], b: &[f32], eps: f32) -> (f32, Scale, Scale) {
        let scale = |(unit, length): (f32, f32)| Scale { unit, inverse: 1.0 / length };
        let (of_a, of_b) = (scale(length(a, eps)), scale(length(b, eps)));
        let product = sum2(a, b, |a, b| (of_a.unit * a) * (of_b.unit * b));
        // Rows far below √eps: their products may have vanished where those of what is left of them have not.
        let cos = if product.abs() < 1e-30 {
            sum2(a, b, |a, b| (of_a.unit * a * of_a.inverse) * (of_b.unit * b * of_b.inverse))
        } else {
            product * of_a.inverse * of_b.inverse
        };
        (cos, of_a, of_b)
    }
}

/// Adds `grad` times the gradient of the cosine with respect to `a`: `∂cos/∂a = (b / n(b) − a / n(a) cos) / n(a)`.
fn add_gradient(grad: f32, cos: f32, (a, of_a): (&[f32], Scale), (b, of_b): (&[f32], Scale), out: &mut [f32]) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        let direction = of_b.unit * b * of_b.inverse - of_a.unit * a * cos * of_a.inverse;
        *out += grad * of_a.inverse * direction * of_a.unit;
    }
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
            Slot::gradient(&a, grads)?.add_rows(width, |i, ga| {
                for ((ga, a), b) in ga.iter_mut().zip(row(&a_data, i, width)).zip(row(&b_data, i, width)) {
                    *ga += 2.0 * grad[i] * (a - b);
                }
            });
            Slot::gradient(&b, grads)?.add_rows(width, |i, gb| {
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
            Slot::gradient(&a, grads)?.add_rows(width, |i, ga| {
                let (a, b) = (row(&a_data, i, width), row(&b_data, i, width));
                let (cos, of_a, of_b) = cosine(a, b, eps);
                add_gradient(grad[i], cos, (a, of_a), (b, of_b), ga);
            });
            Slot::gradient(&b, grads)?.add_rows(width, |i, gb| {
                let (a, b) = (row(&a_data, i, width), row(&b_data, i, width));
                let (cos, of_a, of_b) = cosine(a, b, eps);
                add_gradient(grad[i], cos, (b, of_b), (a, of_a), gb);
            });
            Ok(())
        })
    }
}
