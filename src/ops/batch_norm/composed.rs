use dfdx::prelude::{
    Axes2, Axis, BroadcastTo, Device, Dim, HasShape, MeanTo, ReshapeTo, SelectTo, SplitTape, Tape, Tensor, TryAdd,
    TryDiv, TryMul, TrySub,
};

use super::BatchStatistics;
use crate::ops::nothing::{constant, is_empty};
use crate::ops::record::begin_distinct;
use crate::ops::{LayerTape, OpError, Rows, device_error};

/// `(groups, rows of a group, features)`
type Grouped<E, D, T> = Tensor<(usize, usize, E), f32, D, T>;
/// One vector for each group.
type PerGroup<E, D, T> = Tensor<(usize, E), f32, D, T>;

/// `scale (x − mean) / √(variance + eps) + shift` with gradients through every operand that carries a tape.
fn apply<E: Dim, D: Device<f32>, T: Tape<f32, D>>(
    x: Grouped<E, D, T>,
    mean: PerGroup<E, D, T>,
    variance: PerGroup<E, D, T>,
    scale: &Tensor<(E,), f32, D>,
    shift: &Tensor<(E,), f32, D>,
    eps: f32,
) -> Result<Grouped<E, D, T>, D::Err> {
    let shape = *x.shape();
    let deviation = variance.try_add(eps)?.try_sqrt()?.try_broadcast_like::<_, Axis<1>>(&shape)?;
    let y = x.try_sub(mean.try_broadcast_like::<_, Axis<1>>(&shape)?)?.try_div(deviation)?;
    let y = y.try_mul(scale.retaped::<T>().try_broadcast_like::<_, Axes2<0, 1>>(&shape)?)?;
    y.try_add(shift.retaped::<T>().try_broadcast_like::<_, Axes2<0, 1>>(&shape)?)
}

/// Of no rows, or of rows of no width.
fn none<S: Rows, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    scale: &Tensor<(S::Last,), f32, D>,
    shift: &Tensor<(S::Last,), f32, D>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    let ((x, tape), scale, shift) = (x.split_tape(), scale.clone(), shift.clone());
    constant(x.device().clone(), 0.0, *x.shape(), tape, move |gradients| {
        gradients.try_alloc_for(&scale)?;
        gradients.try_alloc_for(&shift)
    })
}

/// [`batch_norm_train`](super::batch_norm_train) in dfdx's own operations.
pub fn train<S: Rows, D: Device<f32>, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
    groups: usize,
    scale: &Tensor<(S::Last,), f32, D>,
    shift: &Tensor<(S::Last,), f32, D>,
    eps: f32,
) -> Result<(Tensor<S, f32, D, T::Output>, Vec<BatchStatistics<S::Last, D>>), OpError> {
    let x = begin_distinct(x)?;
    let shape = *x.shape();
    if is_empty(&x) {
        // There are rows, but they have no width: so have their mean and variance.
        let of_a_group = BatchStatistics { mean: scale.clone(), variance: scale.clone() };
        return Ok((none(x, scale, shift)?, vec![of_a_group; groups]));
    }
    let forward = || -> Result<_, D::Err> {
        let x = x.try_reshape_like(&(groups, shape.rows() / groups, shape.last()))?;
        let mean = x.retaped::<T::Output>().try_mean::<(usize, S::Last), Axis<1>>()?;
        let centre = mean.retaped::<T::Output>().try_broadcast_like::<_, Axis<1>>(x.shape())?;
        let variance =
            x.retaped::<T::Output>().try_sub(centre)?.try_square()?.try_mean::<(usize, S::Last), Axis<1>>()?;
        let statistics = (0..groups)
            .map(|group| {
                let select = |per_group: &PerGroup<S::Last, D, T::Output>| {
                    let index = per_group.device().try_tensor_from_vec(vec![group], ())?;
                    per_group.retaped::<dfdx::prelude::NoneTape>().try_select(index)
                };
                Ok(BatchStatistics { mean: select(&mean)?, variance: select(&variance)? })
            })
            .collect::<Result<Vec<_>, D::Err>>()?;
        let y = apply(x, mean, variance, scale, shift, eps)?;
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
    let x = begin_distinct(x)?;
    let shape = *x.shape();
    if is_empty(&x) {
        return none(x, scale, shift);
    }
    let forward = || -> Result<_, D::Err> {
        let x = x.try_reshape_like(&(1usize, shape.rows(), shape.last()))?;
        let one = |t: &Tensor<(S::Last,), f32, D>| t.retaped::<T::Output>().try_reshape_like(&(1usize, shape.last()));
        apply(x, one(&statistics.mean)?, one(&statistics.variance)?, scale, shift, eps)?.try_reshape_like(&shape)
    };
    forward().map_err(device_error)
}
