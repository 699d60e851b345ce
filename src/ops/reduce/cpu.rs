use dfdx::prelude::{Cpu, ReshapeTo, Shape, SplitTape, Tape, Tensor};

use super::{ReduceKernel, ReduceMask, Reduction, TieGradient};
use crate::ops::parallel::{fold, for_row_pieces, for_rows};
use crate::ops::record::record;
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{AroundAxis, OpError, device_error};

/// The greater one; NaN wins.
#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

/// Input values `(outer, length, inner)` and the positions that count.
struct Source<'a> {
    data: &'a [f32],
    valid: Option<&'a [f32]>,
    around: AroundAxis,
}

impl Source<'_> {
    /// Whether position `row = outer · length + t` counts.
    fn counts(&self, row: usize) -> bool {
        self.valid.is_none_or(|valid| valid[row] != 0.0)
    }

    /// The positions of one outer index that count, as `(t, row)`.
    fn positions(&self, outer: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let first = outer * self.around.length;
        (0..self.around.length).map(move |t| (t, first + t)).filter(|(_, row)| self.counts(*row))
    }

    /// Whether the values that are reduced together stand side by side and all of them count.
    fn in_rows(&self) -> bool {
        self.around.inner == 1 && self.valid.is_none()
    }

    fn row(&self, row: usize, width: usize) -> &[f32] {
        &self.data[row * width..][..width]
    }

    /// One over the number of positions, by outer index.
    fn inverse_counts(&self) -> Vec<f32> {
        let length = self.around.length;
        if self.valid.is_none() {
            return vec![1.0 / length as f32; self.around.outer];
        }
        (0..self.around.outer).map(|o| 1.0 / self.positions(o).count() as f32).collect()
    }
}

fn forward(source: &Source, reduction: Reduction, empty: f32) -> Vec<f32> {
    let AroundAxis { outer, length, inner } = source.around;
    let mut y = vec![0.0; outer * inner];
    if source.in_rows() {
        let inverse = 1.0 / length as f32;
        let one = |values: &[f32]| match reduction {
            Reduction::Sum => fold(values, 0.0, |a, b| a + b),
            Reduction::Mean => fold(values, 0.0, |a, b| a + b) * inverse,
            Reduction::Max(_) => fold(values, f32::NEG_INFINITY, greater),
        };
        for_row_pieces(&mut y, outer, source.data.len(), |_, first, piece| {
            piece.iter_mut().enumerate().for_each(|(i, y)| *y = one(source.row(first + i, length)));
        });
        return y;
    }
    for_row_pieces(&mut y, inner, source.data.len(), |outer, first, piece| {
        let mut count = 0;
        for (_, row) in source.positions(outer) {
            let values = &source.row(row, inner)[first..][..piece.len()];
            match reduction {
                Reduction::Max(_) if count == 0 => piece.copy_from_slice(values),
                Reduction::Max(_) => piece.iter_mut().zip(values).for_each(|(y, x)| *y = greater(*y, *x)),
                Reduction::Sum | Reduction::Mean => piece.iter_mut().zip(values).for_each(|(y, x)| *y += x),
            }
            count += 1;
        }
        if count == 0 && source.valid.is_some() {
            piece.fill(empty);
        } else if reduction == Reduction::Mean {
            piece.iter_mut().for_each(|y| *y *= 1.0 / count as f32);
        }
    });
    y
}

/// Adds `scale(outer) · grad` to every position that counts.
fn add_sum_gradient(source: &Source, grad: &[f32], scale: impl Fn(usize) -> f32 + Sync, gx: &mut [f32]) {
    let AroundAxis { length, inner, .. } = source.around;
    if source.in_rows() {
        return for_rows(gx, length, |o, gx| gx.iter_mut().for_each(|gx| *gx += grad[o] * scale(o)));
    }
    for_rows(gx, inner, |row, gx| {
        if source.counts(row) {
            let (outer, scale) = (row / length, scale(row / length));
            gx.iter_mut().zip(&grad[outer * inner..]).for_each(|(gx, g)| *gx += g * scale);
        }
    });
}

/// Adds the gradient of every maximum `y` to the values equal to it.
fn add_max_gradient(source: &Source, y: &[f32], grad: &[f32], ties: TieGradient, gx: &mut [f32]) {
    let AroundAxis { length, inner, .. } = source.around;
    for_rows(gx, length * inner, |outer, gx| {
        let y = &y[outer * inner..][..inner];
        let rows = || source.positions(outer).map(|(t, row)| (t, source.row(row, inner)));
        // What a value that equals the maximum receives.
        let mut share = grad[outer * inner..][..inner].to_vec();
        if ties == TieGradient::Shared {
            let mut found = vec![0u32; inner];
            for (_, x) in rows() {
                found.iter_mut().zip(x).zip(y).for_each(|((found, x), y)| *found += u32::from(x == y));
            }
            share.iter_mut().zip(found).for_each(|(share, found)| *share /= found as f32);
        }
        for (t, x) in rows() {
            for (((gx, x), y), share) in gx[t * inner..].iter_mut().zip(x).zip(y).zip(&mut share) {
                let given = if x == y { *share } else { 0.0 };
                *gx += given;
                if ties == TieGradient::First {
                    *share -= given;
                }
            }
        }
    });
}

/// As [`add_max_gradient`] for values that stand side by side.
fn add_row_max_gradient(source: &Source, y: &[f32], grad: &[f32], ties: TieGradient, gx: &mut [f32]) {
    let length = source.around.length;
    for_rows(gx, length, |o, gx| {
        let x = source.row(o, length);
        match ties {
            TieGradient::First => {
                if let Some(first) = x.iter().position(|x| *x == y[o]) {
                    gx[first] += grad[o];
                }
            }
            TieGradient::ToAll | TieGradient::Shared => {
                let found = if ties == TieGradient::Shared { x.iter().filter(|x| **x == y[o]).count() } else { 1 };
                let share = grad[o] / found as f32;
                gx.iter_mut().zip(x).for_each(|(gx, x)| *gx += if *x == y[o] { share } else { 0.0 });
            }
        }
    });
}

impl ReduceKernel for Cpu {
    fn reduce<S: Shape, O: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        around: AroundAxis,
        mask: Option<ReduceMask<Self>>,
        reduction: Reduction,
        shape: O,
    ) -> Result<Tensor<O, f32, Self, T>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (valid, empty) = (mask.as_ref().map(|mask| mask.valid.clone()), mask.map_or(f32::NAN, |mask| mask.empty));
        let y = {
            let (data, valid) = (view(&x), valid.as_ref().map(view));
            forward(&Source { data: &data, valid: valid.as_deref(), around }, reduction, empty)
        };
        let maxima = if let Reduction::Max(_) = reduction { y.clone() } else { vec![] };
        let device = x.device().clone();
        record(&device, y, shape, tape, move |grad, grads| {
            let (data, valid) = (view(&x), valid.as_ref().map(view));
            let source = Source { data: &data, valid: valid.as_deref(), around };
            let gx = Slot::gradient(&x, grads)?.filled();
            match reduction {
                Reduction::Sum => add_sum_gradient(&source, &grad, |_| 1.0, gx),
                Reduction::Mean => {
                    let inverse = source.inverse_counts();
                    add_sum_gradient(&source, &grad, |outer| inverse[outer], gx);
                }
                Reduction::Max(ties) if source.in_rows() => add_row_max_gradient(&source, &maxima, &grad, ties, gx),
                Reduction::Max(ties) => add_max_gradient(&source, &maxima, &grad, ties, gx),
            }
            Ok(())
        })
    }
}
