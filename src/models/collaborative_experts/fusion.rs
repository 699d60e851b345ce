use dfdx::prelude::{Dim, HasShape, PutTape, ReshapeTo, SplitTape, Tape, Tensor, WithEmptyTape};
use rand::Rng;

use super::config::Parts;
use super::{Design, MixtureWeights};
use crate::blocks::{
    Availability, CollaborativeGating, CommonExperts, Config, GatedEmbedding, Linear, NormalizedGating, Parameters,
    Phase, Pooled, Projection,
};
use crate::models::expert_network::{Rows, TextEmbedding, VideoEmbedding};
use crate::ops::{self, LayerTape, OpError, OpsDevice, RecordingTape, check_least, check_size, device_error};

/// The layers of a [`Design`]. A model has one of these.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)]
enum Layers<S: Dim, D: OpsDevice> {
    Collaborative {
        projections: Vec<Projection<usize, S, D>>,
        gating: CollaborativeGating<S, D>,
        text: Vec<GatedEmbedding<usize, S, D>>,
    },
    Projected {
        projections: Vec<Projection<usize, S, D>>,
        video: Vec<NormalizedGating<S, D>>,
        text: Vec<GatedEmbedding<usize, S, D>>,
    },
    Own {
        video: Vec<GatedEmbedding<usize, usize, D>>,
        text: Vec<GatedEmbedding<usize, usize, D>>,
    },
    Concatenated,
    ConcatenatedGated {
        video: GatedEmbedding<usize, usize, D>,
        text: GatedEmbedding<usize, usize, D>,
    },
}

/// Everything behind the pooling: embeds pooled experts and pooled texts, and compares them (`ce` in the published state dict).
#[derive(Debug, Clone)]
pub struct ExpertFusion<S: Dim, D: OpsDevice> {
    moe_fc: Linear<usize, usize, D>,
    layers: Layers<S, D>,
    weights: MixtureWeights,
    experts: usize,
}

fn each<D: OpsDevice, C: Config<D>, R: Rng>(
    device: &D,
    rng: &mut R,
    configs: impl Iterator<Item = C>,
) -> Result<Vec<C::Built>, OpError> {
    configs.map(|config| config.build(device, rng)).collect()
}

impl<S: Dim, D: OpsDevice> ExpertFusion<S, D> {
    pub(super) fn build(
        parts: &Parts<S>,
        design: Design,
        weights: MixtureWeights,
        device: &D,
        rng: &mut impl Rng,
    ) -> Result<Self, OpError> {
        let experts = parts.experts.len();
        check_least("collaborative experts", "experts", 1, experts)?;
        let all = || 0..experts;
        let moe_fc = parts.mixture().build(device, rng)?;
        let layers = match design {
            Design::Collaborative(reasoning) => Layers::Collaborative {
                projections: each(device, rng, all().map(|i| parts.projection(i)))?,
                gating: parts.gating(reasoning).build(device, rng)?,
                text: each(device, rng, all().map(|_| parts.common_text()))?,
            },
            Design::Projected => Layers::Projected {
                projections: each(device, rng, all().map(|i| parts.projection(i)))?,
                video: each(device, rng, all().map(|_| parts.gate()))?,
                text: each(device, rng, all().map(|_| parts.common_text()))?,
            },
            Design::Own => Layers::Own {
                video: each(device, rng, all().map(|i| parts.own_video(i)))?,
                text: each(device, rng, all().map(|i| parts.own_text(i)))?,
            },
            Design::Concatenated => Layers::Concatenated,
            Design::ConcatenatedGated => Layers::ConcatenatedGated {
                video: parts.joint_video().build(device, rng)?,
                text: parts.joint_text().build(device, rng)?,
            },
        };
        Ok(Self { moe_fc, layers, weights, experts })
    }

