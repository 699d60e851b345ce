use dfdx::prelude::{
    Device, HasShape, Merge, ReshapeTo, Shape, SplitTape, SumTo, Tape, Tensor, TryDiv, TryMul, TrySub,
};

use super::LossReduction;
use crate::ops::nothing::{constant, is_empty};
use crate::ops::record::distinct;
use crate::ops::{OpError, device_error};

/// [`smooth_l1`](fn@super::smooth_l1) in dfdx's own operations.
pub fn smooth_l1<S: Shape, D: Device<f32>, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    target: Tensor<S, f32, D, R>,
    beta: f32,
    reduction: LossReduction,
) -> Result<Tensor<(), f32, D, T>, OpError> {
    let (x, target) = distinct(x, target)?;
    let count = x.shape().num_elements();
    if is_empty(&x) {
        let (x, tape) = x.split_tape();
        return constant(x.device().clone(), 0.0, (), tape, |_| Ok(()));
    }
    let scale = reduction.scale(count) as f32;
    let forward = || -> Result<_, D::Err> {
        let terms =
            if beta > 0.0 { x.try_huber_error(target, beta)?.try_div(beta)? } else { x.try_sub(target)?.try_abs()? };
        terms.try_reshape_like(&(count,))?.try_sum::<(), _>()?.try_mul(scale)
    };
    forward().map_err(device_error)
}
