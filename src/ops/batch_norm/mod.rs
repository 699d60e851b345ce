mod composed;
mod cpu;

pub use composed::{eval as composed_eval, train as composed_train};

use dfdx::prelude::{Device, Dim, HasShape, Storage, Tensor};

use super::{LayerTape, OpError, OpsDevice, Rows, check_eps, check_least, check_size};

/// Mean and variance of every feature over one batch, outside the tape.
#[derive(Debug, Clone)]
pub struct BatchStatistics<E: Dim, D: Storage<f32>> {
    /// Mean, `(E,)`.
    pub mean: Tensor<(E,), f32, D>,
    /// Biased variance (divided by the number of rows), `(E,)`.
    pub variance: Tensor<(E,), f32, D>,
}

/// Devices that can compute [`batch_norm_train`] and [`batch_norm_eval`].
pub trait BatchNormKernel: Device<f32> {
    /// See [`batch_norm_train`]. Every group has the same number of rows, at least two.
    fn batch_norm_train<S: Rows, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        groups: usize,
        scale: &Tensor<(S::Last,), f32, Self>,
        shift: &Tensor<(S::Last,), f32, Self>,
        eps: f32,
    ) -> Result<(Tensor<S, f32, Self, T::Output>, Vec<BatchStatistics<S::Last, Self>>), OpError> {
        composed_train(x, groups, scale, shift, eps)
    }

    /// See [`batch_norm_eval`].
    fn batch_norm_eval<S: Rows, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        scale: &Tensor<(S::Last,), f32, Self>,
        shift: &Tensor<(S::Last,), f32, Self>,
        statistics: &BatchStatistics<S::Last, Self>,
        eps: f32,
    ) -> Result<Tensor<S, f32, Self, T::Output>, OpError> {
        composed_eval(x, scale, shift, statistics, eps)
    }
}

fn check_widths<S: Rows, D: Storage<f32>, T>(
    x: &Tensor<S, f32, D, T>,
    others: [(&'static str, &Tensor<(S::Last,), f32, D>); 2],
) -> Result<(), OpError> {
    others
        .into_iter()
        .try_for_each(|(what, t)| check_size("batch norm", what, x.shape().last().size(), t.shape().0.size()))
}

/// Batch normalisation with the statistics of this batch (Ioffe & Szegedy 2015, algorithm 1):
/// `y = scale (x − mean) / √(variance + eps) + shift`, the variance biased.
///
/// The rows are `groups` batches, one after the other, each normalised on its own and with statistics of its own: what a layer does that is
/// called once per group, in one pass. One group is the usual case.
///
/// # Shapes
/// `x` and result: `(.., E)`; `scale`, `shift`, statistics: `(E,)`.
///
/// # Errors
/// [`OpError::TooFew`] for fewer than two rows in a group (no variance), [`OpError::Option`] for an `eps` that is negative or not finite,
/// [`OpError::Shape`] when run-time widths disagree and for rows that are no multiple of the groups.
pub fn batch_norm_train<S: Rows, D: OpsDevice, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
    groups: usize,
    scale: &Tensor<(S::Last,), f32, D>,
    shift: &Tensor<(S::Last,), f32, D>,
    eps: f32,
) -> Result<(Tensor<S, f32, D, T::Output>, Vec<BatchStatistics<S::Last, D>>), OpError> {
    check_widths(&x, [("width of the scale", scale), ("width of the shift", shift)])?;
    check_eps("batch norm", eps)?;
    let rows = x.shape().rows();
    check_least("batch norm", "groups", 1, groups)?;
    check_size("batch norm", "remainder of the rows by the groups", 0, rows % groups)?;
    check_least("batch norm", "rows for a variance", 2, rows / groups)?;
    D::batch_norm_train(x, groups, scale, shift, eps)
}

/// Batch normalisation with given statistics (the running ones, in evaluation).
///
/// # Shapes
/// As [`batch_norm_train`].
///
/// # Errors
/// [`OpError::Shape`] when run-time widths disagree, [`OpError::Option`] for an `eps` that is negative or not finite.
pub fn batch_norm_eval<S: Rows, D: OpsDevice, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
    scale: &Tensor<(S::Last,), f32, D>,
    shift: &Tensor<(S::Last,), f32, D>,
    statistics: &BatchStatistics<S::Last, D>,
    eps: f32,
) -> Result<Tensor<S, f32, D, T::Output>, OpError> {
    check_widths(&x, [("width of the scale", scale), ("width of the shift", shift)])?;
    let BatchStatistics { mean, variance } = statistics;
    check_widths(&x, [("width of the mean", mean), ("width of the variance", variance)])?;
    check_eps("batch norm", eps)?;
    D::batch_norm_eval(x, scale, shift, statistics, eps)
}
