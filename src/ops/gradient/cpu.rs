use dfdx::prelude::{Cpu, Gradients, Shape, Tensor};
use rayon::prelude::*;

use super::GradientKernel;
use crate::ops::slot::Slot;
use crate::ops::{OpError, device_error};
use crate::processor::vectorise;

/// Values of a task.
const BLOCK: usize = 1 << 14;

vectorise! {
    fn sum_of_squares(values: &[f32]) -> f64 {
        let mut sums = [0f64; 16];
        let (blocks, rest) = values.as_chunks::<16>();
        for block in blocks {
            for (sum, value) in sums.iter_mut().zip(block) {
                *sum += f64::from(*value) * f64::from(*value);
            }
        }
        rest.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>() + sums.iter().sum::<f64>()
    }
}

impl GradientKernel for Cpu {
    fn has_gradient<S: Shape>(
        parameter: &Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
    ) -> Result<bool, OpError> {
        Ok(!Slot::found(parameter, gradients).map_err(device_error)?.is_empty())
    }

    fn gradient_norm<S: Shape>(
        parameter: &Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
    ) -> Result<Option<f64>, OpError> {
        let gradient = Slot::found(parameter, gradients).map_err(device_error)?;
        let parts: Vec<f64> = gradient.par_chunks(BLOCK).map(sum_of_squares).collect();
        Ok((!gradient.is_empty()).then(|| parts.iter().sum()))
    }

    fn scale_gradient<S: Shape>(
        parameter: &Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        factor: f32,
    ) -> Result<(), OpError> {
        let gradient = Slot::found(parameter, gradients).map_err(device_error)?;
        gradient.par_chunks_mut(BLOCK).for_each(|block| block.iter_mut().for_each(|value| *value *= factor));
        Ok(())
    }
}
