use dfdx::prelude::{Dim, Tensor};
use rand::Rng;

use super::{Config, Parameters};
use crate::ops::{self, Conv2dSteps, LayerTape, OpError, OpsDevice, check_least};

/// Describes a [`Conv2d`] from `I` to `O` channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2dConfig<I: Dim, O: Dim> {
    /// Input channels.
    pub inputs: I,
    /// Output channels.
    pub outputs: O,
    /// Side of the square kernel.
    pub kernel: usize,
    /// How it moves.
    pub steps: Conv2dSteps,
    /// Whether every output channel has a bias.
    pub bias: bool,
}

/// Convolution with a square kernel: see [`ops::conv2d`].
#[derive(Debug, Clone)]
pub struct Conv2d<I: Dim, O: Dim, D: OpsDevice> {
    /// `(O, I, kernel, kernel)`.
    pub weight: Tensor<(O, I, usize, usize), f32, D>,
    /// Of the output channels, if they have one.
    pub bias: Option<ChannelBias<O, D>>,
    /// How the kernel moves.
    pub steps: Conv2dSteps,
}

/// What is added to every channel.
#[derive(Debug, Clone)]
pub struct ChannelBias<O: Dim, D: OpsDevice> {
    /// `(O,)`.
    pub bias: Tensor<(O,), f32, D>,
}

impl<O: Dim, D: OpsDevice> Parameters<D> for ChannelBias<O, D> {
    crate::visit_fields! { D; bias: trained }
}

impl<I: Dim, O: Dim, D: OpsDevice> Config<D> for Conv2dConfig<I, O> {
    type Built = Conv2d<I, O, D>;

    fn num_parameters(&self) -> usize {
        let kernel = self.kernel.saturating_mul(self.kernel);
        let weight = self.inputs.size().saturating_mul(self.outputs.size()).saturating_mul(kernel);
        weight.saturating_add(if self.bias { self.outputs.size() } else { 0 })
    }

    /// Weight and bias uniform in `±1/√(I · kernel²)`.
    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        check_least("conv2d", "input channels", 1, self.inputs.size())?;
        check_least("conv2d", "output channels", 1, self.outputs.size())?;
        check_least("conv2d", "values of the kernel", 1, self.kernel)?;
        let bound = 1.0 / (self.inputs.size() as f32).sqrt() / self.kernel as f32;
        let mut draw = || rng.random_range(-bound..bound);
        let shape = (self.outputs, self.inputs, self.kernel, self.kernel);
        let weight = ops::drawn(device, "conv2d", shape, &mut draw)?;
        let bias = if self.bias {
            Some(ChannelBias { bias: ops::drawn(device, "conv2d", (self.outputs,), draw)? })
        } else {
            None
        };
        Ok(Conv2d { weight, bias, steps: self.steps })
    }
}

impl<I: Dim, O: Dim, D: OpsDevice> Conv2d<I, O, D> {
    /// # Shapes
    /// `(B, I, H, W)` to `(B, O, P, Q)`, as [`ops::conv2d`] says.
    ///
    /// # Errors
    /// As [`ops::conv2d`].
    pub fn forward<B: Dim, H: Dim, W: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, I, H, W), f32, D, T>,
    ) -> Result<Tensor<(B, O, usize, usize), f32, D, T::Output>, OpError> {
        ops::conv2d(x, &self.weight, self.bias.as_ref().map(|of| &of.bias), self.steps)
    }
}

impl<I: Dim, O: Dim, D: OpsDevice> Parameters<D> for Conv2d<I, O, D> {
    crate::visit_fields! { D; weight: trained, bias: flat }
}
