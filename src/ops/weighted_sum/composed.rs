use dfdx::prelude::{Axis, BroadcastTo, Device, Dim, HasShape, SplitTape, SumTo, Tape, Tensor, TryMul};

use crate::ops::nothing::{constant, is_empty};
use crate::ops::{OpError, device_error};

/// [`weighted_sum`](super::weighted_sum) in dfdx's own operations.
pub fn weighted_sum<G: Dim, B: Dim, E: Dim, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<(G, B, E), f32, D, T>,
    weights: &Tensor<(G, B), f32, D>,
) -> Result<Tensor<(B, E), f32, D, T>, OpError> {
    let shape = *x.shape();
    if is_empty(&x) {
        let (x, tape) = x.split_tape();
        return constant(x.device().clone(), 0.0, (shape.1, shape.2), tape, |_| Ok(()));
    }
    let forward = || -> Result<_, D::Err> {
        let weights = weights.clone().try_broadcast_like::<_, Axis<2>>(&shape)?;
        x.try_mul(weights)?.try_sum::<(B, E), Axis<0>>()
    };
    forward().map_err(device_error)
}
