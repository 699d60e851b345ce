use dfdx::prelude::{Const, Dim, HasShape, PutTape, ReshapeTo, SplitTape, Tensor};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{
    Activation, Availability, Config, Linear, LinearConfig, PairReasoning, PairReasoningConfig, Parameters, Phase,
    ReasoningGate, ReasoningGateConfig, ReasoningStack, ReasoningStackConfig,
};
use crate::ops::{self, OpError, OpsDevice, RecordingTape, check_least, check_size, device_error};

/// Experts of a batch in one common space of width `S`: what can be compared with each other, and gated by each other.
///
/// # Shapes
/// Each `(B, S)`. The tapes belong together: a loss should use all of them.
#[derive(Debug, Clone)]
pub struct CommonExperts<B: Dim, S: Dim, D: OpsDevice, T>(pub Vec<Tensor<(B, S), f32, D, T>>);

/// Experts of a batch in spaces of their own, each with its own width.
///
/// # Shapes
/// Each `(B, E_m)`.
#[derive(Debug, Clone)]
pub struct OwnExperts<B: Dim, D: OpsDevice, T>(pub Vec<Tensor<(B, usize), f32, D, T>>);

/// Which experts are brought together to gate expert `k` (Liu et al. 2019, section 3.2; the published code's `use_ce`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Relation {
    /// `k` and every partner: the paper's form.
    #[default]
    Pairwise,
    /// `k` and the mean of all available experts.
    PairwiseStar,
    /// The same, with layers of its own for every expert.
    PairwiseStarSpecific,
    /// The same, through the outer product of two reductions to 64 dimensions.
    PairwiseStarTensor,
    /// `k` and every ordered pair of partners.
    Triplet,
}

/// Describes [`CollaborativeGating`] of some experts in a common space of width `S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollaborativeGatingConfig<S: Dim> {
    /// Width of the common space.
    pub width: S,
    /// Number of experts, at least 2.
    pub experts: usize,
    /// How the network over pairs is built.
    pub reasoning: ReasoningConfig,
}

/// The options of collaborative gating.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReasoningConfig {
    /// Who is brought together.
    pub relation: Relation,
    /// Whether an expert is also its own partner.
    pub include_self: bool,
    /// The nonlinearity.
    pub activation: Activation,
    /// Whether layers begin with a batch norm.
    pub batch_norm: bool,
    /// Layers of g, at least 1: the first over the pair, the others of the common width.
    pub g_layers: usize,
    /// Layers of h, over what g concludes.
    pub h_layers: usize,
}

impl Default for ReasoningConfig {
    /// As published: pairwise with the expert itself, Mish, batch norm, three layers of g and none of h.
    fn default() -> Self {
        Self {
            relation: Relation::Pairwise,
            include_self: true,
            activation: Activation::Mish,
            batch_norm: true,
            g_layers: 3,
            h_layers: 0,
        }
    }
}

/// Width of the reductions of [`Relation::PairwiseStarTensor`], fixed in the published code.
const REDUCED: usize = 64;

/// Added to the number of partners, as published: an expert without any gets the mask 0.
const PARTNERS_EPS: f32 = 1e-11;

/// The first layer, which sees several experts at once.
#[derive(Debug, Clone)]
enum First<S: Dim, D: OpsDevice> {
    Pairs(Linear<usize, S, D>),
    Triplets(Linear<usize, S, D>),
    Star(Linear<usize, S, D>),
    StarSpecific(Vec<PairReasoning<S, D>>),
    StarTensor { reduce: Linear<S, Const<REDUCED>, D>, pair: Linear<usize, S, D> },
}

/// Collaborative gating (Liu et al. 2019, "Use What You Have: Video Retrieval Using Representations From Collaborative Experts",
/// section 3.2): every expert is gated by a mask that the other experts of the video agree on,
///
/// ```text
/// mask_k = h( Σ_j a_kj g([e_k; e_j]) / (Σ_j a_kj + 1e-11) )      a_kj = 1 where the video has both k and j
/// e_k   <- L2( e_k ⊙ σ( BN(mask_k) + BN(W_k e_k + b_k) ) )
/// ```
///
/// As in the published code, and unlike the paper, experts are gated **in order and in place**: experts after `k` meet the gated `e_k`. Only
/// the mean of the `Star` relations is taken once, before. Batch norms inside g are called once per pair, with the rows of all videos,
/// missing experts included.
///
/// g's first layer over `[e_k; e_j]` is the sum of a term of `e_k` and one of `e_j`, so each is computed once, and its last layer is linear,
/// so it is applied to the mean over partners: the same function in a third of the products.
#[derive(Debug, Clone)]
pub struct CollaborativeGating<S: Dim, D: OpsDevice> {
    first: First<S, D>,
    shared: ReasoningStack<S, D>,
    h: ReasoningStack<S, D>,
    gates: Vec<ReasoningGate<S, D>>,
    include_self: bool,
    width: S,
}

