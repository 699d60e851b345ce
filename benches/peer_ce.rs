//! One training step of Collaborative Experts at the size of MSRVTT (nine experts, 183 million parameters, Ranger), for comparison with
//! `benches/peers/ce.py`; see docs/performance.md.

#[path = "common/device.rs"]
mod device;
#[path = "common/inputs.rs"]
mod inputs;
#[path = "common/peer.rs"]
mod peer;

use coembed::blocks::{
    Availability, Config, ExpertConfig, ExpertFeatures, ExpertList, Frames, Phase, Pooling, ReasoningConfig, StepStream,
};
use coembed::losses::MaxMarginLoss;
use coembed::models::{CollaborativeExperts, CollaborativeExpertsConfig, Design, MixtureWeights, TextPooling};
use coembed::ops::{self, DataTape};
use coembed::train::{Optimizer, Purpose, Ranger, RangerConfig, StateTensor, StateValues, load, rng, state_dict};
use device::{Dev, device};
use dfdx::prelude::Backward;
use inputs::values;
use peer::Work;

type Network = CollaborativeExperts<ExpertList, usize, usize, Dev>;

const VIDEOS: usize = 64;
/// Name, steps (0: one vector), width, clusters.
const EXPERTS: [(&str, usize, usize, usize); 9] = [
    ("audio", 29, 128, 8),
    ("face", 0, 512, 0),
    ("i3d.i3d.0", 0, 1024, 0),
    ("imagenet.resnext101_32x48d.0", 0, 2048, 0),
    ("imagenet.senet154.0", 0, 2048, 0),
    ("ocr", 49, 300, 43),
    ("r2p1d.r2p1d-ig65m.0", 0, 512, 0),
    ("scene.densenet161.0", 0, 2208, 0),
    ("speech", 32, 300, 19),
];

fn config(common: usize, text_clusters: usize) -> CollaborativeExpertsConfig<ExpertList, usize, usize> {
    let expert = |&(name, steps, width, clusters): &(&str, usize, usize, usize)| ExpertConfig {
        name: name.into(),
        width,
        pooling: if steps > 0 { Pooling::NetVlad { clusters } } else { Pooling::None },
        own_width: None,
    };
    CollaborativeExpertsConfig {
        experts: ExpertList(EXPERTS.iter().map(expert).collect()),
        words: 768,
        text: TextPooling::NetVlad { clusters: text_clusters, ghosts: 1 },
        common,
        design: Design::Collaborative(ReasoningConfig::default()),
        weights: MixtureWeights::Text,
    }
}

/// Parameters that both programs compute: each from a stream of its own, numbered in the order of the names.
fn fill(network: &mut Network) {
    let mut state = state_dict(network).unwrap();
    let trained = |name: &str| !name.contains("running_") && !name.contains("num_batches");
    for (i, (name, StateTensor { shape, values: of })) in state.iter_mut().filter(|(name, _)| trained(name)).enumerate()
    {
        let (scale, offset) = match shape.as_slice() {
            [_] if name.ends_with("weight") => (0.1, 1.0),
            [_] => (0.1, 0.0),
            // Clusters are (width, K) or (1, width, K), maps (outputs, inputs).
            sizes => {
                let inputs = if name.contains("clusters") { sizes[sizes.len() - 2] } else { sizes[1] };
                (2.0 / (inputs as f32).sqrt(), 0.0)
            }
        };
        let n = shape.iter().product();
        *of = StateValues::F32(values(100 + i as u32, n, scale).into_iter().map(|v| v + offset).collect());
    }
    assert!(load(network, &state).unwrap().is_complete());
}

fn has(video: usize, expert: usize) -> bool {
    expert == 3 || !(video * 7 + expert * 3).is_multiple_of(5)
}

fn features() -> Vec<ExpertFeatures<usize, Dev, DataTape>> {
    let one = |(m, &(_, steps, width, _)): (usize, &(&str, usize, usize, usize))| {
        let mut all = values(10 + m as u32, VIDEOS * steps.max(1) * width, 2.0);
        let rows = all.chunks_mut(steps.max(1) * width).enumerate();
        rows.filter(|(video, _)| !has(*video, m)).for_each(|(_, row)| row.fill(0.0));
        let device = device();
        if steps == 0 {
            return ExpertFeatures::Vector(ops::data(ops::to_tensor(&device, all, (VIDEOS, width)).unwrap()));
        }
        let frames = ops::data(ops::to_tensor(&device, all, (VIDEOS, steps, width)).unwrap());
        ExpertFeatures::Sequence(Frames::complete(frames))
    };
    EXPERTS.iter().enumerate().map(one).collect()
}

fn step(common: usize, text_clusters: usize) -> Work {
    let mut network = config(common, text_clusters).build(&device(), &mut rng(0, Purpose::Weights, 0, 0)).unwrap();
    fill(&mut network);
    let words = ops::to_tensor(&device(), values(1, VIDEOS * 37 * 768, 2.0), (VIDEOS, 37usize, 768usize)).unwrap();
    let flags: Vec<Vec<bool>> = (0..EXPERTS.len()).map(|m| (0..VIDEOS).map(|video| has(video, m)).collect()).collect();
    let available = Availability::new(&flags).unwrap();
    let loss = MaxMarginLoss { margin: 0.093_811_62, fix_norm: true };
    let mut optimizer =
        Ranger::new(RangerConfig { learning_rate: 0.001, weight_decay: 1e-3, ..RangerConfig::default() });
    Box::new(move |clock| {
        let features = features();
        clock.time(|| {
            let words = ops::data(words.clone());
            let similarity =
                network.forward(words, features, &available, Phase::Training(&StepStream::new(0))).unwrap();
            let loss = loss.forward(similarity).unwrap();
            let value = f64::from(loss.as_vec()[0]);
            optimizer.step(&mut network, loss.backward()).unwrap();
            value
        })
    })
}

fn main() {
    peer::main(&[("ce_msrvtt", || step(768, 28)), ("ce_small", || step(64, 4))]);
}
