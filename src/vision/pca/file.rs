//! The published `.npz` layout: `U` (D, k), `lams` (k), `mu` (D, 1) and `Utmu` (k, 1), of f32.

use std::io;
use std::path::Path;

use super::fit::LEAST_VARIANCE;
use super::{Pca, PcaError};
use crate::files::write_atomically;
use crate::formats::ndarray::{ArrayError, NdArray};
use crate::formats::{Limits, npy, npy_writer};

impl Pca {
    /// Reads a published file. `Utmu` is not looked at: the published program computes it again.
    ///
    /// # Errors
    /// [`PcaError::Npz`], [`PcaError::Missing`], [`PcaError::Array`] for an array of another kind or size, or with values that are not finite.
    pub fn from_npz(path: &Path, limits: &Limits) -> Result<Self, PcaError> {
        let arrays = npy::npz_from_path(path, limits)?;
        let find = |name: &'static str| {
            let found = arrays.iter().find(|(known, _)| known == name);
            found.map(|(_, array)| array).ok_or_else(|| PcaError::Missing { path: path.into(), name })
        };
        let array = |name| move |source| PcaError::Array { path: path.into(), name, source };
        let u = find("U")?;
        let directions = u.to_f32_matrix().map_err(array("U"))?;
        check_finite(u, directions.as_slice()).map_err(array("U"))?;
        let vector = |name, length| vector(find(name)?, length).map_err(array(name));
        let mut variances = vector("lams", directions.cols())?;
        let mean = vector("mu", directions.rows())?;
        variances.iter_mut().for_each(|variance| *variance = variance.max(LEAST_VARIANCE as f32));
        Ok(Self { directions, variances, mean })
    }

    /// Writes the published file.
    ///
    /// # Errors
    /// [`PcaError::Io`]; what was there is unchanged then.
    pub fn write_npz(&self, path: &Path) -> Result<(), PcaError> {
        let (width, components) = (self.directions.rows(), self.directions.cols());
        let write = || -> io::Result<()> {
            let array = |shape: &[usize], values: &[f32]| npy_writer::array(shape, values).map_err(io::Error::other);
            let archive = npy_writer::archive([
                ("U", array(&[width, components], self.directions.as_slice())?),
                ("lams", array(&[components], &self.variances)?),
                ("mu", array(&[width, 1], &self.mean)?),
                ("Utmu", array(&[components, 1], &self.projected_mean())?),
            ])?;
            write_atomically(path, &archive)
        };
        write().map_err(|source| PcaError::Io { path: path.into(), source })
    }
}

/// A vector of a given length, whatever its axes.
fn vector(array: &NdArray, length: usize) -> Result<Vec<f32>, ArrayError> {
    let values = array.to_f32_vec()?;
    if values.len() != length {
        let (dtype, shape) = (array.dtype().to_string(), array.shape().to_vec());
        let (wanted, found) = (length as u64, values.len() as u64);
        return Err(ArrayError::Length { dtype, shape, wanted, found, unit: "values" });
    }
    check_finite(array, &values)?;
    Ok(values)
}

fn check_finite(array: &NdArray, values: &[f32]) -> Result<(), ArrayError> {
    let (actual, shape) = (array.dtype(), array.shape().to_vec());
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(ArrayError::Element { expected: "finite number", actual, shape, index }),
        None => Ok(()),
    }
}
