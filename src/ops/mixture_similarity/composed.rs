use dfdx::prelude::{
    Axes2, Axis, BroadcastTo, Device, Dim, HasShape, PermuteTo, PutTape, ReshapeTo, Shape, SplitTape, Tensor, TryAdd,
    TryMatMul, TryMul, TrySub,
};

use super::LEAST_WEIGHT;
use crate::ops::nothing::{constant, is_empty};
use crate::ops::record::{distinct, split_all};
use crate::ops::{OpError, RecordingTape, device_error};

/// [`mixture_similarity`](super::mixture_similarity) in dfdx's own operations.
pub fn mixture_similarity<Q: Dim, V: Dim, E: Dim, D: Device<f32>, T: RecordingTape<D>>(
    text: Vec<Tensor<(Q, E), f32, D, T>>,
    video: Vec<Tensor<(V, E), f32, D, T>>,
    weights: Tensor<(Q, usize), f32, D, T>,
    available: &Tensor<(V, usize), f32, D>,
) -> Result<Tensor<(Q, V), f32, D, T>, OpError> {
    let ((queries, experts), videos) = (*weights.shape(), available.shape().0);
    let (q, v, device) = (queries.size(), videos.size(), weights.device().clone());
    if q * v == 0 {
        let (weights, tape) = weights.split_tape();
        let (text, tape) = split_all(text, tape);
        let (video, tape) = split_all(video, tape);
        return constant(device, 0.0, (queries, videos), tape, move |gradients| {
            gradients.try_alloc_for(&weights)?;
            text.iter().try_for_each(|text| gradients.try_alloc_for(text))?;
            video.iter().try_for_each(|video| gradients.try_alloc_for(video))
        });
    }
    let columns: Tensor<(usize, usize), f32, D> =
        available.clone().try_reshape_like(&(v, experts)).map_err(device_error)?;
    let columns: Tensor<(usize, usize), f32, D> = columns.try_permute::<_, Axes2<1, 0>>().map_err(device_error)?;
    let weights = weights.try_reshape_like(&(q, experts)).map_err(device_error)?;
    let weights = weights.try_add(LEAST_WEIGHT).map_err(device_error)?;
    let again = weights.retaped::<T>();
    let mut sum = device.try_zeros_like(&(q, v)).map_err(device_error)?.put_tape(T::default());
    for (m, (text, video)) in text.into_iter().zip(video).enumerate() {
        let (text, video) = distinct(text, video)?;
        if is_empty(&text) {
            // An expert of width 0: only its tape counts.
            let ((before, tape), (_, its_tape)) = (sum.split_tape(), text.split_tape());
            sum = before.put_tape(tape.merge(its_tape));
            continue;
        }
        let width = text.shape().1.size();
        let one = |rows: bool| {
            let unit = (0..experts).map(|n| f32::from(n == m)).collect();
            device.try_tensor_from_vec(unit, if rows { (experts, 1usize) } else { (1usize, experts) })
        };
        let term = || -> Result<_, D::Err> {
            let text = text.try_reshape_like(&(q, width))?;
            let video = video.try_reshape_like(&(v, width))?.try_permute::<_, Axes2<1, 0>>()?;
            let weight = again.retaped::<T>().try_matmul(one(true)?)?.try_reshape_like(&(q,))?;
            let weight = weight.try_broadcast_like::<_, Axis<1>>(&(q, v))?;
            let has = one(false)?.try_matmul(columns.clone())?.try_reshape_like(&(v,))?;
            let has = has.try_broadcast_like::<_, Axis<0>>(&(q, v))?;
            text.try_matmul(video)?.try_mul(weight)?.try_mul(has)
        };
        sum = sum.try_add(term().map_err(device_error)?).map_err(device_error)?;
    }
    let normaliser = weights.try_matmul(columns).map_err(device_error)?;
    let quotient = divide(sum, normaliser).map_err(device_error)?;
    quotient.try_reshape_like(&(queries, videos)).map_err(device_error)
}

/// `x / y` with the gradient of `y` as `−(x / y) / y`: dfdx divides by `y²`, which underflows.
fn divide<S: Shape, D: Device<f32>, T: RecordingTape<D>>(
    x: Tensor<S, f32, D, T>,
    y: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, D::Err> {
    let ((x, x_tape), (y, y_tape)) = (x.split_tape(), y.split_tape());
    let inverse = y.clone().try_recip()?;
    let quotient = x.clone().try_mul(inverse.clone())?;
    // 1, which changes as y does.
    let one = y.put_tape(y_tape).try_mul(inverse.clone())?;
    let change = one.try_sub(1.0)?.try_mul(quotient)?;
    x.put_tape(x_tape).try_mul(inverse)?.try_sub(change)
}