impl<S: Dim> CollaborativeGatingConfig<S> {
    fn stack(&self, layers: usize) -> ReasoningStackConfig<S> {
        let ReasoningConfig { batch_norm, activation, .. } = self.reasoning;
        ReasoningStackConfig { width: self.width, layers, batch_norm, activation }
    }

    fn shared(&self) -> ReasoningStackConfig<S> {
        self.stack(self.reasoning.g_layers.saturating_sub(1))
    }

    /// Over so many values.
    fn layer(&self, inputs: usize) -> LinearConfig<usize, S> {
        LinearConfig { inputs, outputs: self.width }
    }

    fn specific(&self) -> PairReasoningConfig<S> {
        PairReasoningConfig { width: self.width, activation: self.reasoning.activation }
    }

    fn reduction(&self) -> LinearConfig<S, Const<REDUCED>> {
        LinearConfig { inputs: self.width, outputs: Const }
    }
}

impl<S: Dim, D: OpsDevice> Config<D> for CollaborativeGatingConfig<S> {
    type Built = CollaborativeGating<S, D>;

    fn num_parameters(&self) -> usize {
        let width = self.width.size();
        let layer = |inputs| Config::<D>::num_parameters(&self.layer(inputs));
        let first = match self.reasoning.relation {
            Relation::Pairwise | Relation::PairwiseStar => layer(2 * width),
            Relation::Triplet => layer(3 * width),
            Relation::PairwiseStarSpecific => self.experts * Config::<D>::num_parameters(&self.specific()),
            Relation::PairwiseStarTensor => layer(REDUCED * REDUCED) + Config::<D>::num_parameters(&self.reduction()),
        };
        first
            + Config::<D>::num_parameters(&self.shared())
            + Config::<D>::num_parameters(&self.stack(self.reasoning.h_layers))
            + self.experts * Config::<D>::num_parameters(&ReasoningGateConfig { width: self.width })
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let ReasoningConfig { relation, include_self, g_layers, .. } = self.reasoning;
        check_least("collaborative gating", "experts", 2, self.experts)?;
        if relation == Relation::Triplet && !include_self {
            check_least("collaborative gating", "experts for triplets without the expert itself", 3, self.experts)?;
        }
        check_least("collaborative gating", "layers of g", 1, g_layers)?;
        let width = self.width.size();
        let first = match self.reasoning.relation {
            Relation::Pairwise => First::Pairs(self.layer(2 * width).build(device, rng)?),
            Relation::Triplet => First::Triplets(self.layer(3 * width).build(device, rng)?),
            Relation::PairwiseStar => First::Star(self.layer(2 * width).build(device, rng)?),
            Relation::PairwiseStarSpecific => {
                let specific = (0..self.experts).map(|_| self.specific().build(device, rng));
                First::StarSpecific(specific.collect::<Result<_, _>>()?)
            }
            Relation::PairwiseStarTensor => First::StarTensor {
                reduce: self.reduction().build(device, rng)?,
                pair: self.layer(REDUCED * REDUCED).build(device, rng)?,
            },
        };
        let shared = self.shared().build(device, rng)?;
        let h = self.stack(self.reasoning.h_layers).build(device, rng)?;
        let gates = (0..self.experts).map(|_| ReasoningGateConfig { width: self.width }.build(device, rng));
        let (gates, include_self) = (gates.collect::<Result<_, _>>()?, self.reasoning.include_self);
        Ok(CollaborativeGating { first, shared, h, gates, include_self, width: self.width })
    }
}

/// Groups of partners of one expert, and the weight of each in the mean, `(groups, B)`, for each video.
struct Partners {
    groups: Vec<Vec<usize>>,
    weights: Vec<f32>,
}

impl Partners {
    /// The mean over the groups that a video has in full, beside expert `k` itself.
    fn mean(k: usize, groups: Vec<Vec<usize>>, available: &Availability) -> Self {
        let videos = available.videos();
        let has = |video, group: &Vec<usize>| available.has(video, k) && group.iter().all(|&j| available.has(video, j));
        let counts: Vec<f32> =
            (0..videos).map(|video| groups.iter().filter(|group| has(video, group)).count() as f32).collect();
        let weight = |video: usize, group| f32::from(has(video, group)) / (counts[video] + PARTNERS_EPS);
        let weights = groups.iter().flat_map(|group| (0..videos).map(move |video| weight(video, group))).collect();
        Self { groups, weights }
    }

