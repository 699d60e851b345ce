use dfdx::prelude::{Device, HasShape, NoneTape, ReshapeTo, Shape, Tensor};

use super::error::room;
use super::nothing::is_empty;
use super::{OpError, check_size, device_error};

/// Copies a tensor's values to the host in row-major order.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn to_vec<S: Shape, D: Device<f32>>(tensor: &Tensor<S, f32, D>) -> Result<Vec<f32>, OpError> {
    if is_empty(tensor) {
        return Ok(vec![]);
    }
    let tensor = tensor.clone().try_contiguous().map_err(device_error)?;
    let mut values = vec![0.0; tensor.shape().num_elements()];
    tensor.copy_into(&mut values);
    Ok(values)
}

/// Moves values in row-major order to a device.
///
/// # Errors
/// [`OpError::Shape`] when the number of values is not that of the shape.
pub fn to_tensor<S: Shape, D: Device<f32>>(
    device: &D,
    values: Vec<f32>,
    shape: S,
) -> Result<Tensor<S, f32, D>, OpError> {
    check_size("tensor", "number of values", shape.num_elements(), values.len())?;
    device.try_tensor_from_vec(values, shape).map_err(device_error)
}

/// A tensor of values that are drawn one after the other, in row-major order: the parameters of a layer.
///
/// # Errors
/// [`OpError::Memory`], naming the layer, when there is no memory for them.
pub fn drawn<S: Shape, D: Device<f32>>(
    device: &D,
    layer: &'static str,
    shape: S,
    draw: impl FnMut() -> f32,
) -> Result<Tensor<S, f32, D>, OpError> {
    let sizes: Vec<usize> = shape.concrete().into_iter().collect();
    let mut values = room(layer, &sizes)?;
    values.extend(std::iter::repeat_with(draw).take(sizes.iter().product()));
    device.try_tensor_from_vec(values, shape).map_err(device_error)
}

/// The value of a scalar, whatever its tape.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn value<D: Device<f32>, T>(scalar: &Tensor<(), f32, D, T>) -> Result<f64, OpError> {
    Ok(to_vec(&scalar.retaped::<NoneTape>())?.first().map_or(0.0, |value| f64::from(*value)))
}
