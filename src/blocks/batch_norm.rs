use std::sync::{Mutex, MutexGuard, PoisonError};

use dfdx::prelude::{Dim, HasShape, Tensor, TryAdd, TryMul};
use rand::Rng;

use super::{Config, Parameters, Phase};
use crate::ops::{self, BatchStatistics, LayerTape, OpError, OpsDevice, Rows, check_option, device_error};

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

/// What a batch norm has seen in training.
#[derive(Debug, Clone)]
struct Running<E: Dim, D: OpsDevice> {
    mean: Tensor<(E,), f32, D>,
    variance: Tensor<(E,), f32, D>,
    batches: u64,
}

impl<E: Dim, D: OpsDevice> Parameters<D> for Running<E, D> {
    crate::visit_fields! {
        D;
        mean: buffer = "running_mean",
        variance: buffer = "running_var",
        batches: counter = "num_batches_tracked",
    }
}

/// Batch normalisation over rows (Ioffe & Szegedy 2015), with PyTorch's state: the batch is normalised with its biased
/// variance, the running variance takes the unbiased one.
///
/// In a state dict: `weight`, `bias`, `running_mean`, `running_var` (each `(E,)`) and `num_batches_tracked`. A pass in
/// [`Phase::Training`] moves the running statistics, behind a lock, so that models take `&self` in either phase; let training passes
/// through one model follow each other, their order is that of the movements.
#[derive(Debug)]
pub struct BatchNorm1d<E: Dim, D: OpsDevice> {
    /// Scale, `(E,)`.
    pub weight: Tensor<(E,), f32, D>,
    /// Shift, `(E,)`.
    pub bias: Tensor<(E,), f32, D>,
    running: Mutex<Running<E, D>>,
    eps: f32,
    momentum: f32,
}

impl<E: Dim, D: OpsDevice> Clone for BatchNorm1d<E, D> {
    fn clone(&self) -> Self {
        let Self { weight, bias, eps, momentum, .. } = self;
        let running = Mutex::new(self.running().clone());
        Self { weight: weight.clone(), bias: bias.clone(), running, eps: *eps, momentum: *momentum }
    }
}

impl<E: Dim, D: OpsDevice> Config<D> for BatchNorm1dConfig<E> {
    type Built = BatchNorm1d<E, D>;

    fn num_parameters(&self) -> usize {
        2 * self.features.size()
    }

    /// Scale 1, shift 0, running mean 0, running variance 1.
    fn build(&self, device: &D, _: &mut impl Rng) -> Result<Self::Built, OpError> {
        let filled = |value| ops::drawn(device, "batch norm", (self.features,), || value);
        Ok(BatchNorm1d {
            weight: filled(1.0)?,
            bias: filled(0.0)?,
            running: Mutex::new(Running { mean: filled(0.0)?, variance: filled(1.0)?, batches: 0 }),
            eps: self.eps,
            momentum: self.momentum,
        })
    }
}

impl<E: Dim, D: OpsDevice> BatchNorm1d<E, D> {
    /// Normalises with the statistics of the batch (training) or the running ones (evaluation).
    ///
    /// # Shapes
    /// `(.., E)` to the same; statistics are over all rows.
    ///
    /// # Errors
    /// [`OpError::TooFew`] for fewer than two rows in training, [`OpError::Option`] for an eps or momentum that makes no sense,
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn forward<S: Rows<Last = E>, T: LayerTape<D>>(
        &self,
        x: Tensor<S, f32, D, T>,
        phase: Phase,
    ) -> Result<Tensor<S, f32, D, T::Output>, OpError> {
        self.forward_groups(x, 1, phase)
    }

    /// [`BatchNorm1d::forward`] on `groups` batches that stand one after the other, as if it were called once for each.
    ///
    /// # Shapes
    /// As [`BatchNorm1d::forward`]; the number of rows is a multiple of `groups`.
    ///
    /// # Errors
    /// As [`BatchNorm1d::forward`].
    pub fn forward_groups<S: Rows<Last = E>, T: LayerTape<D>>(
        &self,
        x: Tensor<S, f32, D, T>,
        groups: usize,
        phase: Phase,
    ) -> Result<Tensor<S, f32, D, T::Output>, OpError> {
        let mut running = self.running();
        if !phase.is_training() {
            let statistics = BatchStatistics { mean: running.mean.clone(), variance: running.variance.clone() };
            return ops::batch_norm_eval(x, &self.weight, &self.bias, &statistics, self.eps);
        }
        let holds = (0.0..=1.0).contains(&self.momentum);
        check_option("batch norm", holds, "the momentum is not between 0 and 1")?;
        let rows = x.shape().rows() as f32 / groups as f32;
        let (y, batches) = ops::batch_norm_train(x, groups, &self.weight, &self.bias, self.eps)?;
        for batch in batches {
            let unbiased = batch.variance.try_mul(rows / (rows - 1.0)).map_err(device_error)?;
            running.mean = self.moved(&running.mean, batch.mean)?;
            running.variance = self.moved(&running.variance, unbiased)?;
            running.batches += 1;
        }
        Ok(y)
    }

    /// What it does to each feature in evaluation, `y = scale · x + shift`, for layers that take it in: `scale = weight / √(running_var + eps)`,
    /// `shift = bias − scale · running_mean`.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    pub fn scale_and_shift(&self) -> Result<(Vec<f64>, Vec<f64>), OpError> {
        let wide = |tensor| Ok::<_, OpError>(ops::to_vec(tensor)?.into_iter().map(f64::from));
        let (weight, bias, running) = (wide(&self.weight)?, wide(&self.bias)?, self.running());
        let (mean, variance) = (wide(&running.mean)?, wide(&running.variance)?);
        let scale: Vec<f64> = weight.zip(variance).map(|(w, v)| w / (v + f64::from(self.eps)).sqrt()).collect();
        let shift = bias.zip(mean).zip(&scale).map(|((bias, mean), scale)| bias - scale * mean).collect();
        Ok((scale, shift))
    }

    fn running(&self) -> MutexGuard<'_, Running<E, D>> {
        // A pass that panicked left whole tensors behind.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
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
    crate::visit_fields! { D; weight: trained, bias: trained, running: flat }
}
