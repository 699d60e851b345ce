use dfdx::prelude::{Dim, Tensor};
use rand::Rng;

use super::{Config, Parameters};
use crate::ops::{self, LayerTape, OpError, OpsDevice, Rows};

/// Describes a [`Linear`] layer from width `I` to width `O`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinearConfig<I: Dim, O: Dim> {
    /// Input width.
    pub inputs: I,
    /// Output width.
    pub outputs: O,
}

/// Affine map `y = x Wᵀ + b`.
#[derive(Debug, Clone)]
pub struct Linear<I: Dim, O: Dim, D: OpsDevice> {
    /// `(O, I)`.
    pub weight: Tensor<(O, I), f32, D>,
    /// `(O,)`.
    pub bias: Tensor<(O,), f32, D>,
}

impl<I: Dim, O: Dim, D: OpsDevice> Config<D> for LinearConfig<I, O> {
    type Built = Linear<I, O, D>;

    fn num_parameters(&self) -> usize {
        self.inputs.size() * self.outputs.size() + self.outputs.size()
    }

    /// Weight and bias uniform in `±1/√I`.
    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let (inputs, outputs) = (self.inputs.size(), self.outputs.size());
        if inputs == 0 || outputs == 0 {
            return Err(OpError::Undefined { op: "linear", reason: "a layer of width 0" });
        }
        let bound = 1.0 / (inputs as f32).sqrt();
        let mut draw = |n: usize| (0..n).map(|_| rng.random_range(-bound..bound)).collect::<Vec<f32>>();
        let weight = ops::to_tensor(device, draw(inputs * outputs), (self.outputs, self.inputs))?;
        let bias = ops::to_tensor(device, draw(outputs), (self.outputs,))?;
        Ok(Linear { weight, bias })
    }
}

impl<I: Dim, O: Dim, D: OpsDevice> Linear<I, O, D> {
    /// # Shapes
    /// `(B, I)` to `(B, O)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn forward<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, I), f32, D, T>,
    ) -> Result<Tensor<(B, O), f32, D, T::Output>, OpError> {
        ops::linear(x, &self.weight, Some(&self.bias))
    }

    /// [`Linear::forward`] of every row, whatever axes stand before the last: of the frames of videos, for instance.
    ///
    /// # Shapes
    /// `(.., I)` to `(.., O)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn forward_rows<S: Rows<Last = I>, T: LayerTape<D>>(
        &self,
        x: Tensor<S, f32, D, T>,
    ) -> Result<Tensor<S::With<O>, f32, D, T::Output>, OpError> {
        ops::linear(x, &self.weight, Some(&self.bias))
    }
}

impl<I: Dim, O: Dim, D: OpsDevice> Parameters<D> for Linear<I, O, D> {
    crate::visit_fields! { D; weight: trained, bias: trained }
}
