//! One battery for every public model. A new model is one line in `registry!`.

use coembed::blocks::experts::{Max, Mean, NetVladFrames, PooledFrames, Vector};
use coembed::blocks::{
    AnyCombinationConfig, Availability, Combination, ConcatConfig, Config, ExpertConfig, ExpertFeatures, ExpertList,
    ExpertSet, FrameStatistic, Frames, LearnedConfig, Parameters, PartOrder, Phase, Pooling, PosText, ReasoningConfig,
    StepStream, num_parameters,
};
use coembed::models::{
    Caption, CollaborativeExperts, CollaborativeExpertsConfig, Design, ExpertNetwork, Jpose, JposeConfig,
    JposeEpicConfig, MixtureWeights, Mmen, MmenConfig, MmenEpicConfig, MnnetConfig, Moee, MoeeConfig, MoeeExpert,
    MoeeFeatures, Noun, TextPooling, Verb, VerbNoun,
};
use coembed::ops;
use coembed::train::{Checkpoint, load, state_dict};
use dfdx::prelude::{Backward, Const, Dim, Gradients, HasShape, OwnedTape, SumTo, Tensor, Trace};
use rand::{Rng, SeedableRng};

#[cfg(not(feature = "cuda"))]
type Dev = dfdx::prelude::Cpu;
#[cfg(feature = "cuda")]
type Dev = dfdx::prelude::Cuda;

type Output = Tensor<(usize, usize), f32, Dev, OwnedTape<f32, Dev>>;

/// How the battery feeds a model.
trait Subject: Parameters<Dev> {
    /// Every output of a batch of `rows`, with its expected width; in training form if `train`.
    fn outputs(&mut self, rows: usize, train: bool) -> Vec<(Output, usize)>;

    /// Whether outputs are embeddings of unit length.
    fn is_unit(&self) -> bool {
        true
    }

    /// Whether a trained parameter has an effect on the outputs.
    fn uses(&self, path: &str) -> bool {
        // The batch norm inside the context gating is built and never applied, as published.
        !path.contains("cg.batch_norm")
    }
}

fn seeded(seed: u64) -> rand_chacha::ChaCha8Rng {
    rand_chacha::ChaCha8Rng::seed_from_u64(seed)
}

fn features<W: Dim>(seed: u64, rows: usize, width: W) -> Tensor<(usize, W), f32, Dev> {
    let mut rng = seeded(seed);
    let values = (0..rows * width.size()).map(|_| rng.random_range(-1.0..1.0)).collect();
    ops::to_tensor(&Dev::default(), values, (rows, width)).unwrap()
}

fn erase<E: Dim>(y: Tensor<(usize, E), f32, Dev, OwnedTape<f32, Dev>>) -> Output {
    use dfdx::prelude::ReshapeTo;
    let shape = (y.shape().0, y.shape().1.size());
    y.reshape_like(&shape)
}

impl<S, V: Dim, X: Dim, E: Dim> Subject for Mmen<S, V, X, E, Dev> {
    fn outputs(&mut self, rows: usize, _: bool) -> Vec<(Output, usize)> {
        let (video, text) = (self.video.fc.weight.shape().1, self.text.fc.weight.shape().1);
        let width = self.video.fc.weight.shape().0.size();
        let v = self.embed_video(features(1, rows, video).leaky_traced()).unwrap().into_tensor();
        let t = self.embed_text(features(2, rows, text).leaky_traced()).unwrap().into_tensor();
        vec![(erase(v), width), (erase(t), width)]
    }
}

/// A JPoSE model with the widths it was built with.
struct JposeSubject<V: Dim, X: Dim, E: Dim, C> {
    model: Jpose<VerbNoun, V, X, E, C, Dev>,
    video: V,
    text: X,
    embedding: E,
    action: usize,
}

impl<V: Dim, X: Dim, E: Dim, C: Parameters<Dev>> Parameters<Dev> for JposeSubject<V, X, E, C> {
    fn visit<W: coembed::blocks::Visitor<Dev>>(&self, path: &coembed::blocks::Path, v: &mut W) -> Result<(), W::Error> {
        self.model.visit(path, v)
    }

    fn visit_mut<W: coembed::blocks::VisitorMut<Dev>>(
        &mut self,
        path: &coembed::blocks::Path,
        v: &mut W,
    ) -> Result<(), W::Error> {
        self.model.visit_mut(path, v)
    }
}

