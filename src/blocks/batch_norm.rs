use dfdx::prelude::{Dim, HasShape, Tensor, TryAdd, TryMul};
use rand::Rng;

use super::{Config, Parameters};
use crate::ops::{self, BatchStatistics, LayerTape, OpError, OpsDevice, device_error};

/// Describes a [`BatchNorm1d`] over `E` features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchNorm1dConfig<E: Dim> {
    /// Number of features.
    pub features: E,
    /// Added to the variance.
    pub eps: f32,
    /// Weight of the newest batch in the running statistics.
    pub momentum: f32,
}

impl<E: Dim> BatchNorm1dConfig<E> {
    /// PyTorch's defaults: `eps` 1e-5, `momentum` 0.1.
    pub fn new(features: E) -> Self {
        Self { features, eps: 1e-5, momentum: 0.1 }
    }
}

/// Batch normalisation over rows (Ioffe & Szegedy 2015), with PyTorch's state: the batch is normalised with its biased
/// variance, the running variance takes the unbiased one.
#[derive(Debug, Clone)]
pub struct BatchNorm1d<E: Dim, D: OpsDevice> {
    /// Scale, `(E,)`.
    pub weight: Tensor<(E,), f32, D>,
    /// Shift, `(E,)`.
    pub bias: Tensor<(E,), f32, D>,
    /// Running mean, `(E,)`.
    pub running_mean: Tensor<(E,), f32, D>,
    /// Running unbiased variance, `(E,)`.
    pub running_var: Tensor<(E,), f32, D>,
    /// Batches seen in training.
    pub num_batches_tracked: u64,
    eps: f32,
    momentum: f32,
}

impl<E: Dim, D: OpsDevice> Config<D> for BatchNorm1dConfig<E> {
    type Built = BatchNorm1d<E, D>;

    fn num_parameters(&self) -> usize {
        2 * self.features.size()
    }

    /// Scale 1, shift 0, running mean 0, running variance 1.
    fn build(&self, device: &D, _: &mut impl Rng) -> Result<Self::Built, OpError> {
        let filled = |value| ops::to_tensor(device, vec![value; self.features.size()], (self.features,));
        Ok(BatchNorm1d {
            weight: filled(1.0)?,
            bias: filled(0.0)?,
            running_mean: filled(0.0)?,
            running_var: filled(1.0)?,
            num_batches_tracked: 0,
            eps: self.eps,
            momentum: self.momentum,
        })
    }
}

impl<E: Dim, D: OpsDevice> BatchNorm1d<E, D> {
    /// Evaluation: normalises with the running statistics.
    ///
    /// # Shapes
    /// `(B, E)` to `(B, E)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn forward<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, E), f32, D, T>,
    ) -> Result<Tensor<(B, E), f32, D, T::Output>, OpError> {
        let statistics = BatchStatistics { mean: self.running_mean.clone(), variance: self.running_var.clone() };
        ops::batch_norm_eval(x, &self.weight, &self.bias, &statistics, self.eps)
    }

    /// Training: normalises with the statistics of the batch and moves the running ones towards them.
    ///
    /// # Shapes
    /// `(B, E)` to `(B, E)`.
    ///
    /// # Errors
    /// [`OpError::Undefined`] for fewer than two rows, [`OpError::Shape`] when run-time widths disagree.
    pub fn forward_mut<B: Dim, T: LayerTape<D>>(
        &mut self,
        x: Tensor<(B, E), f32, D, T>,
    ) -> Result<Tensor<(B, E), f32, D, T::Output>, OpError> {
        let rows = x.shape().0.size() as f32;
        let (y, batch) = ops::batch_norm_train(x, &self.weight, &self.bias, self.eps)?;
        let unbiased = batch.variance.try_mul(rows / (rows - 1.0)).map_err(device_error)?;
        self.running_mean = self.moved(&self.running_mean, batch.mean)?;
        self.running_var = self.moved(&self.running_var, unbiased)?;
        self.num_batches_tracked += 1;
        Ok(y)
    }

    fn moved(
        &self,
        running: &Tensor<(E,), f32, D>,
        batch: Tensor<(E,), f32, D>,
    ) -> Result<Tensor<(E,), f32, D>, OpError> {
        let old = running.clone().try_mul(1.0 - self.momentum).map_err(device_error)?;
        old.try_add(batch.try_mul(self.momentum).map_err(device_error)?).map_err(device_error)
    }
}

impl<E: Dim, D: OpsDevice> Parameters<D> for BatchNorm1d<E, D> {
    crate::visit_fields! { D;
        weight: trained,
        bias: trained,
        running_mean: buffer,
        running_var: buffer,
        num_batches_tracked: counter,
    }
}
