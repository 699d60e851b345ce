//! What must hold of Collaborative Experts and of distillation for any weights and features.

use coembed::blocks::{
    Availability, Config, ExpertConfig, ExpertFeatures, ExpertList, Phase, Pooling, ReasoningConfig, Relation,
    num_parameters,
};
use coembed::losses::{TeacherEmbeddings, TeacherScale, distillation, teacher_similarity};
use coembed::models::{
    CollaborativeExperts, CollaborativeExpertsConfig, Design, MixtureWeights, MoeeConfig, TextPooling,
};
use coembed::ops;
use coembed::train::{Purpose, StateValues, load, rng, state_dict};
use dfdx::prelude::{Cpu, NoneTape, Tensor};
use proptest::prelude::*;
use rand::Rng;

type Network = CollaborativeExperts<ExpertList, usize, usize, Cpu>;
type Features = Vec<ExpertFeatures<usize, Cpu, NoneTape>>;

const WIDTHS: [usize; 4] = [5, 7, 6, 4];
const WORDS: (usize, usize) = (3, 6);

fn config(experts: usize, design: Design) -> CollaborativeExpertsConfig<ExpertList, usize, usize> {
    let expert = |(i, width): (usize, &usize)| ExpertConfig {
        name: format!("expert{i}"),
        width: *width,
        pooling: Pooling::None,
        own_width: None,
    };
    CollaborativeExpertsConfig {
        experts: ExpertList(WIDTHS[..experts].iter().enumerate().map(expert).collect()),
        words: WORDS.1,
        text: TextPooling::NetVlad { clusters: 2, ghosts: 1 },
        common: 8,
        design,
        weights: MixtureWeights::Text,
    }
}

fn designs() -> Vec<Design> {
    let relations = [
        Relation::Pairwise,
        Relation::Triplet,
        Relation::PairwiseStar,
        Relation::PairwiseStarSpecific,
        Relation::PairwiseStarTensor,
    ];
    let reasoning = |relation| ReasoningConfig { relation, ..ReasoningConfig::default() };
    let others = [Design::Projected, Design::Own, Design::Concatenated, Design::ConcatenatedGated];
    relations.map(|relation| Design::Collaborative(reasoning(relation))).into_iter().chain(others).collect()
}

fn draws(seed: u64, n: usize) -> Vec<f32> {
    let mut draw = rng(seed, Purpose::Order, 0, 0);
    (0..n).map(|_| draw.random_range(-1.0..1.0f32)).collect()
}

fn tensor(values: Vec<f32>, width: usize) -> Tensor<(usize, usize), f32, Cpu> {
    ops::to_tensor(&Cpu::default(), values.clone(), (values.len() / width, width)).unwrap()
}

/// Rows of features for the videos in `order`, zeros where an expert is missing.
fn features(seed: u64, has: &[Vec<bool>], order: &[usize]) -> Features {
    let one = |(m, has): (usize, &Vec<bool>)| {
        let (width, all) = (WIDTHS[m], draws(seed + m as u64, has.len() * WIDTHS[m]));
        let row = |&video: &usize| match has[video] {
            true => all[video * width..][..width].to_vec(),
            false => vec![0.0; width],
        };
        ExpertFeatures::Vector(tensor(order.iter().flat_map(row).collect(), width))
    };
    has.iter().enumerate().map(one).collect()
}

fn similarity(network: &Network, seed: u64, has: &[Vec<bool>], order: &[usize]) -> Vec<f32> {
    let words =
        ops::to_tensor(&Cpu::default(), draws(seed + 50, 4 * WORDS.0 * WORDS.1), (4, WORDS.0, WORDS.1)).unwrap();
    let ordered: Vec<Vec<bool>> = has.iter().map(|has| order.iter().map(|&video| has[video]).collect()).collect();
    let available = Availability::new(&ordered).unwrap();
    network.forward(words, features(seed, has, order), &available, Phase::Evaluation).unwrap().as_vec()
}

fn build(config: &CollaborativeExpertsConfig<ExpertList, usize, usize>, seed: u64) -> Network {
    config.build(&Cpu::default(), &mut rng(seed, Purpose::Weights, 0, 0)).unwrap()
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
}

