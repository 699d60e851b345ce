use dfdx::prelude::{
    Axis, BroadcastTo, Device, HasShape, MeanTo, ReshapeTo, Tape, Tensor, TryAdd, TryDiv, TryMul, TrySub,
};

use super::BatchStatistics;
use crate::ops::{LayerTape, OpError, Rows, begin, device_error};

type Vector<S, D, T> = Tensor<(<S as Rows>::Last,), f32, D, T>;

/// `scale (x − mean) / √(variance + eps) + shift` with gradients through every operand that carries a tape.
fn apply<S: Rows, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<(usize, S::Last), f32, D, T>,
    mean: Vector<S, D, T>,
    variance: Vector<S, D, T>,
    scale: &Vector<S, D, dfdx::prelude::NoneTape>,
    shift: &Vector<S, D, dfdx::prelude::NoneTape>,
    eps: f32,
) -> Result<Tensor<(usize, S::Last), f32, D, T>, D::Err> {
    let shape = *x.shape();
    let deviation = variance.try_add(eps)?.try_sqrt()?.try_broadcast_like::<_, Axis<0>>(&shape)?;
    let y = x.try_sub(mean.try_broadcast_like::<_, Axis<0>>(&shape)?)?.try_div(deviation)?;
    let y = y.try_mul(scale.retaped::<T>().try_broadcast_like::<_, Axis<0>>(&shape)?)?;
    y.try_add(shift.retaped::<T>().try_broadcast_like::<_, Axis<0>>(&shape)?)
}

/// [`batch_norm_train`](super::batch_norm_train) in dfdx's own operations.
pub fn train<S: Rows, D: Device<f32>, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
    scale: &Tensor<(S::Last,), f32, D>,
    shift: &Tensor<(S::Last,), f32, D>,
    eps: f32,
) -> Result<(Tensor<S, f32, D, T::Output>, BatchStatistics<S::Last, D>), OpError> {
    let x = begin(x);
    let shape = *x.shape();
    let forward = || -> Result<_, D::Err> {
        let x = x.try_reshape_like(&(shape.rows(), shape.last()))?;
        let mean = x.retaped::<T::Output>().try_mean::<(S::Last,), Axis<0>>()?;
        let centre = mean.retaped::<T::Output>().try_broadcast_like::<_, Axis<0>>(x.shape())?;
        let variance = x.retaped::<T::Output>().try_sub(centre)?.try_square()?.try_mean::<(S::Last,), Axis<0>>()?;
        let statistics = BatchStatistics { mean: mean.retaped(), variance: variance.retaped() };
        let y = apply::<S, D, T::Output>(x, mean, variance, scale, shift, eps)?;
        Ok((y.try_reshape_like(&shape)?, statistics))
    };
    forward().map_err(device_error)
}

/// [`batch_norm_eval`](super::batch_norm_eval) in dfdx's own operations.
pub fn eval<S: Rows, D: Device<f32>, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
    scale: &Tensor<(S::Last,), f32, D>,
    shift: &Tensor<(S::Last,), f32, D>,
    statistics: &BatchStatistics<S::Last, D>,
    eps: f32,
) -> Result<Tensor<S, f32, D, T::Output>, OpError> {
    let x = begin(x);
    let shape = *x.shape();
    let forward = || -> Result<_, D::Err> {
        let x = x.try_reshape_like(&(shape.rows(), shape.last()))?;
        let (mean, variance) = (statistics.mean.retaped::<T::Output>(), statistics.variance.retaped::<T::Output>());
        apply::<S, D, T::Output>(x, mean, variance, scale, shift, eps)?.try_reshape_like(&shape)
    };
    forward().map_err(device_error)
}
