use dfdx::prelude::{Dim, HasShape, ReshapeTo, Tensor};
use rand::Rng;

use super::{BatchNorm1d, BatchNorm1dConfig, Config, Linear, LinearConfig, Parameters, Phase};
use crate::ops::{self, LayerTape, OpError, OpsDevice, check_least, check_size, device_error};

/// Describes a [`PlainEmbedding`] from width `I` to width `O`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainEmbeddingConfig<I: Dim, O: Dim> {
    /// Input width.
    pub inputs: I,
    /// Output width.
    pub outputs: O,
    /// Number of linear layers, at least 1.
    pub num_layers: usize,
    /// Whether a rectifier also follows the last linear layer.
    pub last_relu: bool,
}

/// The plain (not gated) embedding: linear layers with rectifiers between them, then batch normalisation.
///
/// Hidden widths are interpolated as the published code does: `I + i ⌊(O − I) / n⌋`, rounded towards −∞, so that
/// 22 to 9 in 2 layers passes through 15.
#[derive(Debug, Clone)]
pub struct PlainEmbedding<I: Dim, O: Dim, D: OpsDevice> {
    /// Hidden widths are run-time sizes; the ends are checked against `I` and `O`.
    pub fc_layers: Vec<Linear<usize, usize, D>>,
    /// Applied last.
    pub batch_norm: BatchNorm1d<O, D>,
    inputs: I,
    last_relu: bool,
}

impl<I: Dim, O: Dim> PlainEmbeddingConfig<I, O> {
    /// One linear layer, no rectifier: the form that the learned combination uses.
    pub fn single_layer(inputs: I, outputs: O) -> Self {
        Self { inputs, outputs, num_layers: 1, last_relu: false }
    }

    /// Widths of input, hidden layers and output.
    pub fn widths(&self) -> Vec<usize> {
        let (inputs, outputs, n) = (self.inputs.size() as i64, self.outputs.size() as i64, self.num_layers as i64);
        let step = if n > 0 { (outputs - inputs).div_euclid(n) } else { 0 };
        (0..n).map(|i| (inputs + i * step) as usize).chain([self.outputs.size()]).collect()
    }

    fn layers(&self) -> Vec<LinearConfig<usize, usize>> {
        self.widths().windows(2).map(|w| LinearConfig { inputs: w[0], outputs: w[1] }).collect()
    }
}

impl<I: Dim, O: Dim, D: OpsDevice> Config<D> for PlainEmbeddingConfig<I, O> {
    type Built = PlainEmbedding<I, O, D>;

    fn num_parameters(&self) -> usize {
        let layers: usize = self.layers().iter().map(Config::<D>::num_parameters).sum();
        layers + Config::<D>::num_parameters(&BatchNorm1dConfig::new(self.outputs))
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        check_least("plain embedding", "linear layers", 1, self.num_layers)?;
        Ok(PlainEmbedding {
            fc_layers: self.layers().iter().map(|layer| layer.build(device, rng)).collect::<Result<_, _>>()?,
            batch_norm: BatchNorm1dConfig::new(self.outputs).build(device, rng)?,
            inputs: self.inputs,
            last_relu: self.last_relu,
        })
    }
}

impl<I: Dim, O: Dim, D: OpsDevice> PlainEmbedding<I, O, D> {
    /// # Shapes
    /// `(B, I)` to `(B, O)`.
    ///
    /// # Errors
    /// [`OpError::TooFew`] for fewer than two rows in training, [`OpError::Shape`] when run-time widths disagree.
    pub fn forward<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, I), f32, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, O), f32, D, T::Output>, OpError> {
        self.batch_norm.forward(self.layers(x)?, phase)
    }

    fn layers<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, I), f32, D, T>,
    ) -> Result<Tensor<(B, O), f32, D, T::Output>, OpError> {
        let rows = x.shape().0;
        check_size("plain embedding", "input width", self.inputs.size(), x.shape().1.size())?;
        let x = x.try_reshape_like(&(rows, self.inputs.size())).map_err(device_error)?;
        let activate = |i, x| if i < self.fc_layers.len() || self.last_relu { ops::relu(x) } else { Ok(x) };
        // `build` makes at least one layer; it decides which tape the others are on.
        let mut x = activate(1, self.fc_layers[0].forward(x)?)?;
        for (i, layer) in self.fc_layers.iter().enumerate().skip(1) {
            x = activate(i + 1, layer.forward(x)?)?;
        }
        let outputs = self.batch_norm.weight.shape().0;
        x.try_reshape_like(&(rows, outputs)).map_err(device_error)
    }
}

impl<I: Dim, O: Dim, D: OpsDevice> Parameters<D> for PlainEmbedding<I, O, D> {
    crate::visit_fields! { D; fc_layers: module, batch_norm: module }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_widths_round_towards_minus_infinity() {
        let widths = |inputs, outputs, num_layers| {
            PlainEmbeddingConfig { inputs, outputs, num_layers, last_relu: false }.widths()
        };
        assert_eq!(widths(22usize, 9usize, 2), [22, 15, 9]);
        assert_eq!(widths(10, 20, 2), [10, 15, 20]);
        assert_eq!(widths(5, 7, 1), [5, 7]);
    }
}
