//! NetVLAD and NeXtVLAD over the frames of a video, with a gated projection behind them: the models that Temporal Context Aggregation is compared
//! with in its code.

use dfdx::prelude::{
    Axes2, Axes4, Axis, BroadcastTo, Const, Dim, HasShape, Merge, PutTape, SplitTape, Tensor, TryMul, WithEmptyTape,
};
use rand::Rng;

use super::{
    BatchNorm1d, BatchNorm1dConfig, ChannelBias, Config, Dropout, Frames, Linear, LinearConfig, Parameters, Phase,
};
use crate::ops::{
    self, LayerTape, NORM_EPS, OpError, OpsDevice, RecordingTape, check_least, check_option, device_error,
};

type Sequences<B, D, T> = Tensor<(B, usize, usize), f32, D, T>;

/// A convolution over single frames, in PyTorch's layout.
#[derive(Debug, Clone)]
pub struct PointConvolution<D: OpsDevice> {
    /// `(O, I, 1)`.
    pub weight: Tensor<(usize, usize, Const<1>), f32, D>,
    /// `(O,)`, where there is one.
    pub bias: Option<ChannelBias<usize, D>>,
}

impl<D: OpsDevice> Parameters<D> for PointConvolution<D> {
    crate::visit_fields! { D; weight: trained, bias: flat }
}

impl<D: OpsDevice> PointConvolution<D> {
    /// Weight and bias uniform in `±1/√I`.
    fn build(device: &D, rng: &mut impl Rng, inputs: usize, outputs: usize) -> Result<Self, OpError> {
        let Linear { weight, bias } = LinearConfig { inputs, outputs }.build(device, rng)?;
        Ok(Self { weight: ops::reshape(weight, (outputs, inputs, Const::<1>))?, bias: Some(ChannelBias { bias }) })
    }

    /// `(B, N, I)` to `(B, N, O)`.
    fn forward<B: Dim, T: LayerTape<D>>(&self, x: Sequences<B, D, T>) -> Result<Sequences<B, D, T::Output>, OpError> {
        let (outputs, inputs, _) = *self.weight.shape();
        // The weight has a tape of its own, so that the gradient of its rows finds the way back; data stays data.
        let weight = ops::reshape(self.weight.clone().put_tape(T::Output::default()), (outputs, inputs))?;
        let (weight, of_weight) = weight.split_tape();
        let y = ops::linear(x, &weight, self.bias.as_ref().map(|of| &of.bias))?;
        let (y, tape) = y.split_tape();
        Ok(y.put_tape(tape.merge(of_weight)))
    }
}

/// `Σ_n a_nk (x_n − c_k)`, each to unit length.
///
/// # Shapes
/// `assignment`: `(B, N, K)`, `x`: `(B, N, E)`, `centroids`: `(K, E)`; result: `(B, K, E)`.
fn residuals<B: Dim, D: OpsDevice, T: RecordingTape<D>>(
    assignment: Sequences<B, D, T>,
    x: Sequences<B, D, T>,
    centroids: &Tensor<(usize, usize), f32, D>,
) -> Result<Sequences<B, D, T>, OpError> {
    let (clusters, width) = *centroids.shape();
    let centroids = centroids.clone().put_tape(T::default());
    let centroids: Tensor<(usize, usize), f32, D, T> =
        ops::permute::<_, _, Axes2<1, 0>, _, _>(centroids, Axes2::<1, 0>)?;
    let (centroids, tape) = ops::reshape(centroids, (Const::<1>, width, clusters))?.split_tape();
    let (assignment, of_assignment) = assignment.split_tape();
    let assignment = assignment.put_tape(of_assignment.merge(tape));
    ops::l2_normalize(ops::vlad(assignment, x, &centroids)?, NORM_EPS)
}

