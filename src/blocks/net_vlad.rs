use dfdx::prelude::{Axes3, Const, Dim, HasShape, PutTape, ReshapeTo, SplitTape, Tensor};
use rand::Rng;

use super::{BatchNorm1d, BatchNorm1dConfig, Config, Parameters, Phase};
use crate::ops::{self, LayerTape, NORM_EPS, OpError, OpsDevice, check_least, device_error};

/// Describes a [`NetVlad`] over descriptors of width `E`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetVladConfig<E: Dim> {
    /// Width of the descriptors.
    pub width: E,
    /// Clusters that are kept.
    pub clusters: usize,
    /// Clusters that take their share of the assignment and are left out of the result (GhostVLAD, Zhong et al. 2018).
    pub ghosts: usize,
    /// Whether the logits of the assignment pass through a batch norm.
    pub batch_norm: bool,
}

impl<E: Dim> NetVladConfig<E> {
    /// The published form: batch norm, no ghosts.
    pub fn new(width: E, clusters: usize) -> Self {
        Self { width, clusters, ghosts: 0, batch_norm: true }
    }

    /// Width of the pooled vector: `clusters · width`.
    pub fn pooled_width(&self) -> usize {
        self.clusters * self.width.size()
    }
}

/// NetVLAD pooling (Arandjelović et al. 2016) of a sequence of descriptors to one vector, as in the code of MoEE and Collaborative
/// Experts:
///
/// ```text
/// a = softmax over K + G of BN(x · clusters)         the last G columns are dropped, without renormalisation
/// v_k = Σ_n a_nk (x_n − c_k)                         each v_k to unit length, then the whole vector
/// ```
///
/// The published code takes the number of valid descriptors and ignores it: **zero padding counts**. Padded steps take part in the statistics
/// of the batch norm and subtract centres, so the length of the padding changes the result. A missing sequence of zeros likewise becomes
/// a vector that is not zero.
///
/// The vector is laid out by dimension, then cluster (`d · K + k`), as in the checkpoints.
#[derive(Debug, Clone)]
pub struct NetVlad<E: Dim, D: OpsDevice> {
    /// Directions of the assignment, `(E, K + G)`.
    pub clusters: Tensor<(E, usize), f32, D>,
    /// Centres, `(1, E, K)`.
    pub clusters2: Tensor<(Const<1>, E, usize), f32, D>,
    /// On the logits.
    pub batch_norm: Option<BatchNorm1d<usize, D>>,
}

impl<E: Dim, D: OpsDevice> Config<D> for NetVladConfig<E> {
    type Built = NetVlad<E, D>;

    fn num_parameters(&self) -> usize {
        let (width, assigned) = (self.width.size(), self.clusters + self.ghosts);
        width * (assigned + self.clusters) + if self.batch_norm { 2 * assigned } else { 0 }
    }

    /// Both kinds of clusters from a normal distribution of variance `1 / E`.
    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        check_least("NetVLAD", "clusters", 1, self.clusters)?;
        check_least("NetVLAD", "values of a descriptor", 1, self.width.size())?;
        let scale = 1.0 / (self.width.size() as f32).sqrt();
        let mut normal = || scale * standard_normal(rng);
        let (width, assigned) = (self.width, self.clusters + self.ghosts);
        let clusters = ops::drawn(device, "NetVLAD", (width, assigned), &mut normal)?;
        let clusters2 = ops::drawn(device, "NetVLAD", (Const, width, self.clusters), normal)?;
        let batch_norm =
            if self.batch_norm { Some(BatchNorm1dConfig::new(assigned).build(device, rng)?) } else { None };
        Ok(NetVlad { clusters, clusters2, batch_norm })
    }
}

/// A draw from the standard normal distribution (Box & Muller 1958).
fn standard_normal(rng: &mut impl Rng) -> f32 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
}

impl<E: Dim, D: OpsDevice> NetVlad<E, D> {
    /// # Shapes
    /// `(B, N, E)` to `(B, E · K)`, rows of unit length.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree, [`OpError::TooFew`] for fewer than two descriptors in training.
    pub fn forward<B: Dim, N: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, N, E), f32, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize), f32, D, T::Output>, OpError> {
        let (batch, steps, width) = *x.shape();
        let (x, tape) = x.split_tape();
        let descriptors = x.clone().put_tape(tape.begin());
        let rows = descriptors.try_reshape_like(&(batch.size() * steps.size(), width)).map_err(device_error)?;
        let mut logits = ops::matmul(rows, self.clusters.clone())?;
        if let Some(batch_norm) = &self.batch_norm {
            logits = batch_norm.forward(logits, phase)?;
        }
        let assigned = logits.shape().1;
        let assignment = ops::softmax(logits)?.try_reshape_like(&(batch, steps, assigned)).map_err(device_error)?;
        let residuals = ops::vlad::<_, _, _, _, _, _, _, T>(assignment, x.put_tape(T::default()), &self.clusters2)?;
        let residuals = ops::l2_normalize(residuals, NORM_EPS)?;
        let clusters = residuals.shape().1;
        let by_dimension: Tensor<(B, E, usize), f32, D, T::Output> =
            ops::permute::<_, _, Axes3<0, 2, 1>, _, _>(residuals, Axes3::<0, 2, 1>)?;
        let flat = by_dimension.try_reshape_like(&(batch, width.size() * clusters)).map_err(device_error)?;
        ops::l2_normalize(flat, NORM_EPS)
    }

    /// Width of the pooled vector.
    pub fn pooled_width(&self) -> usize {
        let (_, width, clusters) = *self.clusters2.shape();
        width.size() * clusters
    }
}

impl<E: Dim, D: OpsDevice> Parameters<D> for NetVlad<E, D> {
    crate::visit_fields! { D; clusters: trained, clusters2: trained, batch_norm: module }
}
