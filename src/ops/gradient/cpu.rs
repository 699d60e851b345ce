use dfdx::prelude::{Axis, BroadcastTo, Cpu, CpuError, Gradients, HasShape, Merge, NoneTape, PutTape, ReshapeTo};
use dfdx::prelude::{Shape, SplitTape, Tape, Tensor};
use rayon::prelude::*;

use super::GradientKernel;
use crate::ops::vectorise::vectorise;
use crate::ops::{OpError, device_error};

/// Values of a task.
const BLOCK: usize = 1 << 14;

/// Keeps the last operation that is recorded.
#[derive(Default)]
struct Capture(Option<Box<dyn FnOnce(&mut Gradients<f32, Cpu>) -> Result<(), CpuError>>>);

impl Tape<f32, Cpu> for Capture {
    const OWNS_TAPE: bool = true;

    fn add_backward_op<F>(&mut self, operation: F)
    where
        F: 'static + FnOnce(&mut Gradients<f32, Cpu>) -> Result<(), CpuError>,
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

/// The gradient of a parameter with values; empty where there is none.
///
/// dfdx 0.13 does not tell whether a gradient is there, but inserts, where there is none, what a tensor of the parameter's id allocates. Of a
/// broadcast to no rows, `log_softmax` subtracts under the id of its argument, and the last operation that it records runs over the values of
/// its empty result: it inserts an empty gradient, or leaves the one that is there alone.
fn found<'g, S: Shape>(
    parameter: &Tensor<S, f32, Cpu>,
    gradients: &'g mut Gradients<f32, Cpu>,
) -> Result<&'g mut Vec<f32>, CpuError> {
    let values = parameter.shape().num_elements();
    let nothing = parameter.clone().try_reshape_like(&(values,))?;
    let nothing = nothing.try_broadcast_like::<(usize, usize), Axis<0>>(&(0, values))?;
    let (_, Capture(reserve)) = nothing.put_tape(Capture::default()).try_log_softmax::<Axis<1>>()?.split_tape();
    if let Some(reserve) = reserve {
        reserve(gradients)?;
    }
    Ok(&mut **gradients.get_or_alloc_mut(parameter)?)
}

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
        Ok(!found(parameter, gradients).map_err(device_error)?.is_empty())
    }

    fn gradient_norm<S: Shape>(
        parameter: &Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
    ) -> Result<Option<f64>, OpError> {
        let gradient = found(parameter, gradients).map_err(device_error)?;
        let parts: Vec<f64> = gradient.par_chunks(BLOCK).map(sum_of_squares).collect();
        Ok((!gradient.is_empty()).then(|| parts.iter().sum()))
    }

    fn scale_gradient<S: Shape>(
        parameter: &Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        factor: f32,
    ) -> Result<(), OpError> {
        let gradient = found(parameter, gradients).map_err(device_error)?;
        gradient.par_chunks_mut(BLOCK).for_each(|block| block.iter_mut().for_each(|value| *value *= factor));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::{Backward, SumTo, TensorFromVec, Trace};

    use super::*;

    /// What the whole of `found` rests on.
    #[test]
    fn a_gradient_that_is_not_there_is_empty_and_one_that_is_stays() {
        let device = Cpu::default();
        let used: Tensor<(usize, usize), f32, Cpu> = device.tensor_from_vec(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], (2, 3));
        let unused: Tensor<(usize,), f32, Cpu> = device.tensor_from_vec(vec![1.0, 2.0], (2,));
        let mut gradients = SumTo::sum::<(), _>(used.leaky_trace().square()).backward();
        assert!(found(&unused, &mut gradients).unwrap().is_empty());
        assert!(found(&unused, &mut gradients).unwrap().is_empty(), "asking changes nothing");
        assert_eq!(*found(&used, &mut gradients).unwrap(), [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
        assert_eq!(Cpu::gradient_norm(&used, &mut gradients).unwrap(), Some(364.0));
        assert_eq!(Cpu::gradient_norm(&unused, &mut gradients).unwrap(), None);
    }
}
