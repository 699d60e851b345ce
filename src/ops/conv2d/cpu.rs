use dfdx::prelude::{Cpu, Dim, HasShape, Tensor};

use super::{Conv2dKernel, Conv2dSteps};
use crate::ops::convolution::{Convolution, convolve};
use crate::ops::{LayerTape, OpError};

impl Conv2dKernel for Cpu {
    fn conv2d<B: Dim, C: Dim, H: Dim, W: Dim, O: Dim, K: Dim, L: Dim, T: LayerTape<Self>>(
        x: Tensor<(B, C, H, W), f32, Self, T>,
        weight: &Tensor<(O, C, K, L), f32, Self>,
        bias: Option<&Tensor<(O,), f32, Self>>,
        steps: Conv2dSteps,
    ) -> Result<Tensor<(B, O, usize, usize), f32, Self, T::Output>, OpError> {
        let ((batch, channels, height, width), (outputs, _, down, across)) = (*x.shape(), *weight.shape());
        let axes = steps.axes([height.size(), width.size()], [down.size(), across.size()])?;
        let of = Convolution { batch: batch.size(), channels: channels.size(), outputs: outputs.size(), axes };
        let [rows, columns] = axes.map(|axis| axis.positions);
        convolve(x, weight, bias, of, (batch, outputs, rows, columns))
    }
}
