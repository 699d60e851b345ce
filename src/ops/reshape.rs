use dfdx::prelude::{Device, HasShape, ReshapeTo, Shape, Tape, Tensor};

use super::{OpError, check_size, device_error};

/// The same values, in row-major order, under another shape.
///
/// # Shapes
/// Any to `shape`, with as many values.
///
/// # Errors
/// [`OpError::Shape`] when the numbers of values differ.
pub fn reshape<A: Shape, B: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<A, f32, D, T>,
    shape: B,
) -> Result<Tensor<B, f32, D, T>, OpError> {
    check_size("reshape", "number of values", shape.num_elements(), x.shape().num_elements())?;
    x.try_reshape_like(&shape).map_err(device_error)
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::{Const, Cpu};

    use super::*;
    use crate::ops::{to_tensor, to_vec};

    #[test]
    fn values_stay_and_their_number_is_checked() {
        let x = to_tensor(&Cpu::default(), (0..6u8).map(f32::from).collect(), (2usize, 3usize)).unwrap();
        let y = reshape(x.clone(), (Const::<3>, 2usize)).unwrap();
        assert_eq!(to_vec(&y).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let error = reshape(x, (4usize,)).unwrap_err();
        assert_eq!(error.to_string(), "reshape: number of values is 6, expected 4");
    }
}
