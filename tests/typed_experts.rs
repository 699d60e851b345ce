//! A kind of expert that the library does not have, defined here, in a set that types declare and in a list that a configuration names.

use coembed::blocks::experts::{
    ConstKind, ExpertFeatures, ExpertList, ExpertSet, NetVladFrames, Pooling, PoolingKind, Sequence, Vector,
};
use coembed::blocks::{
    Availability, Config, Frames, Linear, LinearConfig, Parameters, Phase, Pooled, ReasoningConfig, Role, StepStream,
    num_parameters, num_values,
};
use coembed::models::{CollaborativeExperts, CollaborativeExpertsConfig, Design, MixtureWeights, TextPooling};
use coembed::ops::{self, LayerTape, OpError, OpsDevice};
use coembed::prelude::{Backward, Const, Cpu, Dim, HasShape, NoneTape, Tensor};
use coembed::train::{Optimizer, Purpose, Sgd, SgdConfig, load, rng, state_dict};
use dfdx::prelude::{SumTo, Trace, WithEmptyTape};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Attention pooling: `y = Σ_n a_n x_n` with `a = softmax_n(v · tanh(W x_n + b) + c)` over the frames that are there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    pub hidden: usize,
}

#[derive(Debug)]
pub struct AttentionPooling<W: Dim, D: OpsDevice> {
    hidden: Linear<W, usize, D>,
    score: Linear<usize, Const<1>, D>,
}

impl<W: Dim, D: OpsDevice> Parameters<D> for AttentionPooling<W, D> {
    coembed::visit_fields! { D; hidden: module, score: module }
}

impl PoolingKind for Attention {
    type Block<W: Dim, D: OpsDevice> = AttentionPooling<W, D>;

    fn num_parameters<D: OpsDevice>(&self, width: usize) -> usize {
        width * self.hidden + self.hidden + self.hidden + 1
    }

    fn build<W: Dim, D: OpsDevice>(&self, w: W, device: &D, rng: &mut impl Rng) -> Result<Self::Block<W, D>, OpError> {
        let hidden = LinearConfig { inputs: w, outputs: self.hidden }.build(device, rng)?;
        let score = LinearConfig { inputs: self.hidden, outputs: Const }.build(device, rng)?;
        Ok(AttentionPooling { hidden, score })
    }

    fn pool<B: Dim, W: Dim, D: OpsDevice, T: LayerTape<D>>(
        block: &AttentionPooling<W, D>,
        features: ExpertFeatures<B, D, T, W>,
        _: Phase,
    ) -> Result<Pooled<B, D, T>, OpError> {
        let (frames, mask) = features.into_sequence()?.into_masked()?;
        let (batch, steps, width) = *frames.shape();
        let hidden = ops::tanh(block.hidden.forward_rows(frames.with_empty_tape())?)?;
        let scores = ops::reshape(block.score.forward_rows(hidden)?, (batch, steps))?;
        let weights = ops::reshape(ops::masked_softmax(scores, &mask)?, (batch, Const::<1>, steps))?;
        Ok(Pooled::Computed(ops::reshape(ops::matmul(weights, frames)?, (batch, width.size()))?))
    }
}

/// The options of [`Attention`] as a type, for `experts!`.
#[derive(Debug)]
pub struct Hidden<const H: usize>;

impl<const H: usize> ConstKind for Hidden<H> {
    type Kind = Attention;
    const KIND: Attention = Attention { hidden: H };
}

coembed::experts! {
    pub Typed, features TypedFeatures, pooling TypedPooling {
        face: Vector<5>,
        motion: Sequence<6, Hidden<3>>,
        speech: NetVladFrames<4, 2>,
    }
}

coembed::expert_kinds! {
    /// The published kinds, and attention.
    pub MyKinds, blocks MyBlocks { Published(Pooling), Attention(Attention) }
}

const LIST: &str = r#"[
    (name: "face", width: 5, pooling: Published(None)),
    (name: "motion", width: 6, pooling: Attention((hidden: 3))),
    (name: "speech", width: 4, pooling: Published(NetVlad(clusters: 2))),
]"#;

type Network<E> = CollaborativeExperts<E, Const<7>, Const<8>, Cpu>;

fn listed() -> ExpertList<MyKinds> {
    ron::from_str(LIST).unwrap()
}

fn config<E: ExpertSet>(experts: E, design: Design) -> CollaborativeExpertsConfig<E, Const<7>, Const<8>> {
    let text = TextPooling::NetVlad { clusters: 2, ghosts: 1 };
    CollaborativeExpertsConfig { experts, words: Const, text, common: Const, design, weights: MixtureWeights::Text }
}

fn build<E: ExpertSet>(experts: E, design: Design) -> Network<E> {
    config(experts, design).build(&Cpu::default(), &mut rng(7, Purpose::Weights, 0, 0)).unwrap()
}

fn designs() -> [Design; 4] {
    let collaborative = Design::Collaborative(ReasoningConfig::default());
    [collaborative, Design::Projected, Design::Own, Design::ConcatenatedGated]
}