/// `y = BN(W₁ x)`, gated by `σ(W₃ relu(BN(W₂ y)))`, to unit length.
#[derive(Debug, Clone)]
pub struct GatedProjection<D: OpsDevice> {
    /// Of the residuals.
    pub bn2: BatchNorm1d<usize, D>,
    /// To the embedding.
    pub fc1: Linear<usize, usize, D>,
    /// On the embedding.
    pub bn3: BatchNorm1d<usize, D>,
    /// To the hidden layer of the gate.
    pub fc2: Linear<usize, usize, D>,
    /// On it.
    pub bn4: BatchNorm1d<usize, D>,
    /// And back.
    pub fc3: Linear<usize, usize, D>,
    dropout: Dropout,
}

/// Sizes behind the residuals.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Projection {
    inputs: usize,
    outputs: usize,
    reduction: usize,
    dropout: f32,
}

impl Projection {
    fn hidden(&self) -> usize {
        self.outputs.checked_div(self.reduction).unwrap_or(0)
    }

    fn num_parameters(&self) -> usize {
        let (inputs, outputs, hidden) = (self.inputs, self.outputs, self.hidden());
        let layer = |inputs: usize, outputs: usize| inputs.saturating_mul(outputs).saturating_add(outputs);
        let norms = 2usize.saturating_mul(inputs.saturating_add(outputs).saturating_add(hidden));
        let layers = [layer(inputs, outputs), layer(outputs, hidden), layer(hidden, outputs), norms];
        layers.into_iter().fold(0, usize::saturating_add)
    }

    fn build<D: OpsDevice>(&self, device: &D, rng: &mut impl Rng) -> Result<GatedProjection<D>, OpError> {
        let (inputs, outputs, hidden) = (self.inputs, self.outputs, self.hidden());
        check_least("gated projection", "values of the gate's hidden layer", 1, hidden)?;
        Ok(GatedProjection {
            bn2: BatchNorm1dConfig::new(inputs).build(device, rng)?,
            fc1: LinearConfig { inputs, outputs }.build(device, rng)?,
            bn3: BatchNorm1dConfig::new(outputs).build(device, rng)?,
            fc2: LinearConfig { inputs: outputs, outputs: hidden }.build(device, rng)?,
            bn4: BatchNorm1dConfig::new(hidden).build(device, rng)?,
            fc3: LinearConfig { inputs: hidden, outputs }.build(device, rng)?,
            dropout: Dropout { rate: self.dropout },
        })
    }
}

impl<D: OpsDevice> GatedProjection<D> {
    /// `(B, K, E)` to `(B, O)`.
    fn forward<B: Dim, T: RecordingTape<D>>(
        &self,
        residuals: Sequences<B, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize), f32, D, T>, OpError> {
        let (batch, clusters, width) = *residuals.shape();
        let flat = ops::reshape(residuals, (batch, clusters * width))?;
        let x = self.dropout.forward(self.bn2.forward(flat, phase)?, phase)?;
        let y = self.bn3.forward(self.fc1.forward(x)?, phase)?;
        let hidden = ops::relu(self.bn4.forward(self.fc2.forward(y.with_empty_tape())?, phase)?)?;
        ops::l2_normalize(ops::sigmoid_gate(y, self.fc3.forward(hidden)?)?, NORM_EPS)
    }
}

impl<D: OpsDevice> Parameters<D> for GatedProjection<D> {
    crate::visit_fields! { D; bn2: module, fc1: module, bn3: module, fc2: module, bn4: module, fc3: module }
}

/// Describes a [`FrameNetVlad`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameNetVladConfig {
    /// Width of the frames.
    pub width: usize,
    /// Clusters.
    pub clusters: usize,
    /// Width of the embedding.
    pub outputs: usize,
    /// What the gate's hidden layer is narrower by.
    pub reduction: usize,
    /// Whether frames are brought to unit length, behind the batch norm.
    pub normalize_input: bool,
    /// Rate of the dropout of the residuals.
    pub dropout: f32,
}

impl FrameNetVladConfig {
    /// The published sizes: 256 clusters, embeddings of 1024, a gate of an eighth, dropout 0.5.
    pub fn new(width: usize) -> Self {
        Self { width, clusters: 256, outputs: 1024, reduction: 8, normalize_input: false, dropout: 0.5 }
    }

    fn projection(&self) -> Projection {
        let inputs = self.clusters.saturating_mul(self.width);
        Projection { inputs, outputs: self.outputs, reduction: self.reduction, dropout: self.dropout }
    }
}