impl<V: Dim, X: Dim, E: Dim, C: Combination<E, Dev>> Subject for JposeSubject<V, X, E, C> {
    fn outputs(&mut self, rows: usize, train: bool) -> Vec<(Output, usize)> {
        let video = || features(1, rows, self.video).leaky_traced();
        let text = |seed| features(seed, rows, self.text).leaky_traced();
        let (width, model) = (self.embedding.size(), &mut self.model);
        let verb = model.embed_video_part::<Verb, _, _>(video()).unwrap().into_tensor();
        let noun = model.embed_text_part::<Noun, _, _>(text(3)).unwrap().into_tensor();
        let parts = PosText::new([text(2), text(3)]).unwrap();
        let (v, t) = if train {
            let stream = StepStream::new(0);
            let (v, t) = (model.video_parts(video()).unwrap(), model.text_parts(parts).unwrap());
            let v = model.combine(v, PartOrder::Reversed, Phase::Training(&stream)).unwrap();
            (v, model.combine(t, PartOrder::Reversed, Phase::Training(&stream)).unwrap())
        } else {
            let v = model.embed_video(video(), PartOrder::Declared).unwrap();
            (v, model.embed_text(parts, PartOrder::Declared).unwrap())
        };
        let actions = [v, t].map(|e| (erase(e.into_tensor()), self.action));
        [(erase(verb), width), (erase(noun), width)].into_iter().chain(actions).collect()
    }
}

fn battery<M: Subject>(arithmetic: usize, learned: bool, build: impl Fn(u64) -> M) {
    parameter_count_equals_the_arithmetic(arithmetic, &build(0));
    same_seed_same_bits(&build);
    output_shapes_in_every_batch_size(&mut build(1), learned);
    finite_gradients_for_every_used_parameter(&mut build(2));
    save_and_load_round_trip(&mut build(3), &mut build(4));
}

fn parameter_count_equals_the_arithmetic(arithmetic: usize, model: &impl Subject) {
    assert_eq!(num_parameters(model), arithmetic);
}

