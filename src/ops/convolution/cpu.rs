use std::ops::Range;

use dfdx::prelude::{Cpu, Dim, ReshapeTo, Shape, SplitTape, Tensor};

use super::KernelAxis;
use crate::gemm::{Operand, Threads, gemm};
use crate::ops::parallel::{add_channel_sums, for_items};
use crate::ops::record::{record, weight_and_bias};
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, device_error};

/// Values under the kernel that are laid out at a time: what a core's cache holds.
const BLOCK: usize = 1 << 18;

/// Sizes of a convolution along two axes.
#[derive(Clone, Copy)]
pub(crate) struct Convolution {
    pub batch: usize,
    pub channels: usize,
    pub outputs: usize,
    pub axes: [KernelAxis; 2],
}

impl Convolution {
    /// Values under the kernel at one position.
    pub fn window(self) -> usize {
        self.channels * self.axes[0].kernel * self.axes[1].kernel
    }

    fn input(self) -> usize {
        self.channels * self.axes[0].length * self.axes[1].length
    }

    fn positions(self) -> usize {
        self.axes[0].positions * self.axes[1].positions
    }

    fn output(self) -> usize {
        self.outputs * self.positions()
    }

    /// Multiply-adds of the batch.
    fn work(self) -> usize {
        self.batch * self.output() * self.window()
    }

    /// Whether the values under the kernel are the input itself.
    fn is_pointwise(self) -> bool {
        self.axes.iter().all(|axis| axis.is_pointwise())
    }

    /// Rows of the result, some at a time.
    fn blocks(self) -> impl Iterator<Item = Range<usize>> {
        let [rows, columns] = self.axes.map(|axis| axis.positions);
        let of_row = (self.window() * columns).max(1);
        let rows_at_once = if self.is_pointwise() { rows } else { (BLOCK / of_row).clamp(1, rows) };
        (0..rows).step_by(rows_at_once).map(move |first| first..rows.min(first + rows_at_once))
    }
}

/// Lays out what is under the kernel: `(channels · kernel, positions)`, block by block.
struct Windows {
    of: Convolution,
    /// Where the values of a row of the result come from, for every place of the kernel along it.
    columns: Vec<Vec<Option<usize>>>,
    values: Vec<f32>,
}

impl Windows {
    fn new(of: Convolution) -> Self {
        Self { of, columns: of.axes[1].sources(), values: vec![] }
    }

    /// Calls `f(start of a line of the item, start of a line of the windows, places within the first)`.
    fn lines(&self, rows: Range<usize>, mut f: impl FnMut(usize, usize, &[Option<usize>])) {
        let [down, across] = self.of.axes;
        let kernel = down.kernel * across.kernel;
        for line in 0..self.of.window() {
            let (channel, k, l) = (line / kernel, line / across.kernel % down.kernel, line % across.kernel);
            for (i, row) in rows.clone().enumerate() {
                if let Some(source) = down.source(row, k) {
                    let to = (line * rows.len() + i) * across.positions;
                    f((channel * down.length + source) * across.length, to, &self.columns[l]);
                }
            }
        }
    }

    /// Of some rows of the result.
    fn gather<'a>(&'a mut self, item: &'a [f32], rows: Range<usize>) -> Operand<'a> {
        let (window, positions) = (self.of.window(), rows.len() * self.of.axes[1].positions);
        if self.of.is_pointwise() {
            return Operand::new(item, window, positions);
        }
        let mut values = std::mem::take(&mut self.values);
        values.clear();
        values.resize(window * positions, 0.0);
        self.lines(rows, |from, to, places| {
            for (value, place) in values[to..].iter_mut().zip(places) {
                if let Some(place) = place {
                    *value = item[from + place];
                }
            }
        });
        self.values = values;
        Operand::new(&self.values, window, positions)
    }

