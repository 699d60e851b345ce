//! Temporal Context Aggregation: what holds for any weights and videos.

use std::collections::VecDeque;
use std::path::Path;

use coembed::blocks::{Cell, Config, Frames, Phase, StepStream};
use coembed::blocks::{FrameNetVladConfig, FrameNextVladConfig};
use coembed::data::near_duplicate::FrameFeatures;
use coembed::formats::Limits;
use coembed::losses::{CircleLoss, CircleWeighting, contrast_with_first};
use coembed::matrix::Matrix;
use coembed::models::{
    ContrastBatch, MeanFrames, MomentumContrast, MomentumContrastConfig, RecurrentEncoderConfig, Tca, TcaConfig,
    VideoEncoder,
};
use coembed::ops::{self, OpsDevice};
use coembed::options::Options as _;
use coembed::recipes::tca::{EncoderKind, Metric, Options, TcaError, TcaRecipe, TcaTask, evaluate};
use coembed::run::{Part, Recipe, Setting};
use coembed::similarity::{FrameSets, Measure, chamfer, symmetric_chamfer};
use coembed::train::{Batches, Purpose, StepStart, Task, rng};
use dfdx::prelude::{Backward, Cpu, Gradients, NoneTape, Tensor, Trace};
use proptest::prelude::*;
use rand::Rng;

const WIDTH: usize = 8;

fn values(seed: u64, count: usize) -> Vec<f32> {
    let mut draws = rng(seed, Purpose::Own(1), 0, 0);
    (0..count).map(|_| draws.random_range(-1.0..1.0)).collect()
}

fn tca(seed: u64) -> Tca<usize, Cpu> {
    let config = TcaConfig { layers: 2, hidden: 12, heads: 4, ..TcaConfig::new(WIDTH) };
    config.build(&Cpu::default(), &mut rng(seed, Purpose::Weights, 0, 0)).unwrap()
}