/// NetVLAD over frames (Arandjelović et al. 2016) as in the code of Temporal Context Aggregation, with a gated projection:
///
/// ```text
/// x = BN(frames)                                    statistics over all frames, padding among them
/// a = softmax over K of (W x + b), 0 at padding     without renormalisation
/// v_k = Σ_n a_nk (x_n − c_k)                        each to unit length
/// ```
///
/// It differs from [`NetVlad`](super::NetVlad), that of Collaborative Experts, in what is normalised and in its parameters: the assignment has a
/// bias and begins at the centroids.
#[derive(Debug, Clone)]
pub struct FrameNetVlad<D: OpsDevice> {
    /// `(K, E)`.
    pub centroids: Tensor<(usize, usize), f32, D>,
    /// On the frames.
    pub bn1: BatchNorm1d<usize, D>,
    /// The assignment.
    pub conv: PointConvolution<D>,
    /// Behind the residuals.
    pub projection: GatedProjection<D>,
    normalize_input: bool,
}

impl<D: OpsDevice> Config<D> for FrameNetVladConfig {
    type Built = FrameNetVlad<D>;

    fn num_parameters(&self) -> usize {
        let of_clusters = self.clusters.saturating_mul(self.width.saturating_mul(2).saturating_add(1));
        let norm = self.width.saturating_mul(2);
        of_clusters.saturating_add(norm).saturating_add(self.projection().num_parameters())
    }

    /// Centroids uniform in `[0, 1)`, and the assignment that [`centroid_assignment`] makes of them.
    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        check_least("NetVLAD", "clusters", 1, self.clusters)?;
        check_least("NetVLAD", "values of a frame", 1, self.width)?;
        let centroids = ops::drawn(device, "NetVLAD", (self.clusters, self.width), || rng.random_range(0.0f32..1.0))?;
        Ok(FrameNetVlad {
            bn1: BatchNorm1dConfig::new(self.width).build(device, rng)?,
            conv: centroid_assignment(&centroids, 1.0)?,
            centroids,
            projection: self.projection().build(device, rng)?,
            normalize_input: self.normalize_input,
        })
    }
}

/// The assignment that favours the nearest centroid the more, the larger `alpha` is: weights `2 α c_k`, biases `−α ‖c_k‖`. (The norm is published;
/// assignment by distance would take its square.)
///
/// # Errors
/// [`OpError::Device`] only.
pub fn centroid_assignment<D: OpsDevice>(
    centroids: &Tensor<(usize, usize), f32, D>,
    alpha: f32,
) -> Result<PointConvolution<D>, OpError> {
    let ((clusters, width), values) = (*centroids.shape(), ops::to_vec(centroids)?);
    let norm = |row: &[f32]| row.iter().map(|value| value * value).sum::<f32>().sqrt();
    let bias = values.chunks(width.max(1)).map(|row| -alpha * norm(row)).collect();
    let weight = values.iter().map(|value| 2.0 * alpha * value).collect();
    Ok(PointConvolution {
        weight: ops::to_tensor(centroids.device(), weight, (clusters, width, Const::<1>))?,
        bias: Some(ChannelBias { bias: ops::to_tensor(centroids.device(), bias, (clusters,))? }),
    })
}

impl<D: OpsDevice> FrameNetVlad<D> {
    /// One vector per video.
    ///
    /// # Shapes
    /// Frames `(B, N, E)` to `(B, O)`, rows of unit length.
    ///
    /// # Errors
    /// [`OpError::Shape`] when widths disagree, [`OpError::TooFew`] for a batch of one in training.
    pub fn forward<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, usize, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize), f32, D, T::Output>, OpError> {
        self.projection.forward(self.encode(frames, phase)?, phase)
    }

    /// One vector per cluster.
    ///
    /// # Shapes
    /// Frames `(B, N, E)` to `(B, K, E)`, rows of unit length.
    ///
    /// # Errors
    /// As [`FrameNetVlad::forward`].
    pub fn encode<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, usize, D, T>,
        phase: Phase,
    ) -> Result<Sequences<B, D, T::Output>, OpError> {
        let (x, valid) = frames.into_masked()?;
        let mut x = self.bn1.forward(x, phase)?;
        if self.normalize_input {
            x = ops::l2_normalize(x, NORM_EPS)?;
        }
        let rest = x.with_empty_tape();
        let assignment = ops::softmax(self.conv.forward(x)?)?;
        let (batch, steps, clusters) = *assignment.shape();
        let rows = batch.size() * steps;
        let valid = ops::reshape(valid, (1usize, rows))?;
        let masked = ops::weighted_sum(ops::reshape(assignment, (1usize, rows, clusters))?, &valid)?;
        residuals(ops::reshape(masked, (batch, steps, clusters))?, rest, &self.centroids)
    }
}