    /// Adds `filterᵀ · grad`, the gradient of the windows, to where they come from.
    fn scatter(&mut self, rows: Range<usize>, filter: Operand, grad: Operand, item: &mut [f32], threads: Threads) {
        let positions = rows.len() * self.of.axes[1].positions;
        if self.of.is_pointwise() {
            return gemm(filter.t(), grad, item, positions, true, threads);
        }
        let mut values = std::mem::take(&mut self.values);
        values.resize(self.of.window() * positions, 0.0);
        gemm(filter.t(), grad, &mut values, positions, false, threads);
        self.lines(rows, |to, from, places| {
            for (value, place) in values[from..].iter().zip(places) {
                if let Some(place) = place {
                    item[to + place] += value;
                }
            }
        });
        self.values = values;
    }
}

fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, of: Convolution) -> Vec<f32> {
    let mut y = vec![0.0; of.batch * of.output()];
    let (filter, columns) = (Operand::new(weight, of.outputs, of.window()), of.axes[1].positions);
    for_items(&mut y, of.output(), of.work(), |i, y, threads| {
        if let Some(bias) = bias {
            y.chunks_exact_mut(of.positions()).zip(bias).for_each(|(row, bias)| row.fill(*bias));
        }
        let (item, mut windows) = (&x[i * of.input()..][..of.input()], Windows::new(of));
        for rows in of.blocks() {
            let y = &mut y[rows.start * columns..];
            gemm(filter, windows.gather(item, rows), y, of.positions(), bias.is_some(), threads);
        }
    });
    y
}

/// A gradient of the result of one item, the rows of a block.
fn of_block<'a>(grad: &'a [f32], rows: &Range<usize>, of: Convolution) -> Operand<'a> {
    let columns = of.axes[1].positions;
    Operand::strided(&grad[rows.start * columns..], of.outputs, rows.len() * columns, of.positions())
}

fn add_input_gradient(grad: &[f32], weight: &[f32], of: Convolution, gx: &mut [f32]) {
    let filter = Operand::new(weight, of.outputs, of.window());
    for_items(gx, of.input(), of.work(), |i, gx, threads| {
        let (grad, mut windows) = (&grad[i * of.output()..][..of.output()], Windows::new(of));
        for rows in of.blocks() {
            let grad = of_block(grad, &rows, of);
            windows.scatter(rows, filter, grad, gx, threads);
        }
    });
}

/// The items one after the other, so that the sum over them has one order.
fn add_weight_gradient(grad: &[f32], x: &[f32], of: Convolution, gw: &mut [f32]) {
    let mut windows = Windows::new(of);
    let items = grad.chunks_exact(of.output()).zip(x.chunks_exact(of.input().max(1)));
    for (grad, item) in items {
        for rows in of.blocks() {
            let grad = of_block(grad, &rows, of);
            gemm(grad, windows.gather(item, rows).t(), gw, of.window(), true, Threads::All);
        }
    }
}

/// The convolution of a batch `(B, C, ..)` with a filter `(O, C, ..)`; the result has any shape of as many values as `of` says.
pub(crate) fn convolve<X: Shape, W: Shape, O: Dim, Y: Shape, T: LayerTape<Cpu>>(
    x: Tensor<X, f32, Cpu, T>,
    weight: &Tensor<W, f32, Cpu>,
    bias: Option<&Tensor<(O,), f32, Cpu>>,
    of: Convolution,
    shape: Y,
) -> Result<Tensor<Y, f32, Cpu, T::Output>, OpError> {
    let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
    let (weight, bias, tape) = weight_and_bias(weight, bias, tape.begin())?;
    let y = forward(&view(&x), &view(&weight), bias.as_ref().map(view).as_deref(), of);
    let device = x.device().clone();
    record(&device, y, shape, tape, move |grad, grads| {
        let gx = if T::GRADIENT { Some(Slot::gradient(&x, grads)?.filled()) } else { None };
        if let (Some(gx), false) = (gx, grad.is_empty()) {
            add_input_gradient(&grad, &view(&weight), of, gx);
        }
        let gw = Slot::gradient(&weight, grads)?.filled();
        if !grad.is_empty() {
            add_weight_gradient(&grad, &view(&x), of, gw);
        }
        if let Some(bias) = &bias {
            add_channel_sums(&grad, of.positions(), grads.get_or_alloc_mut(bias)?);
        }
        Ok(())
    })
}
