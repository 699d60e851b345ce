use dfdx::prelude::{Device, HasShape, ReshapeTo, Shape, Tensor, TryAdd, TryMul, TrySub};

use crate::ops::nothing::is_empty;
use crate::ops::{OpError, device_error};

/// [`look_ahead`](super::look_ahead) in dfdx's own operations. The parameter becomes a new tensor (a new id) that shares the values of the
/// slow weights until one of them changes.
pub fn look_ahead<S: Shape, D: Device<f32>>(
    parameter: &mut Tensor<S, f32, D>,
    slow: &mut Tensor<(usize,), f32, D>,
    alpha: f32,
) -> Result<(), OpError> {
    if is_empty(parameter) {
        return Ok(());
    }
    let mut update = || -> Result<(), D::Err> {
        let shape = *parameter.shape();
        let flat = parameter.clone().try_reshape_like(slow.shape())?;
        *slow = slow.clone().try_add(flat.try_sub(slow.clone())?.try_mul(alpha)?)?;
        *parameter = slow.clone().try_reshape_like(&shape)?;
        Ok(())
    };
    update().map_err(device_error)
}