const VIDEOS: usize = 4;

fn draws(seed: u64, n: usize) -> Vec<f32> {
    let mut draw = rng(seed, Purpose::Order, 0, 0);
    (0..n).map(|_| draw.random_range(-1.0..1.0f32)).collect()
}

/// Frames of `lengths[i]` rows each, padded to `steps` rows of `padding`.
fn sequence(
    seed: u64,
    lengths: [usize; VIDEOS],
    steps: usize,
    width: usize,
    padding: f32,
) -> Frames<usize, usize, Cpu, NoneTape> {
    let (mut frames, mut valid) = (vec![], vec![]);
    for (video, length) in lengths.into_iter().enumerate() {
        let mut rows = draws(seed + video as u64, length * width);
        rows.resize(steps * width, padding);
        frames.extend(rows);
        valid.extend((0..steps).map(|step| f32::from(step < length)));
    }
    let device = Cpu::default();
    let valid = ops::to_tensor(&device, valid, (VIDEOS, steps)).unwrap();
    Frames::padded(ops::to_tensor(&device, frames, (VIDEOS, steps, width)).unwrap(), valid).unwrap()
}

/// What was read for a batch. The motion of video 2 has no frames.
fn read<T: LayerTape<Cpu>>(motion_steps: usize, padding: f32) -> Vec<ExpertFeatures<usize, Cpu, T>> {
    let face = ops::to_tensor(&Cpu::default(), draws(1, VIDEOS * 5), (VIDEOS, 5)).unwrap();
    let put = |x: Frames<usize, usize, Cpu, NoneTape>| {
        let (frames, valid) = x.into_masked().unwrap();
        ExpertFeatures::Sequence(Frames::padded(frames.retaped::<T>(), valid).unwrap())
    };
    vec![
        ExpertFeatures::Vector(face.retaped::<T>()),
        put(sequence(10, [3, 1, 0, 2], motion_steps, 6, padding)),
        put(sequence(20, [2, 2, 1, 2], 2, 4, 0.0)),
    ]
}

fn available() -> Availability {
    Availability::new(&[vec![true; 4], vec![true, true, false, true], vec![true, false, true, true]]).unwrap()
}

fn words() -> Tensor<(usize, usize, Const<7>), f32, Cpu> {
    ops::to_tensor(&Cpu::default(), draws(30, 3 * 2 * 7), (3, 2, Const)).unwrap()
}

/// Embeddings of the videos, similarities in evaluation.
fn outputs<E: ExpertSet>(network: &Network<E>, steps: usize, padding: f32) -> (Vec<Vec<f32>>, Vec<f32>) {
    let features = || network.features(read::<NoneTape>(steps, padding)).unwrap();
    let video = network.embed_video(features(), &available(), Phase::Evaluation).unwrap();
    let similarity = network.forward(words(), features(), &available(), Phase::Evaluation).unwrap();
    (video.0.iter().map(|x| ops::to_vec(x).unwrap()).collect(), ops::to_vec(&similarity).unwrap())
}

fn bits(outputs: &(Vec<Vec<f32>>, Vec<f32>)) -> Vec<u32> {
    outputs.0.iter().flatten().chain(&outputs.1).map(|x| x.to_bits()).collect()
}

#[test]
fn a_declared_set_and_a_list_give_the_same_bits() {
    for design in designs() {
        let (typed, mut list) = (build(Typed, design), build(listed(), design));
        let state = state_dict(&typed).unwrap();
        assert_eq!(state, state_dict(&list).unwrap(), "the same draws, names and shapes");
        assert!(load(&mut list, &state).unwrap().is_complete());
        assert!(state.contains_key("pooling.motion.hidden.weight") && state.contains_key("pooling.speech.clusters2"));
        let outputs = [outputs(&typed, 3, 0.0), outputs(&list, 3, 0.0)];
        assert!(outputs[0].1.iter().all(|x| x.is_finite()));
        assert_eq!(bits(&outputs[0]), bits(&outputs[1]), "{design:?}");
    }
}

#[test]
fn what_stands_in_the_padding_does_not_matter() {
    let (typed, list) = (build(Typed, Design::Projected), build(listed(), Design::Projected));
    let expected = bits(&outputs(&typed, 3, 0.0));
    for (steps, padding) in [(3, 9.0), (4, 0.0), (9, -50.0)] {
        assert_eq!(bits(&outputs(&typed, steps, padding)), expected, "{steps} steps");
        assert_eq!(bits(&outputs(&list, steps, padding)), expected, "{steps} steps");
    }
}

