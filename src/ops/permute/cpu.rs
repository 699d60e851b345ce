use dfdx::prelude::{Axes, Cpu, HasShape, PermuteShapeTo, PermuteStridesTo, ReshapeTo, Shape, SplitTape, Tape, Tensor};
use rayon::prelude::*;

use super::PermuteKernel;
use crate::ops::parallel::{PARALLEL_ABOVE, for_rows};
use crate::ops::record::record;
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};

/// Side of the square tiles that are transposed at a time: both sides of one fit the first cache together.
const TILE: usize = 32;

/// The axes of a result in order: sizes, and the distance of neighbours in the source.
struct Order {
    sizes: Vec<usize>,
    strides: Vec<usize>,
}

impl Order {
    /// Drops axes of one value and joins axes that follow each other in the source too, which leaves few and long ones.
    fn new(sizes: &[usize], strides: &[usize]) -> Self {
        let mut order = Self { sizes: vec![1], strides: vec![0] };
        for (&size, &stride) in sizes.iter().zip(strides) {
            let (last_size, last_stride) =
                (order.sizes.last_mut().expect("never empty"), order.strides.last_mut().expect("as many"));
            if size == 1 {
                continue;
            } else if *last_size == 1 || *last_stride == stride * size {
                (*last_size, *last_stride) = (*last_size * size, stride);
            } else {
                order.sizes.push(size);
                order.strides.push(stride);
            }
        }
        order
    }

    /// Where entry `index` of the axes `axes` (in row-major order) begins in the source.
    fn offset(&self, axes: std::ops::Range<usize>, mut index: usize) -> usize {
        let mut offset = 0;
        for axis in axes.rev() {
            offset += index % self.sizes[axis] * self.strides[axis];
            index /= self.sizes[axis];
        }
        offset
    }

    /// Hands every value of `out` (row-major) and its value of `source` to `write`.
    fn apply(&self, source: &[f32], out: &mut [f32], write: impl Fn(&mut f32, f32) + Sync) {
        let last = self.sizes.len() - 1;
        let width = self.sizes[last];
        // The axis along which the source is contiguous.
        match self.strides.iter().position(|stride| *stride == 1) {
            Some(near) if near != last => self.apply_tiles(near, source, out, write),
            _ => for_rows(out, width, |row, out| {
                let at = self.offset(0..last, row);
                out.iter_mut().zip(&source[at..]).for_each(|(out, value)| write(out, *value));
            }),
        }
    }

    /// As `apply` where neighbours in the source are apart in the result: tiles over both axes keep to few cache lines.
    fn apply_tiles(&self, near: usize, source: &[f32], out: &mut [f32], write: impl Fn(&mut f32, f32) + Sync) {
        let last = self.sizes.len() - 1;
        let (width, far) = (self.sizes[last], self.strides[last]);
        let between: usize = self.sizes[near + 1..last].iter().product();
        let (pitch, length) = (between * width, self.sizes[near]);
        // A band: up to TILE entries of the near axis with everything after it.
        let band = |outer: usize, first: usize, out: &mut [f32]| {
            let begin = self.offset(0..near, outer) + first;
            for middle in 0..between {
                let at = begin + self.offset(near + 1..last, middle);
                for column in (0..width).step_by(TILE) {
                    for (i, row) in out.chunks_exact_mut(pitch).enumerate() {
                        let row = &mut row[middle * width..][..width];
                        for (j, out) in row.iter_mut().enumerate().skip(column).take(TILE) {
                            write(out, source[at + i + j * far]);
                        }
                    }
                }
            }
        };
        if out.is_empty() {
            return;
        }
        let slab = length * pitch;
        if out.len() <= PARALLEL_ABOVE {
            for (outer, slab) in out.chunks_exact_mut(slab).enumerate() {
                slab.chunks_mut(TILE * pitch).enumerate().for_each(|(i, out)| band(outer, i * TILE, out));
            }
        } else {
            out.par_chunks_exact_mut(slab).enumerate().for_each(|(outer, slab)| {
                slab.par_chunks_mut(TILE * pitch).enumerate().for_each(|(i, out)| band(outer, i * TILE, out));
            });
        }
    }
}

/// The order of a result whose axis `k` is axis `axes[k]` of row-major values of sizes `sizes`.
fn order(sizes: &[usize], axes: &[usize]) -> Order {
    let mut strides = vec![1; sizes.len()];
    for axis in (1..sizes.len()).rev() {
        strides[axis - 1] = strides[axis] * sizes[axis];
    }
    let pick = |values: &[usize]| axes.iter().map(|axis| values[*axis]).collect::<Vec<_>>();
    Order::new(&pick(sizes), &pick(&strides))
}

impl PermuteKernel for Cpu {
    fn permute<S: Shape + PermuteShapeTo<O, Ax>, O: Shape, Ax: Axes, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
    ) -> Result<Tensor<O, f32, Self, T>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let axes: Vec<usize> = Ax::as_array().into_iter().map(|axis| axis as usize).collect();
        let shape: O = PermuteStridesTo::<O, Ax>::permuted(x.shape());
        let mut y = vec![0.0; shape.num_elements()];
        order(&x.shape().concrete().into(), &axes).apply(&view(&x), &mut y, |out, value| *out = value);

        // The backward pass needs no values of the input: its identity is kept, its memory is not.
        let (device, slot) = (x.device().clone(), Slot::of(&x).map_err(device_error)?);
        drop(x);
        record(&device, y, shape, tape, move |grad, grads| {
            let mut back = vec![0; axes.len()];
            axes.iter().enumerate().for_each(|(k, axis)| back[*axis] = k);
            order(&shape.concrete().into(), &back).apply(&grad, slot.open(grads)?.filled(), |out, value| *out += value);
            Ok(())
        })
    }
}