impl<D: OpsDevice> Parameters<D> for FrameNetVlad<D> {
    crate::visit_fields! { D; centroids: trained, bn1: module, conv: module, projection: flat }
}

/// Describes a [`FrameNextVlad`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameNextVladConfig {
    /// Width of the frames.
    pub width: usize,
    /// Clusters.
    pub clusters: usize,
    /// Width of the embedding.
    pub outputs: usize,
    /// What frames are wider by before they are split.
    pub expansion: usize,
    /// Groups that they are split into; divides `expansion · width`.
    pub groups: usize,
    /// What the gate's hidden layer is narrower by.
    pub reduction: usize,
    /// Whether frames are brought to unit length.
    pub normalize_input: bool,
    /// Rate of the dropout of the residuals.
    pub dropout: f32,
}

impl FrameNextVladConfig {
    /// The published sizes: 64 clusters, embeddings of 1024, twice the width in 8 groups, a gate of an eighth, dropout 0.5.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            clusters: 64,
            outputs: 1024,
            expansion: 2,
            groups: 8,
            reduction: 8,
            normalize_input: true,
            dropout: 0.5,
        }
    }

    fn expanded(&self) -> usize {
        self.expansion.saturating_mul(self.width)
    }

    fn group_width(&self) -> usize {
        self.expanded().checked_div(self.groups).unwrap_or(0)
    }

    fn projection(&self) -> Projection {
        let inputs = self.clusters.saturating_mul(self.group_width());
        Projection { inputs, outputs: self.outputs, reduction: self.reduction, dropout: self.dropout }
    }
}

/// NeXtVLAD over frames (Lin, Xiao & Fan, "NeXtVLAD: An Efficient Neural Network to Aggregate Frame-level Features for Large-scale Video
/// Classification", ECCV workshops 2018) as in the code of Temporal Context Aggregation:
///
/// ```text
/// y = W₁ x + b₁                                     G groups, interleaved: group r has the values d · G + r
/// s = σ(W₂ y + b₂), 0 at padding                    one for each group
/// a = softmax over K of BN(W₃ y), times s           for each group
/// v_k = Σ_n Σ_r a_nrk (y_nr − c_k)                  each to unit length
/// ```
#[derive(Debug, Clone)]
pub struct FrameNextVlad<D: OpsDevice> {
    /// `(K, D)`.
    pub centroids: Tensor<(usize, usize), f32, D>,
    /// To the groups.
    pub conv1: PointConvolution<D>,
    /// The attention of the groups.
    pub conv2: PointConvolution<D>,
    /// The assignment, cluster by cluster; without a bias.
    pub conv3: PointConvolution<D>,
    /// On the assignment.
    pub bn1: BatchNorm1d<usize, D>,
    /// Behind the residuals.
    pub projection: GatedProjection<D>,
    config: FrameNextVladConfig,
}

impl<D: OpsDevice> Config<D> for FrameNextVladConfig {
    type Built = FrameNextVlad<D>;