    /// What the weights of a video sum to: 1, or 0 where it has no group.
    fn mass(&self, videos: usize) -> Vec<f32> {
        (0..videos).map(|video| self.weights.iter().skip(video).step_by(videos).sum()).collect()
    }
}

/// Tensors without their tapes, and all tapes in one.
fn gather_tapes<B: Dim, S: Dim, D: OpsDevice, T: RecordingTape<D>>(
    tensors: Vec<Tensor<(B, S), f32, D, T>>,
    tape: &mut T,
) -> Vec<Tensor<(B, S), f32, D>> {
    tensors.into_iter().map(|tensor| gather_tape(tensor, tape)).collect()
}

fn gather_tape<B: Dim, S: Dim, D: OpsDevice, T: RecordingTape<D>>(
    tensor: Tensor<(B, S), f32, D, T>,
    tape: &mut T,
) -> Tensor<(B, S), f32, D> {
    let (tensor, its_tape) = tensor.split_tape();
    *tape = std::mem::take(tape).merge(its_tape);
    tensor
}

impl<S: Dim, D: OpsDevice> CollaborativeGating<S, D> {
    /// Gates every expert by what the others agree on.
    ///
    /// # Shapes
    /// Experts `(B, S)` each, as many as were described, to the same; rows of unit length.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes or the number of experts disagree, [`OpError::TooFew`] for a batch of one in training.
    pub fn forward<B: Dim, T: RecordingTape<D>>(
        &self,
        experts: CommonExperts<B, S, D, T>,
        available: &Availability,
        phase: Phase,
    ) -> Result<CommonExperts<B, S, D, T>, OpError> {
        check_size("collaborative gating", "number of experts", self.gates.len(), experts.0.len())?;
        check_size("collaborative gating", "experts of the availability", self.gates.len(), available.experts())?;
        let mut tape = T::default();
        let mut experts = gather_tapes(experts.0, &mut tape);
        let (batch, device) = (experts[0].shape().0, experts[0].device().clone());
        check_size("collaborative gating", "videos of the availability", batch.size(), available.videos())?;
        let star = match self.first {
            First::Pairs(_) | First::Triplets(_) => None,
            _ => Some(gather_tape(mean_expert(&experts, available)?, &mut tape)),
        };
        // What every expert adds to the first layer as first, second, .. partner.
        let mut partner_terms: Vec<Vec<Tensor<(B, S), f32, D>>> = vec![];
        for role in 0..self.roles() {
            let of_role = experts.iter().map(|e| self.partner_term::<B, T>(e, role)).collect::<Result<Vec<_>, _>>()?;
            partner_terms.push(gather_tapes(of_role, &mut tape));
        }
        for k in 0..experts.len() {
            let partners = self.partners(k, available);
            let together = self.bring_together::<B, T>(k, &experts[k], &partner_terms, star.as_ref(), &partners)?;
            let mass = ops::to_tensor(&device, partners.mass(batch.size()), (1usize, batch))?;
            let weights = ops::to_tensor(&device, partners.weights, (partners.groups.len(), batch))?;
            let mask = self.shared.forward_mean(together, &weights, &mass, phase)?;
            let mask = self.h.forward(mask, phase)?;
            let gated = self.gates[k].forward(experts[k].retaped::<T>(), mask, phase)?;
            experts[k] = gather_tape(gated, &mut tape);
            // In place: the partners that follow meet the gated expert.
            for (role, of_role) in partner_terms.iter_mut().enumerate() {
                if k + 1 < experts.len() {
                    of_role[k] = gather_tape(self.partner_term::<B, T>(&experts[k], role)?, &mut tape);
                }
            }
        }
        let mut tape = Some(tape);
        Ok(CommonExperts(experts.into_iter().map(|e| e.put_tape(tape.take().unwrap_or_default())).collect()))
    }

    /// Partners at once beside the expert itself, where each meets all others.
    fn roles(&self) -> usize {
        match self.first {
            First::Pairs(_) => 1,
            First::Triplets(_) => 2,
            _ => 0,
        }
    }

    /// Who meets expert `k`.
    fn partners(&self, k: usize, available: &Availability) -> Partners {
        let (experts, include_self) = (self.gates.len(), self.include_self);
        let others = move || (0..experts).filter(move |j| include_self || *j != k);
        let groups = match self.first {
            First::Pairs(_) => others().map(|j| vec![j]).collect(),
            First::Triplets(_) => others()
                .flat_map(|i| others().map(move |j| vec![i, j]))
                .filter(|pair| include_self || pair[0] != pair[1])
                .collect(),
            _ => vec![vec![]],
        };
        Partners::mean(k, groups, available)
    }

