//! Operations that map every value on its own.

use dfdx::prelude::{Cpu, HasShape, ReshapeTo, Shape, SplitTape, Tape, Tensor};

use super::parallel::collect_written;
use super::record::record;
use super::slot::Slot;
use super::unwritten::Unwritten;
use super::view::view;
use super::{OpError, device_error};
use crate::processor::vectorise;

vectorise! {
    fn map<'y>(x: &[f32], y: Unwritten<'y>, f: impl Fn(f32) -> f32) -> &'y mut [f32] {
        y.map(x, f)
    }
}

vectorise! {
    /// `out += x`
    pub(crate) fn add_to(x: &[f32], out: &mut [f32]) {
        out.iter_mut().zip(x).for_each(|(out, x)| *out += x);
    }
}

vectorise! {
    fn multiply(x: &[f32], grad: &mut [f32], derivative: impl Fn(f32) -> f32) {
        grad.iter_mut().zip(x).for_each(|(g, x)| *g *= derivative(*x));
    }
}

/// `y = f(x)` with the gradient `dy · derivative(x)`. Keeps `x` (no copy of it) until the backward pass.
///
/// The functions run inside vectorised loops: they should be arithmetic on what `ops::math` offers.
pub(crate) fn elementwise<S: Shape, T: Tape<f32, Cpu>>(
    x: Tensor<S, f32, Cpu, T>,
    f: impl Fn(f32) -> f32 + Copy + Sync,
    derivative: impl Fn(f32) -> f32 + Copy + Sync + 'static,
) -> Result<Tensor<S, f32, Cpu, T>, OpError> {
    let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
    let (device, shape) = (x.device().clone(), *x.shape());
    let data = view(&x);
    let y = collect_written(data.len(), 1, |at, y| map(&data[at..][..y.len()], y, f));
    drop(data);

    record(&device, y, shape, tape, move |grad, grads| {
        let data = view(&x);
        Slot::gradient(&x, grads)?.give_row_blocks(grad, 1, |at, g| multiply(&data[at..][..g.len()], g, derivative));
        Ok(())
    })
}
