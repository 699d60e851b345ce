//! What `docs/extending.md` tells, done outside the crate with its public interface alone: a new expert block, a loss and a
//! metric, and a model trained with them. Every Rust snippet of that page stands in this file.

use coembed::blocks::{Config, Linear, LinearConfig, Parameters};
use coembed::embedding::Embedding;
use coembed::matrix::{Matrix, MatrixView};
use coembed::ops::{self, LayerTape, NORM_EPS, OpError, OpsDevice, RecordingTape};
use coembed::similarity;
use coembed::train::{BatchNumbers, Fit, Purpose, Sgd, SgdConfig, Step, StepStart, Task, Training, rng};
use dfdx::prelude::{
    Axes2, Axis, Cpu, Dim, HasShape, MeanTo, OwnedTape, PermuteTo, SelectTo, Tensor, TensorFromVec, TryMatMul,
    WithEmptyTape,
};
use rand::Rng;
use std::sync::atomic::AtomicBool;

// A block: its description, its built form, its forward.

/// Describes a [`ResidualExpert`] from width `I` to `E`.
#[derive(Debug, Clone, Copy)]
pub struct ResidualExpertConfig<I: Dim, E: Dim> {
    pub inputs: I,
    pub embedding: E,
}

/// `y = norm(h + relu(W h + b))` with `h` a projection of the features.
#[derive(Debug, Clone)]
pub struct ResidualExpert<I: Dim, E: Dim, D: OpsDevice> {
    pub projection: Linear<I, E, D>,
    pub residual: Linear<E, E, D>,
}

impl<I: Dim, E: Dim, D: OpsDevice> Config<D> for ResidualExpertConfig<I, E> {
    type Built = ResidualExpert<I, E, D>;

    fn num_parameters(&self) -> usize {
        let (i, e) = (self.inputs.size(), self.embedding.size());
        i * e + e + e * e + e
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let projection = LinearConfig { inputs: self.inputs, outputs: self.embedding }.build(device, rng)?;
        let residual = LinearConfig { inputs: self.embedding, outputs: self.embedding }.build(device, rng)?;
        Ok(ResidualExpert { projection, residual })
    }
}

impl<I: Dim, E: Dim, D: OpsDevice> ResidualExpert<I, E, D> {
    /// # Shapes
    /// `(B, I)` to `(B, E)`.
    pub fn forward<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, I), f32, D, T>,
    ) -> Result<Tensor<(B, E), f32, D, T::Output>, OpError> {
        let h = self.projection.forward(x)?;
        let residual = ops::relu(self.residual.forward(h.with_empty_tape())?)?;
        ops::l2_normalize(ops::add(residual, h)?, NORM_EPS)
    }
}

impl<I: Dim, E: Dim, D: OpsDevice> Parameters<D> for ResidualExpert<I, E, D> {
    coembed::visit_fields! { D; projection: module, residual: module = "res.fc" }
}

// A loss: embeddings of one space in, a scalar out.

/// Softmax cross-entropy of every video against the captions of its batch: `mean(−log softmax(v tᵀ / τ)ᵢᵢ)`.
pub fn video_to_text_loss<S, B: Dim, E: Dim, T: RecordingTape<Cpu>>(
    video: Embedding<S, B, E, Cpu, T>,
    text: Embedding<S, B, E, Cpu, T>,
    temperature: f32,
) -> Tensor<(), f32, Cpu, T> {
    let (video, text) = (video.into_tensor(), text.into_tensor());
    let (rows, device) = (video.shape().0, video.device().clone());
    let columns: Tensor<(E, B), f32, Cpu, T> = text.permute::<_, Axes2<1, 0>>();
    let scores = video.matmul(columns) / temperature;
    let diagonal = device.tensor_from_vec((0..rows.size()).collect::<Vec<usize>>(), (rows,));
    let log_probabilities: Tensor<(B,), f32, Cpu, T> = scores.log_softmax::<Axis<1>>().select(diagonal);
    -log_probabilities.mean()
}

// A metric: any framework's similarities in, a number out.

/// Mean reciprocal rank of the caption with the video's own number.
pub fn mean_reciprocal_rank(similarity: MatrixView<f32>) -> f64 {
    let reciprocal = |i: usize| {
        let row = similarity.row(i);
        let better = row.iter().filter(|s| **s > row[i]).count();
        1.0 / (1 + better) as f64
    };
    (0..similarity.rows()).map(reciprocal).sum::<f64>() / similarity.rows() as f64
}

// A model of two experts, and a task for the loop.

/// The space of this example.
pub struct Toy;

struct TwoExperts {
    video: ResidualExpert<usize, usize, Cpu>,
    text: ResidualExpert<usize, usize, Cpu>,
}

