//! Gradients that are not there yet.
//!
//! dfdx 0.13 keeps the gradients of a backward pass in a map that it does not let others look into: asked for a gradient that is not there, it
//! makes one of zeros, on one thread, to be added to. For a first gradient that is two passes over memory too many: the zeros written, and read.
//!
//! What it inserts is whatever a tensor of that identity allocates, as many values as that tensor's buffer has. `log_softmax` computes under
//! the identity of its argument, and on a broadcast to no rows its buffer is empty: the last operation that it records therefore inserts an EMPTY
//! gradient where there is none, leaves one that is there alone, and holds no values itself. That operation is taken off a tape of our own
//! ([`Capture`]) and run before the gradient is asked for. Whatever is empty then was not there. Operations fill what they open before they
//! return, so that dfdx's own never meet an empty gradient, but for one of data, which nothing reads.
//!
//! This rests on how `Gradients::try_alloc_for` and `log_softmax` are written in dfdx 0.13.0, whose version is fixed; the tests below fail where
//! it no longer holds.

use dfdx::prelude::{
    Axis, BroadcastTo, Cpu, CpuError, HasShape, Merge, NoneTape, PutTape, ReshapeTo, Shape, SplitTape, Tape, Tensor,
};

use super::elementwise::add_to;
use super::parallel::{collect_blocks, for_blocks, for_row_block_pairs, for_row_blocks};
use super::record::{CpuGradients, CpuResult};
use crate::gemm::{Operand, Threads, gemm, product};

/// Gradients of fewer values are made of zeros: finding out costs as much as some thousand of them.
const WORTH_ASKING: usize = 1 << 12;

/// Keeps the last operation that is recorded.
#[derive(Default)]
struct Capture(Option<Box<dyn FnOnce(&mut CpuGradients) -> CpuResult>>);

impl Tape<f32, Cpu> for Capture {
    const OWNS_TAPE: bool = true;

    fn add_backward_op<F>(&mut self, operation: F)
    where
        F: 'static + FnOnce(&mut CpuGradients) -> CpuResult,
    {
        self.0 = Some(Box::new(operation));
    }
}

impl Merge<Self> for Capture {
    fn merge(self, _: Self) -> Self {
        self
    }
}

impl Merge<NoneTape> for Capture {
    fn merge(self, _: NoneTape) -> Self {
        self
    }
}

/// Gives the gradient that it was made for: dfdx does not let its type of a tensor without values be named.
type Open = Box<dyn for<'g> FnOnce(&'g mut CpuGradients) -> Result<&'g mut Vec<f32>, CpuError>>;

/// Where the gradient of a tensor is kept. It holds none of the tensor's values.
pub(crate) struct Slot {
    open: Open,
    len: usize,
}

impl Slot {
    /// That of a tensor in row-major order.
    pub(crate) fn of<S: Shape>(x: &Tensor<S, f32, Cpu>) -> Result<Self, CpuError> {
        Self::asking(x, WORTH_ASKING)
    }

    /// The gradient of a tensor in row-major order, for a backward pass that keeps the tensor anyway.
    pub(crate) fn gradient<'g, S: Shape>(
        x: &Tensor<S, f32, Cpu>,
        gradients: &'g mut CpuGradients,
    ) -> Result<Gradient<'g>, CpuError> {
        Self::of(x)?.open(gradients)
    }

    /// It asks from so many values on.
    fn asking<S: Shape>(x: &Tensor<S, f32, Cpu>, least: usize) -> Result<Self, CpuError> {
        let len = x.shape().num_elements();
        let mut reserve = None;
        if len >= least.max(1) {
            let flat = x.clone().try_reshape_like(&(len,))?;
            let nothing = flat.try_broadcast_like::<(usize, usize), Axis<0>>(&(0, len))?;
            let (_, Capture(last)) = nothing.put_tape(Capture::default()).try_log_softmax::<Axis<1>>()?.split_tape();
            reserve = last;
        }
        let ghost = x.ghost();
        let open: Open = Box::new(move |gradients| {
            reserve.map_or(Ok(()), |reserve| reserve(gradients))?;
            Ok(&mut **gradients.get_or_alloc_mut(&ghost)?)
        });
        Ok(Self { open, len })
    }

    /// Where a parameter's gradient is, whatever its size; empty where there is none.
    pub(crate) fn found<'g, S: Shape>(
        parameter: &Tensor<S, f32, Cpu>,
        gradients: &'g mut CpuGradients,
    ) -> Result<&'g mut Vec<f32>, CpuError> {
        Ok(Self::asking(parameter, 1)?.open(gradients)?.values)
    }

    /// The gradient itself.
    pub(crate) fn open(self, gradients: &mut CpuGradients) -> Result<Gradient<'_>, CpuError> {
        Ok(Gradient { values: (self.open)(gradients)?, len: self.len })
    }
}

/// A gradient that is there, or is not yet. Each of its functions leaves it there, but for [`Gradient::take`].
pub(crate) struct Gradient<'g> {
    values: &'g mut Vec<f32>,
    len: usize,
}