    /// Embeds videos.
    ///
    /// # Shapes
    /// Pooled experts `(B, P_m)` each.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes disagree, [`OpError::TooFew`] for a batch of one in training.
    pub fn embed_video<B: Dim, T: LayerTape<D>>(
        &self,
        pooled: Vec<Pooled<B, D, T>>,
        available: &Availability,
        phase: Phase,
    ) -> Result<VideoEmbedding<B, D, T::Output>, OpError> {
        check_size("collaborative experts", "number of experts", self.experts, pooled.len())?;
        let embedded = match &self.layers {
            Layers::Collaborative { projections, gating, .. } => {
                let experts = CommonExperts(project(projections, pooled)?);
                erase(gating.forward(experts, available, phase)?.0)?
            }
            Layers::Projected { projections, video, .. } => {
                let experts = video.iter().zip(project(projections, pooled)?);
                erase(experts.map(|(gate, x)| gate.forward(x, phase)).collect::<Result<_, _>>()?)?
            }
            Layers::Own { video, .. } => {
                let experts = video.iter().zip(pooled);
                let forward = |(unit, x): (&GatedEmbedding<_, _, D>, _)| match x {
                    Pooled::Data(x) => unit.forward(x, phase),
                    Pooled::Computed(x) => unit.forward(x, phase),
                };
                experts.map(forward).collect::<Result<_, _>>()?
            }
            Layers::Concatenated => vec![side_by_side(pooled)?],
            Layers::ConcatenatedGated { video, .. } => vec![video.forward(side_by_side(pooled)?, phase)?],
        };
        Ok(VideoEmbedding(embedded))
    }

    /// Embeds texts.
    ///
    /// # Shapes
    /// Pooled texts `(Q, P)`.
    ///
    /// # Errors
    /// As [`ExpertFusion::embed_video`].
    pub fn embed_text<Q: Dim, T: LayerTape<D>>(
        &self,
        text: Rows<Q, D, T>,
        phase: Phase,
    ) -> Result<TextEmbedding<Q, D, T::Output>, OpError> {
        let (rows, device) = (text.shape().0, text.device().clone());
        let logits = self.moe_fc.forward(text.with_empty_tape())?;
        let weights = match self.weights {
            MixtureWeights::Uniform => {
                let equal = vec![1.0 / self.experts as f32; rows.size() * self.experts];
                ops::to_tensor(&device, equal, (rows, self.experts))?.put_tape(Default::default())
            }
            MixtureWeights::Text | MixtureWeights::Sum => ops::softmax(logits)?,
        };
        let experts = match &self.layers {
            Layers::Collaborative { text: units, .. } | Layers::Projected { text: units, .. } => {
                erase(for_each_unit(units, text, phase)?)?
            }
            Layers::Own { text: units, .. } => for_each_unit(units, text, phase)?,
            Layers::Concatenated => {
                let (text, tape) = text.split_tape();
                vec![text.put_tape(tape.begin())]
            }
            Layers::ConcatenatedGated { text: unit, .. } => vec![unit.forward(text, phase)?],
        };
        Ok(TextEmbedding { experts, weights })
    }

    /// Compares every text with every video.
    ///
    /// # Shapes
    /// `(Q, B)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes disagree.
    pub fn similarity<Q: Dim, B: Dim, T: RecordingTape<D>>(
        &self,
        text: TextEmbedding<Q, D, T>,
        video: VideoEmbedding<B, D, T>,
        available: &Availability,
    ) -> Result<Tensor<(Q, B), f32, D, T>, OpError> {
        if let Layers::Concatenated | Layers::ConcatenatedGated { .. } = self.layers {
            return padded_products(text, video);
        }
        check_size("collaborative experts", "experts of the text", video.0.len(), text.experts.len())?;
        let batch = video.0.first().map(|x| x.shape().0);
        match (self.weights, batch) {
            (_, None) => Err(OpError::TooFew { op: "collaborative experts", what: "experts", least: 1, got: 0 }),
            (MixtureWeights::Sum, _) => sum_of_products(text.experts, video.0),
            (_, Some(batch)) => {
                let available = available.tensor(text.weights.device(), batch)?;
                ops::mixture_similarity(text.experts, video.0, text.weights, &available)
            }
        }
    }
}

/// The tape goes with the first.
fn for_each_unit<Q: Dim, E: Dim, D: OpsDevice, T: LayerTape<D>>(
    units: &[GatedEmbedding<usize, E, D>],
    text: Rows<Q, D, T>,
    phase: Phase,
) -> Result<Vec<Tensor<(Q, E), f32, D, T::Output>>, OpError> {
    let (text, tape) = text.split_tape();
    let mut tape = Some(tape);
    units.iter().map(|unit| unit.forward(text.clone().put_tape(tape.take().unwrap_or_default()), phase)).collect()
}

