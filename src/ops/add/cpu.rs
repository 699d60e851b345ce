use dfdx::prelude::{Cpu, HasShape, Merge, Shape, Tensor};

use super::AddKernel;
use crate::ops::elementwise::add_to;
use crate::ops::parallel::collect_written;
use crate::ops::record::{operands, record};
use crate::ops::slot::Slot;
use crate::ops::unwritten::Unwritten;
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, RecordingTape, device_error};
use crate::processor::vectorise;

vectorise! {
    fn sums<'y>(a: &[f32], b: &[f32], y: Unwritten<'y>) -> &'y mut [f32] {
        y.map2(a, b, |a, b| a + b)
    }
}

impl AddKernel for Cpu {
    fn add<S: Shape, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        a: Tensor<S, f32, Self, T>,
        b: Tensor<S, f32, Self, R>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        let (a, b, tape) = operands(a, b)?;
        let (shape, device) = (*a.shape(), a.device().clone());
        let (x, z) = (view(&a), view(&b));
        let y = collect_written(x.len(), 1, |at, y| sums(&x[at..][..y.len()], &z[at..][..y.len()], y));
        drop((x, z));

        let of = |x| Slot::of(x).map_err(device_error);
        let slots = (of(&a)?, R::GRADIENT.then(|| of(&b)).transpose()?);
        drop((a, b));
        record(&device, y, shape, tape, move |grad, grads| {
            if let Some(slot) = slots.1 {
                slot.open(grads)?.add_blocks(|at, out| add_to(&grad[at..][..out.len()], out));
            }
            slots.0.open(grads)?.give(grad);
            Ok(())
        })
    }
}
