use dfdx::prelude::{Device, Dim, HasShape, Tensor};

use super::write;
use crate::ops::{OpError, to_tensor, to_vec};

/// [`set_columns`](super::set_columns) by way of the host.
pub fn set_columns<B: Dim, E: Dim, K: Dim, D: Device<f32>>(
    matrix: &mut Tensor<(E, K), f32, D>,
    first: usize,
    rows: &Tensor<(B, E), f32, D>,
) -> Result<(), OpError> {
    let (shape, width) = (*matrix.shape(), rows.shape().1.size());
    let mut values = to_vec(matrix)?;
    write(&mut values, shape.1.size(), first, &to_vec(rows)?, width);
    *matrix = to_tensor(matrix.device(), values, shape)?;
    Ok(())
}
