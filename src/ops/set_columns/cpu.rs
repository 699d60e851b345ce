use dfdx::prelude::{Cpu, Dim, HasShape, Tensor};

use super::{SetColumnsKernel, write};
use crate::ops::OpError;
use crate::ops::view::{view, view_mut};

impl SetColumnsKernel for Cpu {
    fn set_columns<B: Dim, E: Dim, K: Dim>(
        matrix: &mut Tensor<(E, K), f32, Self>,
        first: usize,
        rows: &Tensor<(B, E), f32, Self>,
    ) -> Result<(), OpError> {
        let (columns, width) = (matrix.shape().1.size(), rows.shape().1.size());
        write(&mut view_mut(matrix)?, columns, first, &view(rows), width);
        Ok(())
    }
}
