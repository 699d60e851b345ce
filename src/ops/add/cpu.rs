use dfdx::prelude::{Cpu, HasShape, Merge, Shape, Tensor};

use super::AddKernel;
use crate::ops::elementwise::add_to;
use crate::ops::parallel::{collect_blocks, for_blocks};
use crate::ops::record::{operands, record};
use crate::ops::vectorise::vectorise;
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, RecordingTape};

vectorise! {
    fn sums(a: &[f32], b: &[f32], y: &mut [f32]) {
        y.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| *y = a + b);
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
        let y = collect_blocks(x.len(), 1, |at, y| sums(&x[at..][..y.len()], &z[at..][..y.len()], y));
        drop((x, z));

        let (a, b) = (a.ghost(), b.ghost());
        record(&device, y, shape, tape, move |grad, grads| {
            for_blocks(grads.get_or_alloc_mut(&a)?, |at, out| add_to(&grad[at..][..out.len()], out));
            if R::GRADIENT {
                for_blocks(grads.get_or_alloc_mut(&b)?, |at, out| add_to(&grad[at..][..out.len()], out));
            }
            Ok(())
        })
    }
}