/// Which of three experts each of five videos has; the first always.
fn availability() -> impl Strategy<Value = Vec<Vec<bool>>> {
    let flags = || prop::collection::vec(any::<bool>(), 5);
    (flags(), flags()).prop_map(|(second, third)| vec![vec![true; 5], second, third])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn permuting_videos_permutes_similarities(
        has in availability(), seed in 0u64..1000, order in Just((0..5).collect::<Vec<usize>>()).prop_shuffle()
    ) {
        for design in designs() {
            let network = build(&config(3, design), seed);
            let plain = similarity(&network, seed, &has, &[0, 1, 2, 3, 4]);
            let permuted = similarity(&network, seed, &has, &order);
            let expected: Vec<f32> =
                (0..4).flat_map(|text| order.iter().map(move |&v| (text, v))).map(|(t, v)| plain[t * 5 + v]).collect();
            prop_assert!(close(&permuted, &expected), "{design:?}");
        }
    }

    /// With a fourth expert that no video has, of whatever weights, the similarities are those of three: its weight is shared out.
    #[test]
    fn an_expert_that_is_missing_everywhere_changes_nothing(has in availability(), seed in 0u64..1000) {
        for relation in [Relation::Pairwise, Relation::Triplet, Relation::PairwiseStar, Relation::PairwiseStarSpecific] {
            for design in [
                Design::Collaborative(ReasoningConfig { relation, ..ReasoningConfig::default() }),
                Design::Projected,
                Design::Own,
            ] {
                let (small, mut large) = (build(&config(3, design), seed), build(&config(4, design), seed + 1));
                let mut state = state_dict(&small).unwrap();
                // The weight of the fourth expert is whatever the large network drew.
                let own = state_dict(&large).unwrap();
                for name in ["ce.moe_fc.weight", "ce.moe_fc.bias"] {
                    let (kept, drawn) = (state[name].clone(), own[name].clone());
                    let (StateValues::F32(kept), StateValues::F32(mut values)) = (kept.values, drawn.values) else {
                        panic!("weights are floats");
                    };
                    values[..kept.len()].copy_from_slice(&kept);
                    let tensor = coembed::train::StateTensor { shape: drawn.shape, values: StateValues::F32(values) };
                    state.insert(name.into(), tensor);
                }
                let report = load(&mut large, &state).unwrap();
                prop_assert!(report.unexpected.is_empty() && report.mismatched.is_empty(), "{}", report);
                let more: Vec<Vec<bool>> = has.iter().cloned().chain([vec![false; 5]]).collect();
                let (three, four) =
                    (similarity(&small, seed, &has, &[0, 1, 2, 3, 4]), similarity(&large, seed, &more, &[0, 1, 2, 3, 4]));
                prop_assert!(close(&three, &four), "{design:?}: {three:?} {four:?}");
            }
        }
    }

    /// Where all experts agree fully, the similarity is 1: weights sum to 1 over the experts that a video has.
    #[test]
    fn weights_sum_to_one_over_the_experts_that_a_video_has(has in availability(), seed in 0u64..1000) {
        let ones = |rows: usize| (0..3).map(|_| tensor(vec![1.0; rows], 1)).collect::<Vec<_>>();
        let weights = tensor(draws(seed, 12).into_iter().map(|w| w.abs() + 0.01).collect(), 3);
        let available = Availability::new(&has).unwrap().tensor(&Cpu::default(), 5usize).unwrap();
        let mixed = ops::mixture_similarity(ones(4), ones(5), weights, &available).unwrap();
        prop_assert!(mixed.as_vec().iter().all(|s| (s - 1.0).abs() < 1e-5));
    }

    #[test]
    fn distillation_costs_nothing_when_the_student_equals_its_teachers(seed in 0u64..1000, teachers in 1usize..4) {
        let one = |t: usize| {
            let embedding = |s: u64, rows: usize| tensor(draws(seed + 7 * t as u64 + s, rows * 3), 3);
            TeacherEmbeddings { text: vec![embedding(0, 4), embedding(1, 4)], video: vec![embedding(2, 4), embedding(3, 4)] }
        };
        let all: Vec<_> = (0..teachers).map(one).collect();
        for scale in [TeacherScale::Sum, TeacherScale::Mean] {
            let target = teacher_similarity(&all, scale).unwrap();
            let loss = |student| ops::to_vec(&distillation(student, target.clone()).unwrap()).unwrap()[0];
            prop_assert_eq!(loss(target.clone()), 0.0);
            prop_assert!(loss(tensor(target.as_vec().iter().map(|s| s + 0.1).collect(), 4)) > 0.0);
        }
    }
}

#[test]
fn the_arithmetic_counts_what_is_built() {
    for design in designs() {
        for experts in 2..=4 {
            let config = config(experts, design);
            assert_eq!(num_parameters(&build(&config, 0)), config.num_parameters::<Cpu>(), "{design:?}, {experts}");
        }
    }
    let moee = MoeeConfig { words: 11, text_clusters: 3, audio_clusters: 2, ..MoeeConfig::default() };
    let built = moee.build(&Cpu::default(), &mut rng(0, Purpose::Weights, 0, 0)).unwrap();
    assert_eq!(num_parameters(&built), Config::<Cpu>::num_parameters(&moee));
    assert_eq!(Config::<Cpu>::num_parameters(&MoeeConfig::default()), 48_109_924, "the published network");
}

#[test]
fn features_that_do_not_fit_are_named() {
    let network = build(&config(2, Design::Projected), 0);
    let words = || ops::to_tensor(&Cpu::default(), vec![0.1; 36], (2, WORDS.0, WORDS.1)).unwrap();
    let available = Availability::new(&[vec![true; 2], vec![true; 2]]).unwrap();
    let wide = |width| ExpertFeatures::Vector(tensor(vec![1.0; 2 * width], width));
    let error = network.forward(words(), vec![wide(5), wide(8)], &available, Phase::Evaluation).unwrap_err();
    assert_eq!(error.to_string(), "expert: width of the features is 8, expected 7");
    let error = network.forward(words(), vec![wide(5)], &available, Phase::Evaluation).unwrap_err();
    assert!(error.to_string().contains("number of features is 1, expected 2"), "{error}");
    let alone = config(1, Design::Collaborative(ReasoningConfig::default()));
    let error = alone.build(&Cpu::default(), &mut rng(0, Purpose::Weights, 0, 0)).unwrap_err();
    assert!(error.to_string().contains("too few experts: 1, at least 2"), "{error}");
}
