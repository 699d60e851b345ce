use dfdx::prelude::{
    Axis, BroadcastTo, ChooseFrom, Device, HasShape, MaxTo, MinTo, NoneTape, PutTape, ReshapeTo, Shape, SplitTape,
    SumTo, Tape, Tensor, TryDiv, TryEq, TryNe,
};

use super::{ReduceMask, Reduction, TieGradient};
use crate::ops::nothing::{constant, is_empty};
use crate::ops::{AroundAxis, OpError, device_error};

type Cube<D, T> = Tensor<(usize, usize, usize), f32, D, T>;
type Plane<D, T> = Tensor<(usize, usize), f32, D, T>;

/// [`reduce`](fn@super::reduce) and [`masked_reduce`](super::masked_reduce) in dfdx's own operations.
pub fn reduce<S: Shape, O: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    around: AroundAxis,
    mask: Option<ReduceMask<D>>,
    reduction: Reduction,
    shape: O,
) -> Result<Tensor<O, f32, D, T>, OpError> {
    if is_empty(&x) {
        let (x, tape) = x.split_tape();
        return constant(x.device().clone(), mask.map_or(0.0, |mask| mask.empty), shape, tape, |_| Ok(()));
    }
    let AroundAxis { outer, length, inner } = around;
    let cube = (outer, length, inner);
    let device = x.device().clone();
    let forward = || -> Result<_, D::Err> {
        let x = x.try_reshape_like(&cube)?;
        let filled = |value| device.try_tensor_from_vec(vec![value; outer * length * inner], cube);
        // Padding is replaced, not multiplied, so that whatever stands there cannot spoil the result.
        let hidden = if matches!(reduction, Reduction::Max(_)) { f32::NEG_INFINITY } else { 0.0 };
        let (x, counts) = match &mask {
            None => (x, device.try_tensor_from_vec(vec![length as f32; outer * inner], (outer, inner))?),
            Some(mask) => {
                let valid = mask.valid.clone().try_broadcast_like::<_, Axis<2>>(&cube)?.try_ne(0.0)?;
                let ones = valid.clone().try_choose(filled(1.0)?, filled(0.0)?)?;
                (valid.try_choose(x, filled(hidden)?)?, ones.try_sum::<(usize, usize), Axis<1>>()?)
            }
        };
        let y: Plane<D, T> = match reduction {
            Reduction::Sum => x.try_sum::<_, Axis<1>>()?,
            Reduction::Mean => x.try_sum::<_, Axis<1>>()?.try_div(counts.clone())?,
            Reduction::Max(ties) => {
                let values = x.retaped::<NoneTape>();
                let y = if ties == TieGradient::ToAll { x.try_max::<_, Axis<1>>()? } else { single_max(x, ties)? };
                spread_nan(values, y)?
            }
        };
        let y = match &mask {
            None => y,
            Some(mask) => {
                let empty = device.try_tensor_from_vec(vec![mask.empty; outer * inner], (outer, inner))?;
                counts.try_ne(0.0)?.try_choose(y, empty)?
            }
        };
        y.try_reshape_like(&shape)
    };
    forward().map_err(device_error)
}

/// `y`, but NaN where a value is: what dfdx's maximum does with NaN depends on the device.
fn spread_nan<D: Device<f32>, T: Tape<f32, D>>(
    values: Cube<D, NoneTape>,
    y: Plane<D, T>,
) -> Result<Plane<D, T>, D::Err> {
    let (device, cube) = (values.device().clone(), *values.shape());
    let spoilt = values.try_ne(&values)?.try_choose(device.try_ones_like(&cube)?, device.try_zeros_like(&cube)?)?;
    let spoilt = spoilt.try_sum::<(usize, usize), Axis<1>>()?.try_ne(0.0)?;
    let nan = device.try_tensor_from_vec(vec![f32::NAN; cube.0 * cube.2], (cube.0, cube.2))?;
    spoilt.try_choose(nan.put_tape(T::default()), y)
}

/// The maximum as a weighted sum of the values equal to it, with the weights of the policy.
fn single_max<D: Device<f32>, T: Tape<f32, D>>(x: Cube<D, T>, ties: TieGradient) -> Result<Plane<D, T>, D::Err> {
    let (device, cube) = (x.device().clone(), *x.shape());
    let (outer, length, inner) = cube;
    let zeros = || device.try_zeros_like(&cube);
    let values = x.retaped::<NoneTape>();
    let top = values.clone().try_max::<(usize, usize), Axis<1>>()?.try_broadcast_like::<_, Axis<1>>(&cube)?;
    let mut chosen = values.try_eq(&top)?;
    if ties == TieGradient::First {
        let steps = (0..outer * length * inner).map(|i| (i / inner % length) as f32).collect();
        let steps = device.try_tensor_from_vec(steps, cube)?;
        let beyond = device.try_tensor_from_vec(vec![length as f32; outer * length * inner], cube)?;
        let places = chosen.try_choose(steps.clone(), beyond)?;
        let first = places.try_min::<(usize, usize), Axis<1>>()?.try_broadcast_like::<_, Axis<1>>(&cube)?;
        chosen = steps.try_eq(&first)?;
    }
    let ones = chosen.clone().try_choose(device.try_ones_like(&cube)?, zeros()?)?;
    let counts = ones.try_sum::<(usize, usize), Axis<1>>()?;
    chosen.try_choose(x, zeros()?.put_tape(T::default()))?.try_sum::<_, Axis<1>>()?.try_div(counts)
}
