use dfdx::prelude::{Device, Dim, GatherTo, Tape, Tensor};

use crate::ops::{OpError, device_error};

/// [`select_rows`](super::select_rows) in dfdx's own operations.
pub fn select_rows<B: Dim, E: Dim, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<(B, E), f32, D, T>,
    rows: &[usize],
) -> Result<Tensor<(usize, E), f32, D, T>, OpError> {
    let index = x.device().try_tensor_from_vec(rows.to_vec(), (rows.len(),)).map_err(device_error)?;
    x.try_gather(index).map_err(device_error)
}
