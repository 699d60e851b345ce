use dfdx::prelude::{Cpu, Dim, HasShape, Merge, PutTape, ReshapeTo, SplitTape, Tensor, TensorFromVec};
use rayon::prelude::*;

use super::{AttentionKernel, AttentionOptions};
use crate::gemm::{Operand, Threads, gemm};
use crate::ops::math::{exp, max, sum2, update_sum};
use crate::ops::record::{operands, record_tensor};
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{LayerTape, Lottery, OpError, RecordingTape, device_error};
use crate::processor::vectorise;

/// Queries that are worked on at once: their scores stay in the second-level cache.
const BLOCK: usize = 128;

/// Sizes, masks and dropout without their types.
#[derive(Clone)]
struct Plan {
    queries: usize,
    keys: usize,
    heads: usize,
    width: usize,
    /// Distance of the rows of queries, keys and values.
    stride: usize,
    mask: Option<Vec<f32>>,
    additive: Option<Vec<f32>>,
    causal: bool,
    lottery: Option<Lottery>,
}

/// A block of queries of one item of the batch.
#[derive(Clone, Copy)]
struct Block {
    item: usize,
    first: usize,
    rows: usize,
}

impl Plan {
    fn head_width(&self) -> usize {
        self.width / self.heads
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_width() as f32).sqrt()
    }

    /// Columns of a head of some queries, keys or values.
    fn head<'a>(&self, data: &'a [f32], rows: usize, head: usize) -> Operand<'a> {
        self.columns(data, rows, head, self.stride)
    }

    /// Columns of a head of some rows of the result, or of its gradient.
    fn result_head<'a>(&self, data: &'a [f32], rows: usize, head: usize) -> Operand<'a> {
        self.columns(data, rows, head, self.width)
    }

    fn columns<'a>(&self, data: &'a [f32], rows: usize, head: usize, stride: usize) -> Operand<'a> {
        let width = self.head_width();
        let end = if rows == 0 { head * width } else { (rows - 1) * stride + (head + 1) * width };
        Operand::strided(&data[head * width..end.max(head * width)], rows, width, stride)
    }

    /// `Q_h K_hᵀ / √d` of a block of queries, with the masks added: excluded entries are negative infinity.
    fn scores(&self, query: &[f32], key: &[f32], block: Block, head: usize, out: &mut [f32]) {
        let (q, k) = (self.head(query, block.rows, head), self.head(key, self.keys, head));
        gemm(q, k.t(), out, self.keys, false, Threads::One);
        let mask = self.mask.as_ref().map(|mask| &mask[block.item * self.keys..][..self.keys]);
        for (i, row) in out.chunks_exact_mut(self.keys).take(block.rows).enumerate() {
            let query = block.first + i;
            let additive =
                self.additive.as_ref().map_or(&[][..], |additive| &additive[query * self.keys..][..self.keys]);
            prepare(row, self.scale(), additive, mask.unwrap_or(&[]));
            if self.causal && query + 1 < self.keys {
                row[query + 1..].fill(f32::NEG_INFINITY);
            }
        }
    }

    /// Dropout of the probabilities of a query, or of their gradients.
    fn drop_out(&self, block: Block, head: usize, row: usize, values: &mut [f32]) {
        if let Some(lottery) = self.lottery {
            let place = ((block.item * self.heads + head) * self.queries + block.first + row) * self.keys;
            draw(values, lottery, place);
        }
    }
}

vectorise! {
    fn draw(values: &mut [f32], lottery: Lottery, place: usize) {
        values.iter_mut().enumerate().for_each(|(i, value)| *value *= lottery.factor(place + i));
    }
}

vectorise! {
    fn prepare(row: &mut [f32], scale: f32, additive: &[f32], mask: &[f32]) {
        row.iter_mut().for_each(|s| *s *= scale);
        row.iter_mut().zip(additive).for_each(|(s, a)| *s += a);
        for (s, m) in row.iter_mut().zip(mask) {
            *s = if *m == 0.0 { f32::NEG_INFINITY } else { *s };
        }
    }
}

