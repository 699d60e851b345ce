//! Operations that map every value on its own.

use dfdx::prelude::{Cpu, HasShape, ReshapeTo, Shape, SplitTape, Tape, Tensor};

use super::parallel::for_blocks;
use super::record::record;
use super::view::view;
use super::{OpError, device_error};

/// `y = f(x)` with the gradient `dy · derivative(x)`. Keeps `x` (no copy of it) until the backward pass.
pub(crate) fn elementwise<S: Shape, T: Tape<f32, Cpu>>(
    x: Tensor<S, f32, Cpu, T>,
    f: impl Fn(f32) -> f32 + Sync,
    derivative: impl Fn(f32) -> f32 + Sync + 'static,
) -> Result<Tensor<S, f32, Cpu, T>, OpError> {
    let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
    let (device, shape) = (x.device().clone(), *x.shape());
    let data = view(&x);
    let mut y = vec![0.0; data.len()];
    for_blocks(&mut y, |at, block| block.iter_mut().zip(&data[at..]).for_each(|(y, x)| *y = f(*x)));
    drop(data);

    record(&device, y, shape, tape, move |grad, grads| {
        let data = view(&x);
        for_blocks(grads.get_or_alloc_mut(&x)?, |at, block| {
            for ((gx, x), g) in block.iter_mut().zip(&data[at..]).zip(&grad[at..]) {
                *gx += g * derivative(*x);
            }
        });
        Ok(())
    })
}
