//! Shapes of datasets.

use super::error::{Hdf5Error, Result};
use super::file::Cursor;

/// The most axes that HDF5 allows.
const AXES: usize = 32;

/// Sizes of the axes; a scalar has none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    pub sizes: Vec<u64>,
    /// What the sizes may become; `None` where there is no bound.
    pub greatest: Vec<Option<u64>>,
}

/// `None` for a dataspace without any value, not even a scalar.
pub(super) fn parse(mut fields: Cursor) -> Result<Option<Shape>> {
    let version = fields.version(&[1, 2])?;
    let (axes, flags, kind) = (usize::from(fields.u8()?), fields.u8()?, fields.u8()?);
    if version == 1 {
        fields.take(4)?;
    } else if kind == 2 {
        return Ok(None);
    }
    if axes > AXES {
        return Err(Hdf5Error::Damaged("number of axes"));
    }
    let sizes = (0..axes).map(|_| fields.length()).collect::<Result<Vec<_>>>()?;
    let greatest = match flags & 1 {
        0 => sizes.iter().copied().map(Some).collect(),
        _ => (0..axes).map(|_| fields.maybe_length()).collect::<Result<_>>()?,
    };
    Ok(Some(Shape { sizes, greatest }))
}