/// Videos padded with `padding` to so many frames.
fn frames(videos: &[Vec<f32>], steps: usize, padding: f32) -> Frames<usize, usize, Cpu, NoneTape> {
    let padded =
        videos.iter().flat_map(|video| video.iter().copied().chain(std::iter::repeat(padding)).take(steps * WIDTH));
    let x = ops::to_tensor(&Cpu::default(), padded.collect(), (videos.len(), steps, WIDTH)).unwrap();
    let lengths: Vec<usize> = videos.iter().map(|video| video.len() / WIDTH).collect();
    Frames::of_lengths(x, &lengths).unwrap()
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 2e-6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn padding_never_changes_an_embedding(seed: u64, lengths in prop::collection::vec(1usize..7, 1..4), more in 0usize..5) {
        let model = tca(seed);
        let videos: Vec<Vec<f32>> = lengths.iter().zip(seed..).map(|(n, seed)| values(seed, n * WIDTH)).collect();
        let longest = lengths.iter().max().unwrap();
        let embed = |frames| ops::to_vec(&model.forward(frames, Phase::Evaluation).unwrap()).unwrap();
        let together = embed(frames(&videos, longest + more, 1e3));
        for (row, video) in together.chunks(WIDTH).zip(&videos) {
            prop_assert!(close(row, &embed(frames(std::slice::from_ref(video), video.len() / WIDTH, 0.0))));
            prop_assert!((row.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn permuted_frames_give_permuted_results_and_the_same_embedding(seed: u64, count in 2usize..8) {
        let (model, video) = (tca(seed), values(seed, count * WIDTH));
        let order: Vec<usize> = rand::seq::index::sample(&mut rng(seed, Purpose::Own(2), 0, 0), count, count).into_vec();
        let permuted: Vec<f32> = order.iter().flat_map(|at| video[at * WIDTH..][..WIDTH].to_vec()).collect();
        let encode = |video: &Vec<f32>| {
            let encoded = model.encode(frames(std::slice::from_ref(video), count, 0.0), Phase::Evaluation).unwrap();
            ops::to_vec(&encoded).unwrap()
        };
        let (one, other) = (encode(&video), encode(&permuted));
        let want: Vec<f32> = order.iter().flat_map(|at| one[at * WIDTH..][..WIDTH].to_vec()).collect();
        prop_assert!(close(&other, &want));
        let embed = |video: &Vec<f32>| {
            let all = frames(std::slice::from_ref(video), count, 0.0);
            ops::to_vec(&model.forward(all, Phase::Evaluation).unwrap()).unwrap()
        };
        prop_assert!(close(&embed(&video), &embed(&permuted)));
    }

    #[test]
    fn symmetric_chamfer_is_symmetric(seed: u64, n in 1usize..6, m in 1usize..6) {
        let set = |seed, n| Matrix::new(values(seed, n * WIDTH), n, WIDTH).unwrap();
        let (a, b) = (set(seed, n), set(seed ^ 1, m));
        let of = |a: &Matrix<f32>, b: &Matrix<f32>, symmetric: bool| {
            let (of_a, of_b) = ([0, a.rows()], [0, b.rows()]);
            let (a, b) = (FrameSets::new(a.view(), &of_a).unwrap(), FrameSets::new(b.view(), &of_b).unwrap());
            let similarity = if symmetric { symmetric_chamfer(a, b, Measure::Cosine) } else { chamfer(a, b, Measure::Cosine) };
            similarity.unwrap().as_slice()[0]
        };
        prop_assert!((of(&a, &b, true) - of(&b, &a, true)).abs() < 1e-6);
        prop_assert!((of(&a, &b, true) - 0.5 * (of(&a, &b, false) + of(&b, &a, false))).abs() < 1e-6);
    }

    #[test]
    fn the_bank_is_a_ring_of_the_newest_keys(seed: u64, steps in 1usize..6, rings in 1usize..4) {
        const NEGATIVES: usize = 3;
        let (device, keys) = (Cpu::default(), rings * NEGATIVES);
        let config = MomentumContrastConfig { width: WIDTH, keys, momentum: 0.0, temperature: 0.5 };
        let model = MeanFrames;
        let mut bank: MomentumContrast<MeanFrames, Cpu> =
            config.build(&model, &device, &mut rng(seed, Purpose::Weights, 0, 0)).unwrap();
        let columns = |bank: &MomentumContrast<MeanFrames, Cpu>| -> Vec<Vec<f32>> {
            let queue = ops::to_vec(&bank.queue).unwrap();
            (0..keys).map(|key| (0..WIDTH).map(|dimension| queue[dimension * keys + key]).collect()).collect()
        };
        let mut ring: VecDeque<Vec<f32>> = columns(&bank).into();
        for step in 0..steps as u64 {
            let videos = |part: u64, count: usize| -> Vec<Vec<f32>> {
                (0..count as u64).map(|i| values(seed ^ (step * 100 + part * 10 + i), 2 * WIDTH)).collect()
            };
            let (anchors, positives, negatives) = (videos(1, 1), videos(2, 1), videos(3, NEGATIVES));
            let embed = |videos: &[Vec<f32>]| {
                let x: Tensor<(usize, usize), f32, Cpu> = model.embed(frames(videos, 2, 0.0), Phase::Evaluation).unwrap();
                ops::to_vec(&x).unwrap().chunks(WIDTH).map(<[f32]>::to_vec).collect::<Vec<_>>()
            };
            let before = columns(&bank);
            let batch = ContrastBatch {
                anchors: frames(&anchors, 2, 0.0),
                positives: frames(&positives, 2, 0.0),
                negatives: frames(&negatives, 2, 0.0),
            };
            let logits = bank.contrast(&model, batch, Phase::Evaluation).unwrap();
            let (query, positive) = (&embed(&anchors)[0], &embed(&positives)[0]);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / 0.5;
            let want: Vec<f32> = std::iter::once(positive).chain(&before).map(|key| dot(query, key)).collect();
            prop_assert!(close(&ops::to_vec(&logits.retaped::<NoneTape>()).unwrap(), &want), "the keys before this step's");
            // A deque whose newest keys stand where the oldest did.
            let place = bank.queue_ptr as usize;
            for key in embed(&negatives) {
                ring.pop_front();
                ring.push_back(key);
            }
            let mut unrolled: Vec<Vec<f32>> = ring.iter().cloned().collect();
            unrolled.rotate_right(place % keys);
            let (got, want) = (columns(&bank).concat(), unrolled.concat());
            prop_assert!(close(&got, &want));
        }
    }
}

#[test]
fn published_sizes_have_the_published_numbers_of_parameters() {
    let count = |config: &dyn Fn() -> usize| config();
    assert_eq!(count(&|| Config::<Cpu>::num_parameters(&TcaConfig::new(1024usize))), 8_399_872);
    let two = TcaConfig { layers: 2, ..TcaConfig::new(1024usize) };
    assert_eq!(count(&|| Config::<Cpu>::num_parameters(&two)), 16_799_744);
    assert_eq!(count(&|| Config::<Cpu>::num_parameters(&FrameNetVladConfig::new(1024))), 269_752_960);
    assert_eq!(count(&|| Config::<Cpu>::num_parameters(&FrameNextVladConfig::new(1024))), 20_258_184);
    let recurrent = |cell| Config::<Cpu>::num_parameters(&RecurrentEncoderConfig::new(cell, 1024));
    assert_eq!([recurrent(Cell::Lstm), recurrent(Cell::Gru)], [16_795_648, 12_597_248]);
}

/// The loss in plain loops, with finite differences of its weights held constant.
#[test]
fn the_circle_loss_of_the_paper_weights_the_positive_column() {
    let (rows, columns) = (3usize, 4usize);
    let logits = values(5, rows * columns);
    let loss = CircleLoss { margin: 0.25, gamma: 4.0, weighting: CircleWeighting::Positives };
    let x: Tensor<(usize, usize), f32, Cpu> = ops::to_tensor(&Cpu::default(), logits.clone(), (rows, columns)).unwrap();
    let (m, gamma) = (0.25f64, 4.0f64);
    let alpha: Vec<f64> = logits
        .iter()
        .enumerate()
        .map(|(at, z)| {
            let z = f64::from(*z);
            if at.is_multiple_of(columns) { (1.0 + m - z).max(0.0) } else { (z + m).max(0.0) }
        })
        .collect();
    let of = |z: &[f64]| -> f64 {
        let s = |at: usize| gamma * alpha[at] * (z[at] - if at.is_multiple_of(columns) { 1.0 - m } else { m });
        (0..rows)
            .map(|row| {
                let all = (0..columns).map(|column| s(row * columns + column).exp()).sum::<f64>().ln();
                all - s(row * columns)
            })
            .sum::<f64>()
            / rows as f64
    };
    let z: Vec<f64> = logits.iter().map(|z| f64::from(*z)).collect();
    let y = loss.forward(x.leaky_trace()).unwrap();
    assert!((f64::from(y.retaped::<NoneTape>().as_vec()[0]) - of(&z)).abs() < 1e-5);
    let gradient = y.backward().get(&x).as_vec();
    for (at, got) in gradient.iter().enumerate() {
        let moved = |by: f64| {
            let mut z = z.clone();
            z[at] += by;
            of(&z)
        };
        let want = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!((f64::from(*got) - want).abs() < 1e-5, "{at}: {got} {want}");
    }
    // Without weights it is the cross-entropy.
    let plain = contrast_with_first(x.clone()).unwrap().as_vec()[0];
    let by_hand = (0..rows)
        .map(|row| {
            let row = &z[row * columns..][..columns];
            row.iter().map(|z| z.exp()).sum::<f64>().ln() - row[0]
        })
        .sum::<f64>()
        / rows as f64;
    assert!((f64::from(plain) - by_hand).abs() < 1e-6);
}

const DATA: &str = "tests/data/tca_run";

fn options() -> Options {
    Options {
        pca_components: WIDTH,
        output_dim: WIDTH,
        padding_size: 6,
        neg_num: 2,
        batch_sz: 2,
        moco_k: 8,
        moco_m: 0.0,
        moco_t: 1.0,
        ..Options::default()
    }
}

/// Every encoder and metric; videos of one frame, of as many as the padding, and of more.
#[test]
fn every_encoder_is_evaluated_by_every_metric() {
    let encoders = [EncoderKind::Tca, EncoderKind::Mean, EncoderKind::NetVlad, EncoderKind::NextVlad, EncoderKind::Gru];
    for encoder in encoders {
        for metric in [Metric::Euclidean, Metric::Cosine, Metric::Chamfer, Metric::SymmetricChamfer] {
            let options = Options { encoder, metric, num_clusters: 3, ..options() }.check_evaluation().unwrap();
            let data = TcaRecipe.load(&options, Path::new(DATA), Part::Test).unwrap().split;
            let device = Cpu::default();
            let model = TcaRecipe.model(Setting { options: &options, data: &data, device: &device, seed: 1 }).unwrap();
            let run = || evaluate(&model, &device, &data.features, &data.test, &options).unwrap();
            let report = run();
            assert_eq!((report.counts.queries.found, report.counts.database.found), (16, 16), "{encoder:?} {metric:?}");
            let score = report.scores[0].1;
            // A query of VCDB is relevant to itself and never ranked: at best 1 of 2.
            assert!((0.0..=0.5 + 1e-9).contains(&score), "{encoder:?} {metric:?}: {score}");
            assert_eq!(report.similarities, run().similarities, "windows are a pure function of seed and video");
            assert_eq!(report.ranks.iter().filter(|rank| !rank.is_nan()).count(), 10, "as many have a copy");
        }
    }
}

fn error_of(options: Options, features: FrameFeatures) -> TcaError {
    let options = options.check().unwrap();
    let mut data = TcaRecipe.load(&options, Path::new(DATA), Part::Training).unwrap().split;
    data.features = features;
    let device = Cpu::default();
    let setting = Setting { options: &options, data: &data, device: &device, seed: 0 };
    let mut model = TcaRecipe.model(setting).unwrap();
    let mut task = match TcaRecipe.task(setting, &model) {
        Ok(task) => task,
        Err(error) => return error,
    };
    let batches = task.begin_epoch(&mut model, 0).unwrap();
    let stream = StepStream::new(0);
    for number in 0..batches.count() {
        let start = StepStart { phase: Phase::Training(&stream), before: Gradients::leaky() };
        if let Err(error) = batches.batch(number).and_then(|batch| step(&mut task, &mut model, batch, start)) {
            return error;
        }
    }
    panic!("nothing was refused");
}

fn step<D: OpsDevice>(
    task: &mut TcaTask<'_, D>,
    model: &mut coembed::recipes::tca::TcaEncoder<D>,
    batch: coembed::recipes::tca::PairBatch,
    start: StepStart<'_, D>,
) -> Result<(), TcaError> {
    task.step(model, batch, start).map(|_| ())
}

fn videos(change: impl Fn(usize, Matrix<f32>) -> Option<Matrix<f32>>) -> FrameFeatures {
    let whole = FrameFeatures::open(&Path::new(DATA).join("features.hdf5"), WIDTH, &Limits::default()).unwrap().split;
    let ids = (0..16).map(|i| format!("v{i:02}"));
    let videos = ids.enumerate().filter_map(|(i, id)| Some((id.clone(), change(i, whole.frames(&id).unwrap())?)));
    FrameFeatures::given(videos, WIDTH)
}

#[test]
fn videos_that_cannot_be_trained_on_are_named() {
    let missing = videos(|i, frames| (i != 3 && i != 12).then_some(frames));
    let error = error_of(options(), missing).to_string();
    assert_eq!(error, "2 of 16 videos to train on have no features, the first is \"v03\"");
    let empty = videos(|i, frames| Some(if i == 0 { Matrix::new(vec![], 0, WIDTH).unwrap() } else { frames }));
    let error = error_of(options(), empty).to_string();
    assert!(error.ends_with("video \"v00\": no frames"), "{error}");
    let not_finite = videos(|i, mut frames| {
        if i == 1 {
            frames.row_mut(2)[5] = f32::NAN;
        }
        Some(frames)
    });
    let error = error_of(options(), not_finite).to_string();
    assert!(error.ends_with("video \"v01\": value NaN in dimension 5 of frame 2 is not a finite number"), "{error}");
    let narrow = videos(|i, frames| Some(if i == 4 { Matrix::new(vec![1.0; 6], 2, 3).unwrap() } else { frames }));
    let error = error_of(options(), narrow).to_string();
    assert!(error.ends_with("video \"v04\": features of shape [2, 3], expected frames x 8"), "{error}");
    let few = error_of(Options { neg_num: 7, moco_k: 14, ..options() }, videos(|_, frames| Some(frames)));
    assert_eq!(few.to_string(), "neg_num: 7 negatives of a pair, but there are 6");
    let few = error_of(Options { batch_sz: 6, moco_k: 12, ..options() }, videos(|_, frames| Some(frames)));
    assert_eq!(few.to_string(), "batch_sz: 6 pairs in a batch, but there are 5");
}

/// The queries and videos that are there are counted, and the others left out.
#[test]
fn missing_videos_are_counted_in_an_evaluation() {
    let options = options().check().unwrap();
    let mut data = TcaRecipe.load(&options, Path::new(DATA), Part::Test).unwrap().split;
    data.features = videos(|i, frames| (i != 3).then_some(frames));
    let device = Cpu::default();
    let model = TcaRecipe.model(Setting { options: &options, data: &data, device: &device, seed: 1 }).unwrap();
    let report = evaluate(&model, &device, &data.features, &data.test, &options).unwrap();
    let counts = report.counts;
    assert_eq!((counts.queries.found, counts.queries.expected), (15, 16));
    let printed = coembed::run::Evaluation::published_output(&report).unwrap();
    assert!(
        printed.contains("queries: 15 of 16") && printed.contains("warning: 1 queries have no features"),
        "{printed}"
    );
    data.features = FrameFeatures::given([], WIDTH);
    let error = evaluate(&model, &device, &data.features, &data.test, &options).unwrap_err().to_string();
    assert!(error.contains("no query"), "{error}");
}

#[test]
fn a_file_that_is_no_hdf5_file_is_named() {
    let path = Path::new("tests/data/tca_run/datasets/vcdb.pickle");
    let error = FrameFeatures::open(path, WIDTH, &Limits::default()).unwrap_err().to_string();
    assert!(error.starts_with("tests/data/tca_run/datasets/vcdb.pickle: "), "{error}");
    let error = FrameFeatures::open(Path::new("nowhere.hdf5"), WIDTH, &Limits::default()).unwrap_err().to_string();
    assert!(error.starts_with("nowhere.hdf5: "), "{error}");
}
