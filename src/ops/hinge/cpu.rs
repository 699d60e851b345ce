use dfdx::prelude::{Cpu, Dim, HasShape, Merge, ReshapeTo, Tensor};

use super::HingeKernel;
use crate::ops::record::{operands, record};
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, RecordingTape, device_error};

impl HingeKernel for Cpu {
    fn hinge<B: Dim, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        margin: &Tensor<(B,), f32, Self>,
        small: Tensor<(B,), f32, Self, T>,
        large: Tensor<(B,), f32, Self, R>,
    ) -> Result<Tensor<(B,), f32, Self, T>, OpError> {
        let margin = margin.clone().try_contiguous().map_err(device_error)?;
        let (small, large, tape) = operands(small, large)?;
        let (margins, smalls, larges) = (view(&margin), view(&small), view(&large));
        let terms = margins.iter().zip(&*smalls).zip(&*larges);
        let y: Vec<f32> = terms.map(|((m, s), l)| m + s - l).map(|v| if v <= 0.0 { 0.0 } else { v }).collect();
        let active: Vec<bool> = y.iter().map(|v| *v > 0.0).collect();

        let (device, shape) = (small.device().clone(), *small.shape());
        record(&device, y, shape, tape, move |grad, grads| {
            let terms = || grad.iter().zip(&active).map(|(g, active)| if *active { *g } else { 0.0 });
            grads.get_or_alloc_mut(&small)?.iter_mut().zip(terms()).for_each(|(out, g)| *out += g);
            if R::GRADIENT {
                grads.get_or_alloc_mut(&large)?.iter_mut().zip(terms()).for_each(|(out, g)| *out -= g);
            }
            Ok(())
        })
    }
}
