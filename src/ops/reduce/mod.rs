mod composed;
mod cpu;

pub use composed::reduce as composed;

use dfdx::prelude::{Axes, Device, Dim, HasShape, ReduceShape, ReduceStridesTo, ReshapeTo, Shape, Tape, Tensor};

use super::{AroundAxis, OpError, OpsDevice, check_least, check_size, device_error, to_vec};

/// What becomes of the values along the axis that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The greatest of them.
    Max(TieGradient),
}

/// Which of several equal maxima receive the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TieGradient {
    /// Each of them all of it, so that it counts as often as there are ties (dfdx's `max`).
    ToAll,
    /// Each of them an equal share (PyTorch's `amax`).
    Shared,
    /// The first of them all of it (PyTorch's `max` along an axis).
    First,
}

/// What a sequence without any valid position becomes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EmptyRows {
    /// An error.
    Refuse,
    /// A constant without gradient. Published programs end up with 0 (a sum divided by a clamped count), NaN (0 / 0) or a large
    /// negative number (the maximum over a filled mask).
    Value(f32),
}

/// The shape without one axis.
type Reduced<S, Ax> = <S as ReduceShape<Ax>>::Reduced;

/// The positions that count, where not all of them do.
#[derive(Debug)]
pub struct ReduceMask<'a, D: Device<f32>> {
    /// `(outer, length)`, 0 where a position does not count.
    pub valid: &'a Tensor<(usize, usize), f32, D>,
    /// The result where no position counts.
    pub empty: f32,
}

/// Devices that can compute [`reduce`] and [`masked_reduce`].
pub trait ReduceKernel: Device<f32> {
    /// See [`reduce`] and [`masked_reduce`]. `x` has the sizes of `around`, the result (`shape`) those without the length.
    fn reduce<S: Shape, O: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        around: AroundAxis,
        mask: Option<ReduceMask<Self>>,
        reduction: Reduction,
        shape: O,
    ) -> Result<Tensor<O, f32, Self, T>, OpError> {
        composed(x, around, mask, reduction, shape)
    }
}

/// Sums, averages or takes the maximum along one axis: `reduce(x, Axis::<1>, Reduction::Sum)`.
///
/// The maximum of values with NaN among them is NaN. Its backward pass keeps the result and needs one word per value of it.
///
/// # Shapes
/// `x`: any with that axis; result: the same without it.
///
/// # Errors
/// [`OpError::TooFew`] for the mean or the maximum along an axis of size 0.
pub fn reduce<S: Shape + ReduceShape<Ax>, Ax: Axes<Array = [isize; 1]>, D: OpsDevice, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    _axis: Ax,
    reduction: Reduction,
) -> Result<Tensor<Reduced<S, Ax>, f32, D, T>, OpError> {
    let around = AroundAxis::of(x.shape(), Ax::as_array()[0] as usize);
    if reduction != Reduction::Sum {
        check_least("reduce", "values along the axis", 1, around.length)?;
    }
    let shape = ReduceStridesTo::<Reduced<S, Ax>, Ax>::reduced(x.shape());
    D::reduce(x, around, None, reduction, shape)
}

/// Sums, averages or takes the maximum over the valid time steps of every sequence.
///
/// # Shapes
/// `x`: `(B, T, E)`; `mask`: `(B, T)`, 0 at padding, anything else at valid steps; result: `(B, E)`.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree; [`OpError::TooFew`] for a sequence without a valid step under
/// [`EmptyRows::Refuse`] (on CUDA, looking for one copies the mask to the host).
pub fn masked_reduce<B: Dim, N: Dim, E: Dim, D: OpsDevice, T: Tape<f32, D>>(
    x: Tensor<(B, N, E), f32, D, T>,
    mask: &Tensor<(B, N), f32, D>,
    reduction: Reduction,
    empty: EmptyRows,
) -> Result<Tensor<(B, E), f32, D, T>, OpError> {
    let (batch, steps, width) = *x.shape();
    check_size("masked reduce", "sequences of the mask", batch.size(), mask.shape().0.size())?;
    check_size("masked reduce", "steps of the mask", steps.size(), mask.shape().1.size())?;
    let empty = match empty {
        EmptyRows::Value(value) => value,
        EmptyRows::Refuse => {
            let valid = to_vec(mask)?;
            if steps.size() == 0 || valid.chunks(steps.size()).any(|row| row.iter().all(|v| *v == 0.0)) {
                return Err(OpError::TooFew {
                    op: "masked reduce",
                    what: "valid steps of a sequence",
                    least: 1,
                    got: 0,
                });
            }
            f32::NAN
        }
    };
    let valid = &mask.clone().try_reshape_like(&(batch.size(), steps.size())).map_err(device_error)?;
    let around = AroundAxis::of(x.shape(), 1);
    D::reduce(x, around, Some(ReduceMask { valid, empty }), reduction, (batch, width))
}
