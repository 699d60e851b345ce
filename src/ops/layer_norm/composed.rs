use dfdx::prelude::{
    Axis, BroadcastTo, Device, HasShape, MeanTo, ReshapeTo, SplitTape, Tensor, TryAdd, TryDiv, TryMul, TrySub,
};

use crate::ops::nothing::{constant, is_empty};
use crate::ops::record::begin_distinct;
use crate::ops::{LayerTape, OpError, Rows, device_error};

/// [`layer_norm`](super::layer_norm) in dfdx's own operations.
pub fn layer_norm<S: Rows, D: Device<f32>, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
    scale: &Tensor<(S::Last,), f32, D>,
    shift: &Tensor<(S::Last,), f32, D>,
    eps: f32,
) -> Result<Tensor<S, f32, D, T::Output>, OpError> {
    let x = begin_distinct(x)?;
    let shape = *x.shape();
    if is_empty(&x) {
        let ((x, tape), scale, shift) = (x.split_tape(), scale.clone(), shift.clone());
        return constant(x.device().clone(), 0.0, shape, tape, move |gradients| {
            gradients.try_alloc_for(&scale)?;
            gradients.try_alloc_for(&shift)
        });
    }
    let forward = || -> Result<_, D::Err> {
        let x = x.try_reshape_like(&(shape.rows(), shape.last()))?;
        let rows = *x.shape();
        let mean = x.retaped::<T::Output>().try_mean::<(usize,), Axis<1>>()?.try_broadcast_like::<_, Axis<1>>(&rows)?;
        let centred = x.try_sub(mean)?;
        let variance = centred.retaped::<T::Output>().try_square()?.try_mean::<(usize,), Axis<1>>()?;
        let deviation = variance.try_add(eps)?.try_sqrt()?.try_broadcast_like::<_, Axis<1>>(&rows)?;
        let y = centred.try_div(deviation)?;
        let y = y.try_mul(scale.retaped::<T::Output>().try_broadcast_like::<_, Axis<0>>(&rows)?)?;
        y.try_add(shift.retaped::<T::Output>().try_broadcast_like::<_, Axis<0>>(&rows)?)?.try_reshape_like(&shape)
    };
    forward().map_err(device_error)
}