    fn num_parameters(&self) -> usize {
        let (expanded, assigned) = (self.expanded(), self.clusters.saturating_mul(self.groups));
        let parts = [
            self.clusters.saturating_mul(self.group_width()),
            expanded.saturating_mul(self.width.saturating_add(1)),
            self.groups.saturating_mul(expanded.saturating_add(1)),
            assigned.saturating_mul(expanded.saturating_add(2)),
            self.projection().num_parameters(),
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }

    /// Centroids uniform in `[0, 1)`.
    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let (expanded, groups) = (self.expanded(), self.groups);
        check_least("NeXtVLAD", "clusters", 1, self.clusters)?;
        check_least("NeXtVLAD", "values of a group", 1, self.group_width())?;
        check_option("NeXtVLAD", expanded % groups == 0, "the groups do not divide the expanded width")?;
        let assigned = self.clusters.saturating_mul(groups);
        let centroids = (self.clusters, self.group_width());
        Ok(FrameNextVlad {
            centroids: ops::drawn(device, "NeXtVLAD", centroids, || rng.random_range(0.0f32..1.0))?,
            conv1: PointConvolution::build(device, rng, self.width, expanded)?,
            conv2: PointConvolution::build(device, rng, expanded, groups)?,
            conv3: PointConvolution { bias: None, ..PointConvolution::build(device, rng, expanded, assigned)? },
            bn1: BatchNorm1dConfig::new(assigned).build(device, rng)?,
            projection: self.projection().build(device, rng)?,
            config: *self,
        })
    }
}

impl<D: OpsDevice> FrameNextVlad<D> {
    /// One vector per video.
    ///
    /// # Shapes
    /// Frames `(B, N, E)` to `(B, O)`, rows of unit length.
    ///
    /// # Errors
    /// [`OpError::Shape`] when widths disagree, [`OpError::TooFew`] for a batch of one in training.
    pub fn forward<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, usize, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize), f32, D, T::Output>, OpError> {
        self.projection.forward(self.encode(frames, phase)?, phase)
    }

    /// One vector per cluster.
    ///
    /// # Shapes
    /// Frames `(B, N, E)` to `(B, K, D)`, rows of unit length.
    ///
    /// # Errors
    /// As [`FrameNextVlad::forward`].
    pub fn encode<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, usize, D, T>,
        phase: Phase,
    ) -> Result<Sequences<B, D, T::Output>, OpError> {
        let FrameNextVladConfig { clusters, groups, normalize_input, .. } = self.config;
        let (x, valid) = frames.into_masked()?;
        let (batch, steps, _) = *x.shape();
        let (rows, columns) = (batch.size() * steps, steps * groups);
        let x = if normalize_input { ops::l2_normalize(x, NORM_EPS)? } else { x };
        let y = self.conv1.forward(x)?;

        let attention = ops::sigmoid(self.conv2.forward(y.with_empty_tape())?)?;
        let attention = ops::reshape(attention, (1usize, rows, groups))?;
        let attention = ops::weighted_sum(attention, &ops::reshape(valid, (1usize, rows))?)?;
        let attention = ops::reshape(attention, (batch, columns))?;

        let logits = self.conv3.forward(y.with_empty_tape())?;
        let logits = ops::reshape(self.bn1.forward(logits, phase)?, (rows, clusters, groups, 1usize))?;
        let logits: Tensor<(usize, usize, usize, usize), f32, D, T::Output> =
            ops::permute::<_, _, Axes4<0, 2, 1, 3>, _, _>(logits, Axes4::<0, 2, 1, 3>)?;
        let assignment = ops::softmax(ops::reshape(logits, (batch, columns, clusters))?)?;
        let attention: Sequences<B, D, T::Output> =
            attention.try_broadcast_like::<_, Axis<2>>(&(batch, columns, clusters)).map_err(device_error)?;
        let assignment = assignment.try_mul(attention).map_err(device_error)?;

        let width = self.centroids.shape().1;
        let y = ops::reshape(y, (rows, width, groups, 1usize))?;
        let y: Tensor<(usize, usize, usize, usize), f32, D, T::Output> =
            ops::permute::<_, _, Axes4<0, 2, 1, 3>, _, _>(y, Axes4::<0, 2, 1, 3>)?;
        residuals(assignment, ops::reshape(y, (batch, columns, width))?, &self.centroids)
    }
}

impl<D: OpsDevice> Parameters<D> for FrameNextVlad<D> {
    crate::visit_fields! { D; centroids: trained, conv1: module, conv2: module, conv3: module, bn1: module, projection: flat }
}