vectorise! {
    /// Turns scores into probabilities and returns the largest score and `1 / Σ exp(score − largest)`; zeros where every score is negative
    /// infinity.
    fn probabilities(row: &mut [f32]) -> [f32; 2] {
        let largest = max(row);
        // The maximum passes over NaN, which must not pass for a query without keys.
        if largest == f32::NEG_INFINITY && !row.iter().any(|s| s.is_nan()) {
            row.fill(0.0);
            return [0.0, 0.0];
        }
        let share = 1.0 / update_sum(row, |s| exp(s - largest));
        row.iter_mut().for_each(|p| *p *= share);
        [largest, share]
    }
}

vectorise! {
    /// The same probabilities once more, from scores and what [`probabilities`] returned.
    fn restore(row: &mut [f32], normaliser: [f32; 2]) {
        let [largest, share] = normaliser;
        update_sum(row, |s| exp(s - largest) * share);
    }
}

vectorise! {
    /// Gradient of the products `Q_h K_hᵀ`, in place of that of the probabilities: `p (g − mean) / √d`.
    fn score_gradient(grad: &mut [f32], probabilities: &[f32], mean: f32, scale: f32) {
        grad.iter_mut().zip(probabilities).for_each(|(g, p)| *g = p * (*g - mean) * scale);
    }
}

vectorise! {
    fn dot(a: &[f32], b: &[f32]) -> f32 {
        sum2(a, b, |a, b| a * b)
    }
}

/// One block of queries: rows of the result and what [`probabilities`] returns of every query and head.
fn forward(plan: &Plan, q: &[f32], k: &[f32], v: &[f32], block: Block, out: &mut [f32], totals: &mut [[f32; 2]]) {
    let mut scores = vec![0.0; block.rows * plan.keys];
    for head in 0..plan.heads {
        plan.scores(q, k, block, head, &mut scores);
        for (i, row) in scores.chunks_exact_mut(plan.keys.max(1)).enumerate() {
            totals[i * plan.heads + head] = probabilities(row);
            plan.drop_out(block, head, i, row);
        }
        let p = Operand::new(&scores, block.rows, plan.keys);
        let out = &mut out[head * plan.head_width()..];
        gemm(p, plan.head(v, plan.keys, head), out, plan.width, false, Threads::One);
    }
}

/// The data of one item of the batch that its backward pass reads.
struct Item<'a> {
    index: usize,
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    out: &'a [f32],
    totals: &'a [[f32; 2]],
    grad: &'a [f32],
}