fn same_seed_same_bits<M: Subject>(build: impl Fn(u64) -> M) {
    assert_eq!(state_dict(&build(5)).unwrap(), state_dict(&build(5)).unwrap());
    assert_ne!(state_dict(&build(5)).unwrap(), state_dict(&build(6)).unwrap());
    let run = |mut model: M| {
        model.outputs(3, true).iter().map(|(y, _)| ops::to_vec(&y.retaped()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(run(build(5)), run(build(5)));
}

fn output_shapes_in_every_batch_size(model: &mut impl Subject, learned: bool) {
    for rows in [1, 2, 7] {
        // The variance of a single row is undefined, so a learned combination has no training form for it.
        for train in [false, true].into_iter().filter(|train| !(learned && *train && rows == 1)) {
            for (y, width) in model.outputs(rows, train) {
                assert_eq!(*y.shape(), (rows, width));
                if !model.is_unit() {
                    continue;
                }
                for row in ops::to_vec(&y.retaped()).unwrap().chunks(width) {
                    let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
                    assert!((norm - 1.0).abs() < 1e-4, "an embedding has norm {norm}");
                }
            }
        }
    }
}

fn finite_gradients_for_every_used_parameter(model: &mut impl Subject) {
    use coembed::blocks::{Path, Role, Visitor};
    let outputs = model.outputs(4, true).into_iter().enumerate();
    let losses = outputs.map(|(i, (y, width))| (y * features(10 + i as u64, 4, width)).sum::<(), _>());
    let gradients = losses.reduce(|a, b| a + b).unwrap().backward();
    struct Check<'m, M>(Gradients<f32, Dev>, &'m M);
    impl<M: Subject> Visitor<Dev> for Check<'_, M> {
        type Error = std::convert::Infallible;
        fn tensor<S: dfdx::prelude::Shape>(
            &mut self,
            path: &Path,
            role: Role,
            t: &Tensor<S, f32, Dev>,
        ) -> Result<(), Self::Error> {
            self.0.try_alloc_for(t).unwrap();
            let gradient = ops::to_vec(&self.0.get(t)).unwrap();
            assert!(gradient.iter().all(|g| g.is_finite()), "{path}");
            let used = role == Role::Trained && self.1.uses(&path.to_string());
            assert_eq!(gradient.iter().any(|g| *g != 0.0), used, "{path}: {gradient:?}");
            Ok(())
        }
    }
    let Ok(()) = model.visit(&Path::ROOT, &mut Check(gradients, &*model));
}

fn save_and_load_round_trip<M: Subject>(model: &mut M, other: &mut M) {
    model.outputs(5, true);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    Checkpoint { model: state_dict(model).unwrap(), ..Checkpoint::default() }.save(&path).unwrap();
    let report = load(other, &Checkpoint::open(&path).unwrap().model).unwrap();
    assert!(report.is_complete(), "{report}");
    assert_eq!(state_dict(model).unwrap(), state_dict(other).unwrap());
    let run = |model: &mut M| -> Vec<_> {
        model.outputs(3, false).iter().map(|(y, _)| ops::to_vec(&y.retaped()).unwrap()).collect()
    };
    assert_eq!(run(model), run(other));
}

fn mmen<S, V: Dim, X: Dim, E: Dim>(config: MmenConfig<S, V, X, E>) {
    let arithmetic = Config::<Dev>::num_parameters(&config);
    battery(arithmetic, false, |seed| config.build(&Dev::default(), &mut seeded(seed)).unwrap());
}

fn jpose<V: Dim, X: Dim, E: Dim, C>(config: JposeConfig<VerbNoun, V, X, E, C>, action: usize, learned: bool)
where
    C: Config<Dev, Built: Combination<E, Dev>>,
{
    let arithmetic = Config::<Dev>::num_parameters(&config);
    let JposeConfig { video, text, embedding, .. } = config;
    battery(arithmetic, learned, |seed| {
        let model = config.build(&Dev::default(), &mut seeded(seed)).unwrap();
        JposeSubject { model, video, text, embedding, action }
    });
}

coembed::experts! {
    /// Experts that a type knows.
    Kitchen, features KitchenFeatures, pooling KitchenPooling {
        audio: NetVladFrames<5, 2>,
        rgb: PooledFrames<4, (Mean, Max)>,
        scene: Vector<6>,
    }
}

/// The same that a configuration knows.
fn listed() -> ExpertList {
    let expert = |name: &str, width, pooling| ExpertConfig { name: name.into(), width, pooling, own_width: None };
    ExpertList(vec![
        expert("audio", 5, Pooling::NetVlad { clusters: 2 }),
        expert("rgb", 4, Pooling::Frames(vec![FrameStatistic::Mean, FrameStatistic::Max])),
        expert("scene", 6, Pooling::None),
    ])
}

/// A network of the family of Collaborative Experts: its similarities of as many texts and videos.
struct ExpertsSubject<E: ExpertSet, W: Dim, S: Dim> {
    model: CollaborativeExperts<E, W, S, Dev>,
    config: CollaborativeExpertsConfig<E, W, S>,
}

impl<E: ExpertSet, W: Dim, S: Dim> Parameters<Dev> for ExpertsSubject<E, W, S> {
    coembed::visit_fields! { Dev; model: module }
}

fn sequences(seed: u64, rows: usize, width: usize) -> ExpertFeatures<usize, Dev, OwnedTape<f32, Dev>> {
    let values = ops::to_vec(&features(seed, rows * 3, width)).unwrap();
    let frames: Tensor<(usize, usize, usize), f32, Dev> =
        ops::to_tensor(&Dev::default(), values, (rows, 3, width)).unwrap();
    ExpertFeatures::Sequence(Frames::complete(frames.leaky_traced()))
}

impl<E: ExpertSet, W: Dim, S: Dim> Subject for ExpertsSubject<E, W, S> {
    fn outputs(&mut self, rows: usize, train: bool) -> Vec<(Output, usize)> {
        let stream = StepStream::new(0);
        let phase = if train { Phase::Training(&stream) } else { Phase::Evaluation };
        let read = vec![
            sequences(1, rows, 5),
            sequences(2, rows, 4),
            ExpertFeatures::Vector(features(3, rows, 6usize).leaky_traced()),
        ];
        let available = Availability::new(&[vec![true; rows], vec![true; rows], vec![true; rows]]).unwrap();
        let words = self.config.words;
        let (steps, seen) = if self.config.text == TextPooling::Identity { (1, rows) } else { (4, rows * 4) };
        let values = ops::to_vec(&features(4, seen, words)).unwrap();
        let words: Tensor<(usize, usize, W), f32, Dev> =
            ops::to_tensor(&Dev::default(), values, (rows, steps, words)).unwrap();
        let read = self.model.features(read).unwrap();
        let similarity = self.model.forward(words.leaky_traced(), read, &available, phase).unwrap();
        vec![(similarity, rows)]
    }

    fn is_unit(&self) -> bool {
        false
    }

    fn uses(&self, path: &str) -> bool {
        let concatenated = matches!(self.config.design, Design::Concatenated | Design::ConcatenatedGated);
        let weighted = self.config.weights == MixtureWeights::Text && !concatenated;
        // Without weights from the text their layer is built and never applied.
        weighted || !path.contains("moe_fc")
    }
}

fn experts<E: ExpertSet, W: Dim, S: Dim>(experts: E, words: W, common: S) {
    for (design, text) in [
        (Design::Own, TextPooling::NetVlad { clusters: 3, ghosts: 1 }),
        (Design::Projected, TextPooling::NetVlad { clusters: 2, ghosts: 0 }),
        (Design::Collaborative(ReasoningConfig::default()), TextPooling::Identity),
        (Design::ConcatenatedGated, TextPooling::NetVlad { clusters: 3, ghosts: 1 }),
    ] {
        for weights in [MixtureWeights::Text, MixtureWeights::Uniform] {
            let experts = experts.clone();
            let config = CollaborativeExpertsConfig { experts, words, text, common, design, weights };
            battery(config.num_parameters::<Dev>(), true, |seed| {
                let model = config.build(&Dev::default(), &mut seeded(seed)).unwrap();
                ExpertsSubject { model, config: config.clone() }
            });
        }
    }
}

/// MoEE as its authors' program has it, and MNNet.
impl Subject for Moee<Dev> {
    fn outputs(&mut self, rows: usize, train: bool) -> Vec<(Output, usize)> {
        let stream = StepStream::new(0);
        let phase = if train { Phase::Training(&stream) } else { Phase::Evaluation };
        let three = |seed, width| match sequences(seed, rows, width) {
            ExpertFeatures::Sequence(x) => x.into_unmasked(),
            ExpertFeatures::Vector(_) => unreachable!("sequences are made"),
        };
        let traced = |seed, width: usize| features(seed, rows, width).leaky_traced();
        let read = MoeeFeatures { face: traced(1, 4), audio: three(2, 5), visual: traced(3, 6), motion: traced(4, 3) };
        let available = Availability::new(&[(); 4].map(|()| vec![true; rows])).unwrap();
        let (text, video) = (self.embed_text(three(5, 7), phase).unwrap(), self.embed_video(read, phase).unwrap());
        vec![(self.similarity(text, video, &available).unwrap(), rows)]
    }

    fn is_unit(&self) -> bool {
        false
    }

    fn uses(&self, _: &str) -> bool {
        true
    }
}

fn moee() {
    let expert = |inputs, embedding| MoeeExpert { inputs, embedding };
    let experts = [expert(4, 3), expert(5, 4), expert(6, 3), expert(3, 2)];
    let config = MoeeConfig { words: 7, text_clusters: 2, audio_clusters: 3, experts };
    let arithmetic = Config::<Dev>::num_parameters(&config);
    battery(arithmetic, true, |seed| config.build(&Dev::default(), &mut seeded(seed)).unwrap());
}

/// The registry: a name, and the battery on one configuration.
macro_rules! registry {
    ($($name:ident => $battery:expr;)+) => {
        $(#[test]
        fn $name() {
            $battery;
        })+
    };
}

registry! {
    mmen_epic => mmen(MmenEpicConfig::new(Const, 100, Const));
    mmen_run_time_sizes => mmen(MmenConfig::<Caption, _, _, _>::new(22usize, 14usize, 10usize));
    mmen_mixed_sizes => mmen(MmenConfig::<Verb, _, _, _>::new(Const::<22>, 14usize, 10usize));
    jpose_epic => jpose(JposeEpicConfig::new(Const, 100, Const, ConcatConfig { width: Const }), 512, false);
    jpose_concat => jpose(JposeConfig::new(22usize, 14usize, 10usize, ConcatConfig { width: Const::<20> }), 20, false);
    jpose_learned => jpose(
        JposeConfig::new(22usize, Const::<14>, Const::<10>, LearnedConfig { inputs: Const::<20>, outputs: Const::<9> }), 9, true
    );
    jpose_any_concat => jpose(
        JposeConfig::new(22usize, 14usize, 10usize, AnyCombinationConfig::Concat(ConcatConfig { width: 20 })), 20, false
    );
    jpose_any_learned => jpose(
        JposeConfig::new(22usize, 14usize, 10usize, AnyCombinationConfig::Learned(LearnedConfig { inputs: 20, outputs: 10 })),
        10, true
    );
    collaborative_experts_typed => experts(Kitchen, Const::<7>, Const::<8>);
    collaborative_experts_listed => experts(listed(), 7usize, 8usize);
    collaborative_experts_mixed => experts(Kitchen, 7usize, Const::<8>);
    moee_of_its_authors => moee();
}

#[test]
fn mnnet_has_one_parameter() {
    let model = MnnetConfig.build(&Dev::default(), &mut seeded(0)).unwrap();
    assert_eq!((num_parameters(&model), Config::<Dev>::num_parameters(&MnnetConfig)), (1, 1));
    let (text, video) = (features(1, 3, Const::<4>), features(2, 2, Const::<4>));
    let similarity = model.forward(text.clone().leaky_traced(), video.clone().leaky_traced()).unwrap();
    let plain = ops::to_vec(&ops::matmul_nt(text, video).unwrap()).unwrap();
    let got = ops::to_vec(&similarity.retaped()).unwrap();
    assert!(got.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-3), "{got:?} {plain:?}");
}