impl<'g> Gradient<'g> {
    /// Adds one that is there by value: it is moved in where it is the first.
    pub(crate) fn give(self, gradient: Vec<f32>) {
        debug_assert_eq!(gradient.len(), self.len);
        if self.values.is_empty() {
            *self.values = gradient;
        } else {
            for_blocks(self.values, |at, sum| add_to(&gradient[at..][..sum.len()], sum));
        }
    }

    /// [`Gradient::give`] of what `f(first_row, block)` makes, in its place, of the gradient of the result, blocks of whole rows at a time.
    pub(crate) fn give_row_blocks(self, mut of_result: Vec<f32>, width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
        debug_assert_eq!(of_result.len(), self.len);
        if self.values.is_empty() {
            for_row_blocks(&mut of_result, width, f);
            *self.values = of_result;
        } else {
            for_row_block_pairs(&mut of_result, width, self.values, width, |first, block, sum| {
                f(first, block);
                add_to(block, sum);
            });
        }
    }

    /// `f(first_row, block)` adds to blocks of whole rows. A first gradient begins as zeros block by block, each in the cache.
    pub(crate) fn add_row_blocks(self, width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
        if self.values.is_empty() {
            *self.values = collect_blocks(self.len, width, f);
        } else {
            for_row_blocks(self.values, width, f);
        }
    }

    /// `f(i, row)` adds to every row.
    pub(crate) fn add_rows(self, width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
        let width = width.max(1);
        self.add_row_blocks(width, |first, block| {
            block.chunks_exact_mut(width).enumerate().for_each(|(i, row)| f(first + i, row));
        });
    }

    /// `f(offset, block)` adds to blocks that need not be whole rows.
    pub(crate) fn add_blocks(self, f: impl Fn(usize, &mut [f32]) + Sync) {
        self.add_row_blocks(1, f);
    }

    /// Adds `a · b`, which has `columns` columns: a first gradient is the product itself.
    pub(crate) fn add_product(self, a: Operand, b: Operand, columns: usize, threads: Threads) {
        if self.values.is_empty() {
            *self.values = product(a, b, threads);
        } else {
            gemm(a, b, self.values, columns, true, threads);
        }
    }