/// The gradients of one item of the batch.
enum ItemGradients<'a> {
    /// Of queries, keys and values.
    Apart([&'a mut [f32]; 3]),
    /// Queries, keys and values side by side in every row.
    Packed(&'a mut [f32]),
}

impl ItemGradients<'_> {
    /// Those of the queries (0), keys (1) or values (2), from a row and column on.
    fn from(&mut self, part: usize, plan: &Plan, row: usize, column: usize) -> &mut [f32] {
        let at = row * plan.stride + column;
        match self {
            Self::Apart(parts) => &mut parts[part][at..],
            Self::Packed(rows) => &mut rows[part * plan.width + at..],
        }
    }
}

fn backward(plan: &Plan, item: &Item, mut gradients: ItemGradients) {
    let (width, size, stride) = (plan.width, plan.head_width(), plan.stride);
    let (mut p, mut g) = (Vec::new(), Vec::new());
    for first in (0..plan.queries).step_by(BLOCK) {
        let rows = BLOCK.min(plan.queries - first);
        let block = Block { item: item.index, first, rows };
        let span = first * width..(first + rows) * width;
        let (q, out, grad) = (&item.q[first * stride..], &item.out[span.clone()], &item.grad[span]);
        p.resize(rows * plan.keys, 0.0);
        g.resize(rows * plan.keys, 0.0);
        for head in 0..plan.heads {
            let columns = head * size;
            plan.scores(q, item.k, block, head, &mut p);
            gemm(
                plan.result_head(grad, rows, head),
                plan.head(item.v, plan.keys, head).t(),
                &mut g,
                plan.keys,
                false,
                Threads::One,
            );
            for (i, (p, g)) in p.chunks_exact_mut(plan.keys).zip(g.chunks_exact_mut(plan.keys)).enumerate() {
                restore(p, item.totals[(first + i) * plan.heads + head]);
                let at = i * width + columns;
                // Σ_j p_j g_j, with or without dropout.
                let mean = dot(&grad[at..][..size], &out[at..][..size]);
                plan.drop_out(block, head, i, g);
                score_gradient(g, p, mean, plan.scale());
                plan.drop_out(block, head, i, p);
            }
            let (p, g) = (Operand::new(&p, rows, plan.keys), Operand::new(&g, rows, plan.keys));
            let gv = gradients.from(2, plan, 0, columns);
            gemm(p.t(), plan.result_head(grad, rows, head), gv, stride, true, Threads::One);
            let gk = gradients.from(1, plan, 0, columns);
            gemm(g.t(), plan.head(q, rows, head), gk, stride, true, Threads::One);
            let gq = gradients.from(0, plan, first, columns);
            gemm(g, plan.head(item.k, plan.keys, head), gq, stride, true, Threads::One);
        }
    }
}

/// Where the rows of an item of the batch stand.
struct Rows<'a> {
    /// Of all items: queries, keys, values.
    data: [&'a [f32]; 3],
    /// Values of an item in each.
    per_item: [usize; 3],
}

impl<'a> Rows<'a> {
    fn apart(plan: &Plan, q: &'a [f32], k: &'a [f32], v: &'a [f32]) -> Self {
        let per_key = plan.keys * plan.stride;
        Self { data: [q, k, v], per_item: [plan.queries * plan.stride, per_key, per_key] }
    }

    fn packed(plan: &Plan, rows: &'a [f32]) -> Self {
        let data = [0, 1, 2].map(|part| rows.get(part * plan.width..).unwrap_or(&[]));
        Self { data, per_item: [plan.queries * plan.stride; 3] }
    }

    /// Those of an item, to the end of the data or beyond its own: rows are `stride` apart.
    fn item(&self, item: usize) -> [&'a [f32]; 3] {
        std::array::from_fn(|part| &self.data[part][item * self.per_item[part]..])
    }
}

/// The result, and what [`probabilities`] returns of every query and head.
fn attend(plan: &Plan, batch: usize, rows: &Rows) -> (Vec<f32>, Vec<[f32; 2]>) {
    let per_query = plan.queries * plan.width;
    let mut out = vec![0.0; batch * per_query];
    let mut totals = vec![[0.0; 2]; batch * plan.queries * plan.heads];
    if plan.is_empty() {
        return (out, totals);
    }
    let items = out.par_chunks_mut(per_query).zip(totals.par_chunks_mut(plan.queries * plan.heads));
    items.enumerate().for_each(|(item, (out, totals))| {
        let [q, k, v] = rows.item(item);
        let blocks = out.par_chunks_mut(BLOCK * plan.width).zip(totals.par_chunks_mut(BLOCK * plan.heads));
        blocks.enumerate().for_each(|(i, (out, totals))| {
            let block = Block { item, first: i * BLOCK, rows: out.len() / plan.width };
            forward(plan, &q[block.first * plan.stride..], k, v, block, out, totals);
        });
    });
    (out, totals)
}

/// Adds to the gradients of every item, which `parts` hands out in order.
fn attend_backward<'g>(
    plan: &Plan,
    rows: &Rows,
    (out, totals, grad): (&[f32], &[[f32; 2]], &[f32]),
    parts: impl IndexedParallelIterator<Item = ItemGradients<'g>>,
) {
    let (per_query, per_total) = (plan.queries * plan.width, plan.queries * plan.heads);
    parts.enumerate().for_each(|(index, gradients)| {
        let ([q, k, v], at) = (rows.item(index), index * per_query);
        let (out, grad) = (&out[at..][..per_query], &grad[at..][..per_query]);
        let totals = &totals[index * per_total..][..per_total];
        backward(plan, &Item { index, q, k, v, out, totals, grad }, gradients);
    });
}

impl Plan {
    fn new<B: Dim, Q: Dim, K: Dim>(
        [queries, keys, width]: [usize; 3],
        stride: usize,
        options: &AttentionOptions<'_, B, Q, K, Cpu>,
    ) -> Self {
        Self {
            queries,
            keys,
            heads: options.heads,
            width,
            stride,
            mask: options.keys.map(|mask| view(mask).into_owned()),
            additive: options.additive.map(|mask| view(mask).into_owned()),
            causal: options.causal,
            lottery: options.dropout.map(|(rate, stream)| Lottery::new(rate, stream)),
        }
    }

