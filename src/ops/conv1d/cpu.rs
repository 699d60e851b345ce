use dfdx::prelude::{Cpu, Dim, HasShape, Tensor};

use super::{Conv1dKernel, Conv1dSteps};
use crate::ops::convolution::{Convolution, KernelAxis, convolve};
use crate::ops::{LayerTape, OpError};

impl Conv1dKernel for Cpu {
    fn conv1d<B: Dim, C: Dim, L: Dim, O: Dim, K: Dim, T: LayerTape<Self>>(
        x: Tensor<(B, C, L), f32, Self, T>,
        weight: &Tensor<(O, C, K), f32, Self>,
        bias: Option<&Tensor<(O,), f32, Self>>,
        steps: Conv1dSteps,
        positions: usize,
    ) -> Result<Tensor<(B, O, usize), f32, Self, T::Output>, OpError> {
        let ((batch, channels, length), (outputs, _, kernel)) = (*x.shape(), *weight.shape());
        let axes = [KernelAxis::ONE, steps.axis(length.size(), kernel.size())?];
        let of = Convolution { batch: batch.size(), channels: channels.size(), outputs: outputs.size(), axes };
        convolve(x, weight, bias, of, (batch, outputs, positions))
    }
}
