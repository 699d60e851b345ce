mod composed;
mod cpu;

pub use composed::linear as composed;
pub(crate) use composed::with_bias;

use dfdx::prelude::{Device, Dim, HasShape, Storage, Tensor};

use super::{LayerTape, OpError, OpsDevice, Rows, check_size};

/// Devices that can compute [`linear`] and [`linear_columns`].
pub trait LinearKernel: Device<f32> {
    /// See [`linear_columns`]; the columns of the weight from `first` on are at least as many as those of `x`.
    fn linear<S: Rows, O: Dim, W: Dim, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        weight: &Tensor<(O, W), f32, Self>,
        first: usize,
        bias: Option<&Tensor<(O,), f32, Self>>,
    ) -> Result<Tensor<S::With<O>, f32, Self, T::Output>, OpError> {
        composed(x, weight, first, bias)
    }
}

fn check_bias<O: Dim, W: Dim, D: Storage<f32>>(
    weight: &Tensor<(O, W), f32, D>,
    bias: Option<&Tensor<(O,), f32, D>>,
) -> Result<(), OpError> {
    bias.map_or(Ok(()), |bias| check_size("linear", "bias width", weight.shape().0.size(), bias.shape().0.size()))
}

/// Affine map of every row: `y = x Wᵀ + b`.
///
/// # Shapes
/// `x`: `(.., I)`, `weight`: `(O, I)` (PyTorch's layout), `bias`: `(O,)`; result: `(.., O)`.
///
/// # Errors
/// [`OpError::Shape`] when run-time widths disagree.
pub fn linear<S: Rows, O: Dim, D: OpsDevice, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
    weight: &Tensor<(O, S::Last), f32, D>,
    bias: Option<&Tensor<(O,), f32, D>>,
) -> Result<Tensor<S::With<O>, f32, D, T::Output>, OpError> {
    check_size("linear", "input width", weight.shape().1.size(), x.shape().last().size())?;
    check_bias(weight, bias)?;
    D::linear(x, weight, 0, bias)
}

/// The share of `x` in the affine map of a concatenation: `y = x W[:, first .. first + I]ᵀ + b`.
///
/// A layer over `[x₁; x₂]` is the sum of its shares. Where the parts occur in many concatenations, each share is computed once.
///
/// # Shapes
/// `x`: `(.., I)`, `weight`: `(O, W)` with `first + I <= W`, `bias`: `(O,)`; result: `(.., O)`.
///
/// # Errors
/// [`OpError::Shape`] when the weight has too few columns or the bias another width.
pub fn linear_columns<S: Rows, O: Dim, W: Dim, D: OpsDevice, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
    weight: &Tensor<(O, W), f32, D>,
    first: usize,
    bias: Option<&Tensor<(O,), f32, D>>,
) -> Result<Tensor<S::With<O>, f32, D, T::Output>, OpError> {
    let (columns, inputs) = (weight.shape().1.size(), x.shape().last().size());
    if columns.checked_sub(first).is_none_or(|left| left < inputs) {
        let got = columns.saturating_sub(first);
        return Err(OpError::Shape { op: "linear", what: "columns of the weight", expected: inputs, got });
    }
    check_bias(weight, bias)?;
    D::linear(x, weight, first, bias)
}
