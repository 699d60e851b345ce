use dfdx::prelude::{Dim, Tensor};
use rand::Rng;

use super::{Config, Parameters};
use crate::ops::{self, LayerTape, OpError, OpsDevice, Rows, check_least};

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
        let (inputs, outputs) = (self.inputs.size(), self.outputs.size());
        inputs.saturating_mul(outputs).saturating_add(outputs)
    }

    /// Weight and bias uniform in `±1/√I`.
    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let (inputs, outputs) = (self.inputs.size(), self.outputs.size());
        check_least("linear", "inputs", 1, inputs)?;
        check_least("linear", "outputs", 1, outputs)?;
        let bound = 1.0 / (inputs as f32).sqrt();
        let mut draw = || rng.random_range(-bound..bound);
        let weight = ops::drawn(device, "linear", (self.outputs, self.inputs), &mut draw)?;
        let bias = ops::drawn(device, "linear", (self.outputs,), draw)?;
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

#[cfg(test)]
mod tests {
    use dfdx::prelude::Cpu;
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_layer_that_is_too_large_is_named_with_its_bytes() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
        for (inputs, outputs) in [(1 << 40, 1 << 10), (1 << 40, 1 << 40), (usize::MAX, usize::MAX)] {
            let config = LinearConfig { inputs, outputs };
            assert!(Config::<Cpu>::num_parameters(&config) >= 1 << 50);
            let error = config.build(&Cpu::default(), &mut rng).err().unwrap().to_string();
            assert!(error.starts_with(&format!("linear: [{outputs}, {inputs}] values take ")), "{error}");
        }
    }
}