#[test]
fn both_train_and_the_own_block_gets_gradients() {
    let (typed, list) = (build(Typed, Design::Projected), build(listed(), Design::Projected));
    fn trained<E: ExpertSet>(network: &Network<E>) -> (Vec<f32>, coembed::prelude::Gradients<f32, Cpu>) {
        let stream = StepStream::new(1);
        let features = network.features(read::<ops::DataTape>(3, 0.0)).unwrap();
        let similarity = network.forward(ops::data(words()), features, &available(), Phase::Training(&stream)).unwrap();
        let values = ops::to_vec(&similarity.retaped::<NoneTape>()).unwrap();
        (values, similarity.square().sum::<(), _>().backward())
    }
    let ((similarity, gradients), (its_similarity, _)) = (trained(&typed), trained(&list));
    assert_eq!(similarity, its_similarity);
    let gradient = ops::to_vec(&gradients.get(&typed.pooling.motion.hidden.weight)).unwrap();
    assert!(gradient.iter().any(|g| *g != 0.0) && gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
    assert_eq!(state_dict(&typed).unwrap(), state_dict(&list).unwrap(), "running statistics moved alike");
}

#[test]
fn parameters_are_counted_as_they_are_built() {
    for design in designs() {
        let (typed, list) = (config(Typed, design), config(listed(), design));
        let built = num_parameters::<Cpu>(&build(Typed, design));
        assert_eq!((typed.num_parameters::<Cpu>(), list.num_parameters::<Cpu>()), (built, built), "{design:?}");
        assert_eq!(num_parameters::<Cpu>(&build(listed(), design)), built, "{design:?}");
    }
    assert_eq!(ExpertSet::num_parameters::<Cpu>(&Typed), (6 * 3 + 3 + 3 + 1) + (4 * (2 + 2) + 2 * 2));
    assert_eq!(Typed.experts(), listed().experts());
}

#[test]
fn features_that_do_not_fit_are_errors() {
    fn error<E: ExpertSet>(
        network: &Network<E>,
        change: impl Fn(&mut Vec<ExpertFeatures<usize, Cpu, NoneTape>>),
    ) -> String {
        let mut read = read(3, 0.0);
        change(&mut read);
        let embedded =
            network.features(read).and_then(|features| network.embed_video(features, &available(), Phase::Evaluation));
        embedded.unwrap_err().to_string()
    }
    let (typed, list) = (build(Typed, Design::Projected), build(listed(), Design::Projected));
    let wide = || ExpertFeatures::Sequence(sequence(1, [3; VIDEOS], 3, 7, 0.0));
    let vector = || ExpertFeatures::Vector(ops::to_tensor(&Cpu::default(), vec![0.0; 24], (VIDEOS, 6)).unwrap());
    for error in [error(&typed, |read| read[1] = wide()), error(&list, |read| read[1] = wide())] {
        assert_eq!(error, "expert: width of the features is 7, expected 6");
    }
    for error in [error(&typed, |read| read[1] = vector()), error(&list, |read| read[1] = vector())] {
        assert_eq!(error, "expert: one vector per video where a sequence is expected");
    }
    for error in [error(&typed, |read| drop(read.pop())), error(&list, |read| drop(read.pop()))] {
        assert_eq!(error, "experts: number of features is 2, expected 3");
    }
}

#[test]
fn a_configuration_says_what_kinds_there_are() {
    let unknown = LIST.replace("Attention((hidden: 3))", "Convolution((hidden: 3))");
    let error = ron::from_str::<ExpertList<MyKinds>>(&unknown).unwrap_err().to_string();
    assert!(error.contains("Convolution") && error.contains("Attention"), "{error}");
    // A list of the published kinds reads as ever.
    let published: ExpertList =
        ron::from_str(r#"[(name: "speech", width: 4, pooling: NetVlad(clusters: 2))]"#).unwrap();
    assert_eq!(published.0[0].pooling, Pooling::NetVlad { clusters: 2 });
}

struct Adapter {
    table: Tensor<(usize,), f32, Cpu>,
    scale: Tensor<(usize,), f32, Cpu>,
}

impl Parameters<Cpu> for Adapter {
    coembed::visit_fields! { Cpu; table: frozen = "backbone.table", scale: trained }
}

#[test]
fn frozen_tensors_are_saved_and_loaded_and_no_optimizer_moves_them() {
    let filled = |value: f32| ops::to_tensor(&Cpu::default(), vec![value; 3], (3usize,)).unwrap();
    let mut model = Adapter { table: filled(2.0), scale: filled(1.0) };
    assert_eq!((num_parameters(&model), num_values(&model, Role::Frozen)), (3, 3));
    let saved = state_dict(&model).unwrap();
    assert_eq!(saved.keys().collect::<Vec<_>>(), ["backbone.table", "scale"]);

    let gradients = (model.table.leaky_trace() * model.scale.leaky_trace()).sum::<(), _>().backward();
    Sgd::new(SgdConfig::default()).step(&mut model, gradients).unwrap();
    assert_eq!(model.table.as_vec(), [2.0; 3]);
    assert_ne!(model.scale.as_vec(), [1.0; 3]);

    model.table = filled(0.0);
    assert!(load(&mut model, &saved).unwrap().is_complete());
    assert_eq!((model.table.as_vec(), model.scale.as_vec()), (vec![2.0; 3], vec![1.0; 3]));
}