fn project<B: Dim, S: Dim, D: OpsDevice, T: LayerTape<D>>(
    projections: &[Projection<usize, S, D>],
    pooled: Vec<Pooled<B, D, T>>,
) -> Result<Vec<Tensor<(B, S), f32, D, T::Output>>, OpError> {
    let forward = |(projection, x): (&Projection<usize, S, D>, _)| match x {
        Pooled::Data(x) => projection.forward(x),
        Pooled::Computed(x) => projection.forward(x),
    };
    projections.iter().zip(pooled).map(forward).collect()
}

/// Forgets that the widths are equal.
fn erase<B: Dim, S: Dim, D: OpsDevice, T: Tape<f32, D>>(
    experts: Vec<Tensor<(B, S), f32, D, T>>,
) -> Result<Vec<Rows<B, D, T>>, OpError> {
    let erase = |x: Tensor<(B, S), f32, D, T>| {
        let (batch, width) = *x.shape();
        x.try_reshape_like(&(batch, width.size())).map_err(device_error)
    };
    experts.into_iter().map(erase).collect()
}

fn side_by_side<B: Dim, D: OpsDevice, T: LayerTape<D>>(
    pooled: Vec<Pooled<B, D, T>>,
) -> Result<Rows<B, D, T::Output>, OpError> {
    let width = pooled.iter().map(|x| x.shape().1).sum();
    let begin = |x: Pooled<B, D, T>| match x {
        Pooled::Data(x) => {
            let (x, tape) = Tensor::split_tape(x);
            x.put_tape(tape.begin())
        }
        Pooled::Computed(x) => x,
    };
    ops::concat(pooled.into_iter().map(begin).collect(), width)
}

fn sum_of_products<Q: Dim, B: Dim, D: OpsDevice, T: RecordingTape<D>>(
    text: Vec<Rows<Q, D, T>>,
    video: Vec<Rows<B, D, T>>,
) -> Result<Tensor<(Q, B), f32, D, T>, OpError> {
    let mut sum: Option<Tensor<(Q, B), f32, D, T>> = None;
    for (text, video) in text.into_iter().zip(video) {
        let product = ops::matmul_nt(text, video)?;
        sum = Some(match sum {
            None => product,
            Some(sum) => ops::add(sum, product)?,
        });
    }
    sum.ok_or(OpError::TooFew { op: "collaborative experts", what: "experts", least: 1, got: 0 })
}

/// Inner products of texts, padded with zeros, with videos. As published, wider texts have the similarity 0: the program means to pad the
/// video instead, and fills in nothing.
fn padded_products<Q: Dim, B: Dim, D: OpsDevice, T: RecordingTape<D>>(
    mut text: TextEmbedding<Q, D, T>,
    mut video: VideoEmbedding<B, D, T>,
) -> Result<Tensor<(Q, B), f32, D, T>, OpError> {
    let nothing = || OpError::TooFew { op: "collaborative experts", what: "experts", least: 1, got: 0 };
    let (text, video) = (text.experts.pop().ok_or_else(nothing)?, video.0.pop().ok_or_else(nothing)?);
    let ((queries, narrow), (videos, wide), device) = (*text.shape(), *video.shape(), text.device().clone());
    if narrow > wide {
        let zeros: Tensor<(Q, B), f32, D> = device.try_zeros_like(&(queries, videos)).map_err(device_error)?;
        return Ok(zeros.put_tape(text.split_tape().1.merge(video.split_tape().1)));
    }
    let padding: Rows<Q, D, _> = device.try_zeros_like(&(queries, wide - narrow)).map_err(device_error)?;
    let text = ops::concat(vec![text, padding.put_tape(T::default())], wide)?;
    ops::matmul_nt(text, video)
}

impl<S: Dim, D: OpsDevice> Parameters<D> for Layers<S, D> {
    crate::visit_variants! {
        D;
        Collaborative { projections: module = "video_dim_reduce", gating: flat, text: module = "text_GU" },
        Projected { projections: module = "video_dim_reduce", video: module = "video_GU", text: module = "text_GU" },
        Own { video: module = "video_GU", text: module = "text_GU" },
        Concatenated,
        ConcatenatedGated { video: module = "video_GU.0", text: module = "text_GU.0" },
    }
}

impl<S: Dim, D: OpsDevice> Parameters<D> for ExpertFusion<S, D> {
    crate::visit_fields! { D; moe_fc: module, layers: flat }
}
