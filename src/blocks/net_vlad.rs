use dfdx::prelude::{Axes3, Axis, Const, Dim, HasShape, PutTape, ReshapeTo, SplitTape, Tensor};
use rand::Rng;

use super::{BatchNorm1d, BatchNorm1dConfig, Config, Frames, Parameters, Phase};
use crate::ops::{self, LayerTape, NORM_EPS, OpError, OpsDevice, RecordingTape, check_least, device_error};

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
/// The published code takes the number of valid descriptors and ignores it: **zero padding counts** in [`forward`](Self::forward). Padded steps
/// take part in the statistics of the batch norm and subtract centres, so the length of the padding changes the result. A missing sequence of
/// zeros likewise becomes a vector that is not zero. [`forward_masked`](Self::forward_masked) leaves padding out.
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
    /// Pools all descriptors, padding among them: what was published.
    ///
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
        self.pool(x, None, phase)
    }

    /// Pools the descriptors that are there: padding, of any finite value, takes part neither in the sums nor in the statistics of the batch norm.
    /// A sequence without a descriptor becomes zeros. On CUDA the mask is copied to the host.
    ///
    /// # Shapes
    /// `(B, N, E)` to `(B, E · K)`, rows of unit length.
    ///
    /// # Errors
    /// [`OpError::TooFew`] for fewer than two descriptors in training, [`OpError::Shape`] when run-time widths disagree.
    pub fn forward_masked<B: Dim, T: LayerTape<D>>(
        &self,
        input: Frames<B, E, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize), f32, D, T::Output>, OpError> {
        let (x, mask) = input.into_masked()?;
        let mask = ops::to_vec(&mask)?;
        let valid: Vec<usize> = (0..mask.len()).filter(|row| mask[*row] != 0.0).collect();
        self.pool(x, Some(&valid), phase)
    }

    /// Over all rows of the batch's descriptors, or those that are valid.
    fn pool<B: Dim, N: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, N, E), f32, D, T>,
        valid: Option<&[usize]>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize), f32, D, T::Output>, OpError> {
        let (batch, steps, width) = *x.shape();
        let (x, tape) = x.split_tape();
        let descriptors = x.clone().put_tape(tape.begin());
        let mut rows = descriptors.try_reshape_like(&(batch.size() * steps.size(), width)).map_err(device_error)?;
        if let Some(valid) = valid {
            rows = ops::select_rows(rows, valid)?;
        }
        let mut logits = ops::matmul(rows, self.clusters.clone())?;
        if let Some(batch_norm) = &self.batch_norm {
            logits = batch_norm.forward(logits, phase)?;
        }
        let assigned = logits.shape().1;
        let mut assignment = ops::softmax(logits)?;
        if let Some(valid) = valid {
            assignment = scatter_rows(assignment, valid, batch.size() * steps.size())?;
        }
        let assignment = assignment.try_reshape_like(&(batch, steps, assigned)).map_err(device_error)?;
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

/// Rows to the places that are named, among rows of zeros.
fn scatter_rows<A: Dim, D: OpsDevice, T: RecordingTape<D>>(
    x: Tensor<(usize, A), f32, D, T>,
    places: &[usize],
    rows: usize,
) -> Result<Tensor<(usize, A), f32, D, T>, OpError> {
    let (given, width) = *x.shape();
    let nothing = ops::to_tensor(x.device(), vec![0.0; width.size()], (1, width))?.put_tape(T::default());
    let x = ops::concat_along(vec![x, nothing], Axis::<0>, (given + 1, width))?;
    let mut from = vec![given; rows];
    places.iter().enumerate().for_each(|(row, place)| from[*place] = row);
    ops::select_rows(x, &from)
}

impl<E: Dim, D: OpsDevice> Parameters<D> for NetVlad<E, D> {
    crate::visit_fields! { D; clusters: trained, clusters2: trained, batch_norm: module }
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::{Cpu, NoneTape, TensorFromVec};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::blocks::StepStream;

    const WIDTH: usize = 3;

    fn values(seed: u64, count: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    fn net_vlad() -> NetVlad<usize, Cpu> {
        let config = NetVladConfig { ghosts: 1, ..NetVladConfig::new(WIDTH, 2) };
        config.build(&Cpu::default(), &mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    }

    /// Sequences of these lengths, padded to four frames, and each without padding.
    fn frames(lengths: &[usize]) -> (Frames<usize, usize, Cpu, NoneTape>, Vec<Vec<f32>>) {
        let (device, videos) = (Cpu::default(), lengths.len());
        let alone: Vec<_> = lengths.iter().map(|length| values(*length as u64, length * WIDTH)).collect();
        let padded = alone.iter().flat_map(|x| x.iter().copied().chain(std::iter::repeat(100.0)).take(4 * WIDTH));
        let padded = device.tensor_from_vec(padded.collect(), (videos, 4, WIDTH));
        let valid = lengths.iter().flat_map(|length| (0..4).map(move |step| f32::from(step < *length)));
        let valid = device.tensor_from_vec(valid.collect(), (videos, 4));
        (Frames::padded(padded, valid).unwrap(), alone)
    }

    #[test]
    fn padding_that_is_masked_counts_for_nothing() {
        let (net_vlad, device) = (net_vlad(), Cpu::default());
        let (padded, alone) = frames(&[3, 1, 0, 4]);
        let pooled = net_vlad.forward_masked(padded.clone(), Phase::Evaluation).unwrap();
        for (row, frames) in pooled.as_vec().chunks(2 * WIDTH).zip(&alone) {
            let x = device.tensor_from_vec(frames.clone(), (1, frames.len() / WIDTH, WIDTH));
            let want = net_vlad.forward(x, Phase::Evaluation).unwrap().as_vec();
            row.iter().zip(&want).for_each(|(x, y)| assert!((x - y).abs() < 1e-6, "{row:?} {want:?}"));
        }
        let counted = net_vlad.forward(padded.into_unmasked(), Phase::Evaluation).unwrap();
        assert!(counted.as_vec() != pooled.as_vec(), "the published form takes padding for descriptors");
        // In training it is in no statistic either: running ones are those of the frames that are there.
        let (padded, alone) = frames(&[2, 2]);
        let stream = StepStream::new(0);
        let pooled = net_vlad.forward_masked(padded, Phase::Training(&stream)).unwrap();
        let alone = device.tensor_from_vec(alone.concat(), (2, 2, WIDTH));
        let again = self::net_vlad();
        let want = again.forward(alone, Phase::Training(&stream)).unwrap();
        assert_eq!(pooled.as_vec(), want.as_vec());
        let x: Tensor<(usize, usize, usize), f32, Cpu> = device.tensor_from_vec(values(9, WIDTH), (1, 1, WIDTH));
        let [one, other] = [net_vlad, again].map(|of| of.forward(x.clone(), Phase::Evaluation).unwrap().as_vec());
        assert_eq!(one, other);
    }
}