#[test]
fn networks_of_fixed_experts_name_another_number_of_them() {
    let device = Dev::default();
    let none = Availability::new(&[]).unwrap();
    fn videos<N: ExpertNetwork<Dev>>(network: &N, count: usize, available: &Availability) -> Result<(), ops::OpError> {
        let features = (0..count).map(|seed| ExpertFeatures::Vector(features(seed as u64, 2, 4)));
        network.embed_video(features.collect(), available, Phase::Evaluation).map(|_| ())
    }
    let mnnet = MnnetConfig.build(&device, &mut seeded(0)).unwrap();
    assert!(videos(&mnnet, 1, &none).is_ok());
    let error = |of: Result<(), ops::OpError>| of.unwrap_err().to_string();
    assert_eq!(error(videos(&mnnet, 2, &none)), "MNNet: experts is 2, expected 1");
    let moee = MoeeConfig::default().build(&device, &mut seeded(0)).unwrap();
    assert_eq!(error(videos(&moee, 3, &none)), "MoEE: experts is 3, expected 4");
}

#[test]
fn parameter_counts_of_the_published_sizes() {
    // Video, text and embedding width; MMEN, JPoSE with concatenation, JPoSE with the learned combination.
    for (v, t, e, counts) in [
        (3072, 100, 256, [945_152, 1_890_304, 2_022_144]),
        (3072, 200, 256, [970_752, 1_941_504, 2_073_344]),
        (3072, 300, 256, [996_352, 1_992_704, 2_124_544]),
        (2048, 100, 256, [683_008, 1_366_016, 1_497_856]),
        (2048, 200, 256, [708_608, 1_417_216, 1_549_056]),
        (2048, 300, 256, [734_208, 1_468_416, 1_600_256]),
        (1024, 100, 256, [420_864, 841_728, 973_568]),
        (1024, 200, 256, [446_464, 892_928, 1_024_768]),
        (3072, 200, 512, [2_203_648, 4_407_296, 4_933_120]),
    ] {
        let concat = JposeConfig::<VerbNoun, _, _, _, _>::new(v, t, e, ConcatConfig { width: 2 * e });
        let learned = JposeConfig::<VerbNoun, _, _, _, _>::new(v, t, e, LearnedConfig { inputs: 2 * e, outputs: e });
        let got = [
            Config::<Dev>::num_parameters(&MmenConfig::<Caption, _, _, _>::new(v, t, e)),
            Config::<Dev>::num_parameters(&concat),
            Config::<Dev>::num_parameters(&learned),
        ];
        assert_eq!(got, counts, "{v}, {t}, {e}");
    }
}