impl Parameters<Cpu> for TwoExperts {
    coembed::visit_fields! { Cpu; video: module, text: module }
}

struct ToyTask {
    video: Matrix<f32>,
    text: Matrix<f32>,
}

fn rows(matrix: &Matrix<f32>) -> Tensor<(usize, usize), f32, Cpu> {
    ops::to_tensor(&Cpu::default(), matrix.as_slice().to_vec(), (matrix.rows(), matrix.cols())).unwrap()
}

impl Task<Cpu> for ToyTask {
    type Model = TwoExperts;
    type Batches = BatchNumbers<OpError>;
    type Error = OpError;

    fn begin_epoch(&mut self, _: &mut TwoExperts, _: usize) -> Result<BatchNumbers<OpError>, OpError> {
        Ok(BatchNumbers::new(1))
    }

    fn step(&mut self, model: &mut TwoExperts, _: usize, start: StepStart<'_, Cpu>) -> Result<Step<Cpu>, OpError> {
        type Traced = Embedding<Toy, usize, usize, Cpu, OwnedTape<f32, Cpu>>;
        let video: Traced = Embedding::new(model.video.forward(ops::data(rows(&self.video)))?);
        let text: Traced = Embedding::new(model.text.forward(ops::data(rows(&self.text)))?);
        Step::new(video_to_text_loss(video, text, 0.1), start.before)
    }

    fn score_names(&self) -> Vec<String> {
        vec!["MRR".into()]
    }

    fn evaluate(&self, model: &TwoExperts) -> Result<Vec<(String, f64)>, OpError> {
        let embed = |expert: &ResidualExpert<_, _, _>, features| {
            let embedded = expert.forward(rows(features))?;
            let (n, width) = *embedded.shape();
            Ok::<_, OpError>(Matrix::new(ops::to_vec(&embedded)?, n, width).unwrap())
        };
        let (video, text) = (embed(&model.video, &self.video)?, embed(&model.text, &self.text)?);
        let similarity = similarity::inner_product(video.view(), text.view()).unwrap();
        Ok(vec![("MRR".into(), mean_reciprocal_rank(similarity.view()))])
    }
}

#[test]
fn a_block_a_loss_and_a_metric_from_outside_train_together() {
    let mut draw = rng(1, Purpose::Weights, 0, 0);
    // Captions are a fixed linear map of the videos, hidden in noise dimensions.
    let video = Matrix::from_fn(24, 6, |_, _| draw.random_range(-1.0..1.0f32));
    let text = Matrix::from_fn(24, 5, |i, j| video.row(i)[j] - 0.5 * video.row(i)[j + 1]);
    let config = |inputs| ResidualExpertConfig { inputs, embedding: 16usize };
    let device = Cpu::default();
    let mut model = TwoExperts {
        video: config(6).build(&device, &mut draw).unwrap(),
        text: config(5).build(&device, &mut draw).unwrap(),
    };
    let arithmetic: usize = [6, 5].map(|inputs| Config::<Cpu>::num_parameters(&config(inputs))).iter().sum();
    assert_eq!(coembed::blocks::num_parameters(&model), arithmetic);
    let names: Vec<String> = coembed::train::state_dict(&model).unwrap().into_keys().collect();
    assert!(names.contains(&"video.res.fc.weight".to_string()), "{names:?}");

    let mut task = ToyTask { video, text };
    let before = task.evaluate(&model).unwrap()[0].1;
    let mut optimizer = Sgd::new(SgdConfig { learning_rate: 0.3, momentum: 0.9, groups: vec![] });
    let fit = Fit { epochs: 150, ..Fit::default() };
    let training = Training { task: &mut task, model: &mut model, optimizer: &mut optimizer, device: &device };
    fit.run(training, None, &mut (), &AtomicBool::new(false)).unwrap();
    let after = task.evaluate(&model).unwrap()[0].1;
    assert!(before < 0.4 && after > 0.9, "MRR {before} -> {after}");
}

#[test]
fn the_page_quotes_this_file() {
    let page = include_str!("../docs/extending.md");
    for (source, file, fence, least) in [
        // A block, a loss, a metric and a task; a kind of expert and a set.
        (include_str!("extending.rs"), "tests/extending.rs", "```rust,ignore\n", 4),
        (include_str!("../examples/custom.rs"), "examples/custom.rs", "```rust,ignore,custom\n", 2),
    ] {
        let snippets: Vec<&str> = page.split(fence).skip(1).filter_map(|s| s.split("```").next()).collect();
        assert!(snippets.len() >= least, "{file} is quoted");
        for snippet in snippets {
            assert!(source.contains(snippet.trim()), "docs/extending.md shows what {file} does not have:\n{snippet}");
        }
    }
}
