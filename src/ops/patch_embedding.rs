use dfdx::prelude::{Axes6, Dim, HasShape, Merge, PutTape, ReshapeTo, SplitTape, Tensor};

use super::{LayerTape, OpError, OpsDevice, begin, check_least, check_size, device_error, linear, permute};

/// A convolution whose kernel moves by its own size: every `P x P` patch of a picture through one linear map (the stem of
/// a vision transformer, Dosovitskiy et al. 2021).
///
/// Keeps one copy of the pictures, in the order of the patches.
///
/// # Shapes
/// `x`: `(B, C, H, W)`, `weight`: `(O, C, P, P)` (PyTorch's layout), `bias`: `(O,)`; result: `(B, N, O)` with the
/// `N = (H / P) (W / P)` patches row by row.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree or `P` does not divide `H` and `W`, [`OpError::TooFew`] for empty patches.
pub fn patch_embedding<B: Dim, C: Dim, H: Dim, W: Dim, O: Dim, P: Dim, D: OpsDevice, T: LayerTape<D>>(
    x: Tensor<(B, C, H, W), f32, D, T>,
    weight: &Tensor<(O, C, P, P), f32, D>,
    bias: Option<&Tensor<(O,), f32, D>>,
) -> Result<Tensor<(B, usize, O), f32, D, T::Output>, OpError> {
    const OP: &str = "patch embedding";
    let ((batch, channels, height, width), (outputs, inputs, side, across)) = (*x.shape(), *weight.shape());
    check_size(OP, "channels", inputs.size(), channels.size())?;
    check_size(OP, "width of a patch", side.size(), across.size())?;
    check_least(OP, "values along a patch", 1, side.size())?;
    let (channels, side) = (channels.size(), side.size());
    let (rows, columns) = (height.size() / side, width.size() / side);
    check_size(OP, "height", rows * side, height.size())?;
    check_size(OP, "width", columns * side, width.size())?;

    let cut = (batch.size(), channels, rows, side, columns, side);
    let patches: Tensor<(usize, usize, usize, usize, usize, usize), f32, D, T> =
        permute(x.try_reshape_like(&cut).map_err(device_error)?, Axes6::<0, 2, 4, 1, 3, 5>)?;
    let patches = patches.try_reshape_like(&(batch, rows * columns, channels * side * side)).map_err(device_error)?;
    // A weight in another order is copied into this one, and the tape remembers it.
    let (patches, tape) = begin(patches).split_tape();
    let weight = weight.retaped::<T::Output>().try_reshape_like(&(outputs, channels * side * side));
    let (weight, more) = weight.map_err(device_error)?.split_tape();
    linear(patches.put_tape(tape.merge(more)), &weight, bias)
}