    /// The values to add to: zeros of a first gradient.
    pub(crate) fn filled(self) -> &'g mut [f32] {
        if self.values.is_empty() {
            self.values.resize(self.len, 0.0);
        }
        self.values
    }

    /// Moves the values out, zeros of a first gradient, so that several gradients can be written at once; [`Gradient::give`] gives them back.
    pub(crate) fn take(self) -> Vec<f32> {
        if self.values.is_empty() { vec![0.0; self.len] } else { std::mem::take(self.values) }
    }
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::{Axes2, Backward, Gradients, OwnedTape, PermuteTo, SumTo, TensorFromVec, Trace, WithEmptyTape};

    use super::*;
    use crate::ops::view::view;
    #[cfg(not(feature = "safe-views"))]
    use crate::ops::view::view_mut;
    use crate::ops::{self, OpError};

    type Rows = Tensor<(usize, usize), f32, Cpu>;
    type Traced = Tensor<(usize, usize), f32, Cpu, OwnedTape<f32, Cpu>>;

    fn rows(seed: usize, rows: usize, columns: usize) -> Rows {
        let values = (0..rows * columns).map(|i| ((seed * 1009 + i * 7) as f32).sin()).collect();
        Cpu::default().tensor_from_vec(values, (rows, columns))
    }

    /// What all of this rests on.
    #[test]
    fn a_gradient_that_is_not_there_is_empty_and_one_that_is_stays() {
        let (used, unused) = (rows(1, 2, 3), rows(2, 70, 70));
        let mut gradients = SumTo::sum::<(), _>(used.leaky_trace().square()).backward();
        for _ in 0..2 {
            assert!(Slot::found(&unused, &mut gradients).unwrap().is_empty(), "asking changes nothing");
        }
        let twice: Vec<f32> = view(&used).iter().map(|x| 2.0 * x).collect();
        assert_eq!(*Slot::found(&used, &mut gradients).unwrap(), twice);
        // Large enough for operations to ask.
        let slot = Slot::of(&unused).unwrap();
        slot.open(&mut gradients).unwrap().give(vec![1.0; 4900]);
        Slot::gradient(&unused, &mut gradients)
            .unwrap()
            .add_blocks(|_, block| block.iter_mut().for_each(|x| *x += 2.0));
        assert_eq!(*Slot::found(&unused, &mut gradients).unwrap(), [3.0; 4900]);
        // Too small for it: zeros, as dfdx makes them.
        assert_eq!(*Slot::gradient(&rows(3, 2, 2), &mut gradients).unwrap().values, [0.0; 4]);
    }

    #[cfg(not(feature = "safe-views"))]
    #[test]
    fn a_slot_holds_no_values() {
        let mut x = rows(1, 80, 80);
        let slot = Slot::of(&x).unwrap();
        let before = view(&x).as_ptr();
        // A buffer that something else held would be copied first.
        view_mut(&mut x).unwrap()[0] = 1.0;
        assert_eq!(view(&x).as_ptr(), before);
        drop(slot);
    }

    #[test]
    fn every_way_to_add_gives_the_same_first_and_later() {
        let x = rows(1, 90, 100);
        let by = |add: &dyn Fn(Gradient<'_>)| {
            let mut gradients = Gradients::leaky();
            (0..2).for_each(|_| add(Slot::gradient(&x, &mut gradients).unwrap()));
            Slot::found(&x, &mut gradients).unwrap().clone()
        };
        let add = |first: usize, block: &mut [f32]| {
            block.iter_mut().enumerate().for_each(|(i, value)| *value += (first * 100 + i) as f32);
        };
        let once: Vec<f32> = (0..9000).map(|i| i as f32).collect();
        let twice: Vec<f32> = once.iter().map(|x| 2.0 * x).collect();
        assert_eq!(by(&|gradient| gradient.give(once.clone())), twice);
        assert_eq!(by(&|gradient| gradient.add_row_blocks(100, add)), twice);
        assert_eq!(by(&|gradient| gradient.add_rows(100, add)), twice);
        assert_eq!(by(&|gradient| add(0, gradient.filled())), twice);
        assert_eq!(by(&|gradient| gradient.give_row_blocks(vec![0.0; 9000], 100, add)), twice);
        let taken = |gradient: Gradient<'_>| {
            let Gradient { values, len } = gradient;
            let mut all = Gradient { values: &mut *values, len }.take();
            add(0, &mut all);
            Gradient { values, len }.give(all);
        };
        assert_eq!(by(&taken), twice);
        let column: Vec<f32> = vec![1.0; 90];
        let row: Vec<f32> = (0..100).map(|i| i as f32).collect();
        let product = by(&|gradient| {
            gradient.add_product(Operand::new(&column, 90, 1), Operand::new(&row, 1, 100), 100, Threads::All);
        });
        assert!(product.iter().enumerate().all(|(i, value)| *value == 2.0 * (i % 100) as f32));
    }

    /// Our operations, dfdx's own between them, a residual, a tensor that is used three times, one tensor as both operands, and a store that
    /// has the gradients of an earlier pass.
    fn network(
        x: Traced,
        weight: &Rows,
        vectors: [&Tensor<(usize,), f32, Cpu>; 2],
        ours: bool,
    ) -> Result<Traced, OpError> {
        let [scale, shift] = vectors;
        let linear = |x: Traced| match ours {
            true => ops::linear(x, weight, Some(shift)),
            false => ops::composed::linear(x, weight, 0, Some(shift)),
        };
        let norm = |x: Traced| match ours {
            true => ops::layer_norm(x, scale, shift, 1e-5),
            false => ops::composed::layer_norm(x, scale, shift, 1e-5),
        };
        let gelu = |x: Traced| if ours { ops::gelu(x) } else { ops::composed::gelu(x) };
        let softmax = |x: Traced| if ours { ops::softmax(x) } else { ops::composed::softmax(x, None::<&Rows>) };
        let h = linear(x)?.tanh();
        let (plain, tape) = h.split_tape();
        let again = plain.clone().put_tape(OwnedTape::default());
        let h = linear(gelu(norm(plain.clone().put_tape(tape))?)?)?;
        let h = ops::add(h, again)?;
        let twice = h.with_empty_tape();
        let h = softmax(ops::add(h, twice)?.sin() + plain)?.square();
        let turned: Traced = h.permute::<_, Axes2<1, 0>>();
        gelu(turned)
    }

    #[test]
    fn dfdx_and_our_operations_share_gradients() {
        for size in [8, 96] {
            let (x, weight) = (rows(1, size, 64), rows(2, 64, 64));
            let vector = |seed| Cpu::default().tensor_from_vec(rows(seed, 1, 64).as_vec(), (64usize,));
            let (scale, shift) = (vector(3), vector(4));
            let all = |ours: bool| {
                let mut gradients = Gradients::leaky();
                for _ in 0..2 {
                    let y = network(x.trace(gradients), &weight, [&scale, &shift], ours).unwrap();
                    gradients = SumTo::sum::<(), _>(y).backward();
                }
                let of = [
                    Slot::found(&x, &mut gradients).unwrap().clone(),
                    Slot::found(&weight, &mut gradients).unwrap().clone(),
                ];
                let vectors = [&scale, &shift].map(|vector| gradients.get(vector).as_vec());
                [of, vectors].concat()
            };
            for (ours, composed) in all(true).into_iter().zip(all(false)) {
                let largest = composed.iter().fold(0f32, |m, v| m.max(v.abs()));
                for (a, b) in ours.iter().zip(&composed) {
                    assert!((a - b).abs() <= 2e-4 * largest, "{a} {b} of {largest}");
                }
            }
        }
    }
}