    /// What an expert adds to the first layer as partner number `role`.
    fn partner_term<B: Dim, T: RecordingTape<D>>(
        &self,
        expert: &Tensor<(B, S), f32, D>,
        role: usize,
    ) -> Result<Tensor<(B, S), f32, D, T>, OpError> {
        match &self.first {
            First::Pairs(layer) | First::Triplets(layer) => {
                ops::linear_columns(expert.retaped::<T>(), &layer.weight, (role + 1) * self.width.size(), None)
            }
            _ => Err(OpError::Form { op: "collaborative gating", reason: "a star has no partners" }),
        }
    }

    /// The first layer of g over expert `k` and each group of its partners: `(groups, B, S)`.
    fn bring_together<B: Dim, T: RecordingTape<D>>(
        &self,
        k: usize,
        expert: &Tensor<(B, S), f32, D>,
        partner_terms: &[Vec<Tensor<(B, S), f32, D>>],
        star: Option<&Tensor<(B, S), f32, D>>,
        partners: &Partners,
    ) -> Result<Tensor<(usize, B, S), f32, D, T>, OpError> {
        let own = |layer: &Linear<usize, S, D>| {
            ops::linear_columns(expert.retaped::<T>(), &layer.weight, 0, Some(&layer.bias))
        };
        let star = || star.unwrap_or(expert).retaped::<T>();
        let (terms, groups) = match &self.first {
            First::Pairs(layer) | First::Triplets(layer) => {
                let experts = self.gates.len();
                let number = |(role, j): (usize, &usize)| 1 + role * experts + j;
                let numbers = |group: &Vec<usize>| {
                    std::iter::once(0).chain(group.iter().enumerate().map(number)).collect::<Vec<usize>>()
                };
                let groups = partners.groups.iter().map(numbers);
                let partner_terms = partner_terms.iter().flatten().map(|term| term.retaped::<T>());
                (std::iter::once(own(layer)?).chain(partner_terms).collect(), groups.collect())
            }
            First::Star(layer) => {
                let partner = ops::linear_columns(star(), &layer.weight, self.width.size(), None)?;
                (vec![own(layer)?, partner], vec![vec![0, 1]])
            }
            First::StarSpecific(specific) => (vec![specific[k].forward(expert.retaped::<T>(), star())?], vec![vec![0]]),
            First::StarTensor { reduce, pair } => {
                let batch = expert.shape().0;
                let (u, v) = (reduce.forward(expert.retaped::<T>())?, reduce.forward(star())?);
                let u = u.try_reshape_like(&(batch, REDUCED, 1usize)).map_err(device_error)?;
                let v = v.try_reshape_like(&(batch, 1usize, REDUCED)).map_err(device_error)?;
                let outer = ops::matmul(u, v)?.try_reshape_like(&(batch, REDUCED * REDUCED)).map_err(device_error)?;
                (vec![pair.forward(outer)?], vec![vec![0]])
            }
        };
        ops::sum_terms(terms, groups)
    }
}

/// The mean of the experts that each video has.
fn mean_expert<B: Dim, S: Dim, D: OpsDevice, T: RecordingTape<D>>(
    experts: &[Tensor<(B, S), f32, D>],
    available: &Availability,
) -> Result<Tensor<(B, S), f32, D, T>, OpError> {
    let (batch, device) = (experts[0].shape().0, experts[0].device().clone());
    let count = |video| (0..experts.len()).filter(|&m| available.has(video, m)).count() as f32;
    let weight = |m, video| f32::from(available.has(video, m)) / count(video);
    let weights = (0..experts.len()).flat_map(|m| (0..batch.size()).map(move |video| weight(m, video))).collect();
    let weights = ops::to_tensor(&device, weights, (experts.len(), batch))?;
    let stacked = experts.iter().map(|expert| expert.retaped::<T>()).collect();
    ops::weighted_sum(ops::sum_terms(stacked, (0..experts.len()).map(|m| vec![m]).collect())?, &weights)
}

impl<S: Dim, D: OpsDevice> Parameters<D> for First<S, D> {
    crate::visit_variants! {
        D;
        Pairs(layer: module = "g_reason_1"),
        Triplets(layer: module = "g_reason_1"),
        Star(layer: module = "g_reason_1"),
        StarSpecific(layers: module = "g_reason_unshared_weights"),
        StarTensor { reduce: module = "dim_reduce", pair: module = "g_reason_1" },
    }
}

impl<S: Dim, D: OpsDevice> Parameters<D> for CollaborativeGating<S, D> {
    crate::visit_fields! {
        D;
        first: flat,
        shared: module = "g_reason_shared",
        h: module = "h_reason",
        gates: module = "video_GU",
    }
}
