use dfdx::prelude::{Dim, Tensor};

use crate::matrix::MatrixView;
use crate::ops::{self, OpError, OpsDevice, typed_size};

/// A matrix of features, one row per item, of which batches take rows.
///
/// A device with memory of its own holds the whole matrix where that is at most half of what is free there, and no row is copied again;
/// elsewhere the rows of a batch are. A matrix in a mapped file is read where rows are taken.
#[derive(Debug)]
pub struct FeatureRows<'a, D: OpsDevice> {
    features: MatrixView<'a, f32>,
    device: D,
    resident: Option<Tensor<(usize, usize), f32, D>>,
}

impl<'a, D: OpsDevice> FeatureRows<'a, D> {
    /// Rows that are copied for every batch: right where each is taken once.
    pub fn copied(device: &D, features: MatrixView<'a, f32>) -> Self {
        Self { features, device: device.clone(), resident: None }
    }

    /// Rows that stay on the device if they fit.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    pub fn resident(device: &D, features: MatrixView<'a, f32>) -> Result<Self, OpError> {
        let bytes = size_of_val(features.as_slice());
        let fits = bytes > 0 && device.free_memory().is_some_and(|free| bytes <= free / 2);
        if fits { Self::moved(device, features) } else { Ok(Self::copied(device, features)) }
    }

    fn moved(device: &D, features: MatrixView<'a, f32>) -> Result<Self, OpError> {
        let shape = (features.rows(), features.cols());
        let table = ops::to_tensor(device, features.as_slice().to_vec(), shape)?;
        Ok(Self { resident: Some(table), ..Self::copied(device, features) })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.features.rows()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some rows, in any order and any number of times, as a tensor `(rows.len(), W)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when the features have not the width `W`, [`OpError::Index`] when there is no such row.
    pub fn take<W: Dim>(&self, rows: &[u32]) -> Result<Tensor<(usize, W), f32, D>, OpError> {
        let width = typed_size::<W>("take", "width of the features", self.features.cols())?;
        let rows: Vec<usize> = rows.iter().map(|row| *row as usize).collect();
        if let Some(index) = rows.iter().find(|row| **row >= self.len()) {
            return Err(OpError::Index { op: "take", index: *index, rows: self.len() });
        }
        let shape = (rows.len(), width);
        match &self.resident {
            Some(table) => ops::reshape(ops::select_rows(table.clone(), &rows)?, shape),
            None => {
                let values: Vec<&[f32]> = rows.iter().map(|row| self.features.row(*row)).collect();
                ops::to_tensor(&self.device, values.concat(), shape)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::{Const, Cpu};

    use super::*;
    use crate::matrix::Matrix;

    #[test]
    fn rows_are_the_same_wherever_they_stand() {
        let matrix = Matrix::from_fn(3, 2, |i, j| (10 * i + j) as f32);
        let device = Cpu::default();
        let tables = [FeatureRows::copied(&device, matrix.view()), FeatureRows::moved(&device, matrix.view()).unwrap()];
        for table in tables {
            let taken = table.take::<Const<2>>(&[2, 0, 2]).unwrap();
            assert_eq!(ops::to_vec(&taken).unwrap(), [20.0, 21.0, 0.0, 1.0, 20.0, 21.0]);
            assert!(ops::to_vec(&table.take::<usize>(&[]).unwrap()).unwrap().is_empty());
            assert!(matches!(table.take::<Const<3>>(&[0]), Err(OpError::Shape { expected: 3, got: 2, .. })));
            assert!(matches!(table.take::<usize>(&[3]), Err(OpError::Index { index: 3, rows: 3, .. })));
        }
        // The CPU has the matrix already.
        assert!(FeatureRows::resident(&device, matrix.view()).unwrap().resident.is_none());
    }
}
