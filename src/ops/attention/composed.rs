use dfdx::prelude::{
    Axes4, Axis, BroadcastTo, ChooseFrom, Device, Dim, HasShape, MaxTo, Merge, NoneTape, PermuteTo, PutTape, ReshapeTo,
    SplitTape, SumTo, Tape, Tensor, TryAdd, TryDiv, TryLe, TryMatMul, TryMul, TryNe, TrySub,
};

use super::AttentionOptions;
use crate::ops::nothing::constant;
use crate::ops::record::distinct;
use crate::ops::{Lottery, OpError, device_error};

type Heads<D, T> = Tensor<(usize, usize, usize, usize), f32, D, T>;

/// `(B, L, E)` as `(B, heads, L, E / heads)`.
fn split<B: Dim, L: Dim, E: Dim, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<(B, L, E), f32, D, T>,
    heads: usize,
) -> Result<Heads<D, T>, D::Err> {
    let (batch, length, width) = *x.shape();
    let x = x.try_reshape_like(&(batch.size(), length.size(), heads, width.size() / heads))?;
    x.try_permute::<_, Axes4<0, 2, 1, 3>>()
}

/// [`attention`](super::attention) in dfdx's own operations.
pub fn attention<B: Dim, Q: Dim, K: Dim, E: Dim, D: Device<f32>, T, R, U>(
    query: Tensor<(B, Q, E), f32, D, T>,
    key: Tensor<(B, K, E), f32, D, R>,
    value: Tensor<(B, K, E), f32, D, U>,
    options: &AttentionOptions<'_, B, Q, K, D>,
) -> Result<Tensor<(B, Q, E), f32, D, T>, OpError>
where
    T: Tape<f32, D> + Merge<R> + Merge<U>,
    R: Tape<f32, D>,
    U: Tape<f32, D>,
{
    let (shape, keys, heads) = (*query.shape(), key.shape().1.size(), options.heads);
    let (batch, queries, width) = (shape.0.size(), shape.1.size(), shape.2.size());
    if batch * queries * keys * width == 0 {
        // Nothing to see, or nobody to see it.
        let ((query, tape), (key, key_tape), (value, value_tape)) =
            (query.split_tape(), key.split_tape(), value.split_tape());
        let tape = tape.merge(key_tape).merge(value_tape);
        return constant(query.device().clone(), 0.0, shape, tape, move |gradients| {
            gradients.try_alloc_for(&query)?;
            gradients.try_alloc_for(&key)?;
            gradients.try_alloc_for(&value)
        });
    }
    let (query, key) = distinct(query, key)?;
    let (query, value) = distinct(query, value)?;
    let forward = || -> Result<_, D::Err> {
        let (q, k, v) = (split(query, heads)?, split(key, heads)?, split(value, heads)?);
        let device = q.device().clone();
        let k: Heads<D, T> = k.try_permute::<_, Axes4<0, 1, 3, 2>>()?;
        let mut scores = q.try_matmul(k)?.try_mul(1.0 / ((width / heads) as f32).sqrt())?;
        let sizes = *scores.shape();
        if let Some(additive) = options.additive {
            let additive = additive.clone().try_reshape_like(&(queries, keys))?;
            let additive: Heads<D, NoneTape> = additive.try_broadcast_like::<_, dfdx::prelude::Axes2<0, 1>>(&sizes)?;
            scores = scores.try_add(additive)?;
        }
        // 1 where a query sees a key.
        let mut seen = device.try_ones_like(&sizes)?;
        if let Some(mask) = options.keys {
            let mask = mask.clone().try_reshape_like(&(batch, keys))?;
            let mask: Heads<D, NoneTape> = mask.try_broadcast_like::<_, dfdx::prelude::Axes2<1, 2>>(&sizes)?;
            seen = seen.try_mul(mask)?;
        }
        if options.causal {
            let triangle = (0..queries * keys).map(|at| if at % keys <= at / keys { 1.0 } else { 0.0 }).collect();
            let triangle = device.try_tensor_from_vec(triangle, (queries, keys))?;
            let triangle: Heads<D, NoneTape> = triangle.try_broadcast_like::<_, dfdx::prelude::Axes2<0, 1>>(&sizes)?;
            seen = seen.try_mul(triangle)?;
        }
        let lowest = device.try_zeros_like(&sizes)?.try_add(f32::MIN)?;
        // What an additive mask excludes is not seen either.
        let excluded = scores.try_le(f32::MIN)?;
        let seen = excluded.try_choose(device.try_zeros_like(&sizes)?, seen)?;
        let visible = seen.clone().try_ne(0.0)?;
        let seen = visible.clone().try_choose(device.try_ones_like(&sizes)?, device.try_zeros_like(&sizes)?)?;
        let scores = visible.try_choose(scores, lowest.retaped::<T>())?;
        let largest = scores.retaped::<NoneTape>().try_max::<(usize, usize, usize), Axis<3>>()?;
        let largest = largest.retaped::<T>().try_broadcast_like::<_, Axis<3>>(&sizes)?;
        let weights = scores.try_sub(largest)?.try_exp()?.try_mul(seen)?;
        let total = weights.retaped::<T>().try_sum::<(usize, usize, usize), Axis<3>>()?.try_add(f32::MIN_POSITIVE)?;
        let mut weights = weights.try_div(total.try_broadcast_like::<_, Axis<3>>(&sizes)?)?;
        if let Some((rate, stream)) = options.dropout {
            let lottery = Lottery::new(rate, stream);
            let factors = (0..batch * heads * queries * keys).map(|i| lottery.factor(i)).collect();
            weights = weights.try_mul(device.try_tensor_from_vec(factors, sizes)?)?;
        }
        let out: Heads<D, T> = weights.try_matmul(v)?.try_permute::<_, Axes4<0, 2, 1, 3>>()?;
        out.try_reshape_like(&shape)
    };
    forward().map_err(device_error)
}

/// [`self_attention`](super::self_attention) in dfdx's own operations.
pub fn self_attention<B: Dim, N: Dim, E: Dim, D: Device<f32>, T: Tape<f32, D> + Merge<T>>(
    packed: Tensor<(B, N, usize), f32, D, T>,
    width: E,
    options: &AttentionOptions<'_, B, N, N, D>,
) -> Result<Tensor<(B, N, E), f32, D, T>, OpError> {
    let (batch, steps, _) = *packed.shape();
    let (packed, mut tape) = packed.split_tape();
    let mut part = |index: usize| -> Result<Tensor<(B, N, E), f32, D>, D::Err> {
        let columns = index * width.size()..(index + 1) * width.size();
        let packed = packed.clone().put_tape(std::mem::take(&mut tape));
        let rows = packed.try_reshape_like(&(batch.size() * steps.size(), 3 * width.size()))?;
        let part = rows.try_slice((.., columns))?.try_reshape_like(&(batch, steps, width))?;
        let (part, after) = part.split_tape();
        tape = after;
        Ok(part)
    };
    let parts = part(0).and_then(|query| Ok((query, part(1)?, part(2)?)));
    let (query, key, value) = parts.map_err(device_error)?;
    attention(query.put_tape(tape), key, value, options)
}