    /// Nothing to see, or nobody to see it.
    fn is_empty(&self) -> bool {
        self.queries * self.keys * self.width == 0
    }
}

impl AttentionKernel for Cpu {
    fn attention<B: Dim, Q: Dim, K: Dim, E: Dim, T, R, U>(
        query: Tensor<(B, Q, E), f32, Self, T>,
        key: Tensor<(B, K, E), f32, Self, R>,
        value: Tensor<(B, K, E), f32, Self, U>,
        options: &AttentionOptions<'_, B, Q, K, Self>,
    ) -> Result<Tensor<(B, Q, E), f32, Self, T>, OpError>
    where
        T: RecordingTape<Self> + Merge<R> + Merge<U>,
        R: LayerTape<Self>,
        U: LayerTape<Self>,
    {
        let (q, k, tape) = operands(query, key)?;
        let (q, v, tape) = operands(q.put_tape(tape), value)?;
        let (shape, keys) = (*q.shape(), k.shape().1.size());
        let width = shape.2.size();
        let plan = Plan::new([shape.1.size(), keys, width], width, options);
        let (out, totals) = attend(&plan, shape.0.size(), &Rows::apart(&plan, &view(&q), &view(&k), &view(&v)));

        let out = q.device().try_tensor_from_vec(out, shape).map_err(device_error)?;
        let result = out.clone();
        Ok(record_tensor(result, tape, move |grad, grads| {
            if plan.is_empty() {
                return Ok(());
            }
            // Two of them may be one tensor: the second then begins with zeros, and is added.
            let (mut gq, mut gk) = (Slot::gradient(&q, grads)?.take(), Slot::gradient(&k, grads)?.take());
            let mut gv = Slot::gradient(&v, grads)?.take();
            let [per_query, per_key] = [plan.queries, plan.keys].map(|rows| rows * width);
            let items = gq.par_chunks_mut(per_query).zip(gk.par_chunks_mut(per_key)).zip(gv.par_chunks_mut(per_key));
            let parts = items.map(|((q, k), v)| ItemGradients::Apart([q, k, v]));
            let (q_data, k_data, v_data, out) = (view(&q), view(&k), view(&v), view(&out));
            let rows = Rows::apart(&plan, &q_data, &k_data, &v_data);
            attend_backward(&plan, &rows, (&out, &totals, &grad), parts);
            Slot::gradient(&q, grads)?.give(gq);
            if R::GRADIENT {
                Slot::gradient(&k, grads)?.give(gk);
            }
            if U::GRADIENT {
                Slot::gradient(&v, grads)?.give(gv);
            }
            Ok(())
        }))
    }

    fn self_attention<B: Dim, N: Dim, E: Dim, T: RecordingTape<Self>>(
        packed: Tensor<(B, N, usize), f32, Self, T>,
        width: E,
        options: &AttentionOptions<'_, B, N, N, Self>,
    ) -> Result<Tensor<(B, N, E), f32, Self, T>, OpError> {
        let (packed, tape) = packed.try_contiguous().map_err(device_error)?.split_tape();
        let (batch, steps, stride) = *packed.shape();
        let plan = Plan::new([steps.size(), steps.size(), width.size()], stride, options);
        let (out, totals) = attend(&plan, batch.size(), &Rows::packed(&plan, &view(&packed)));

        let out = packed.device().try_tensor_from_vec(out, (batch, steps, width)).map_err(device_error)?;
        let result = out.clone();
        Ok(record_tensor(result, tape, move |grad, grads| {
            if plan.is_empty() {
                return Ok(());
            }
            let mut gradient = Slot::gradient(&packed, grads)?.take();
            let parts = gradient.par_chunks_mut(plan.queries * plan.stride).map(ItemGradients::Packed);
            let (data, out) = (view(&packed), view(&out));
            attend_backward(&plan, &Rows::packed(&plan, &data), (&out, &totals, &grad), parts);
            Slot::gradient(&packed, grads)?.give(gradient);
            Ok(())
        }))
    }
}
