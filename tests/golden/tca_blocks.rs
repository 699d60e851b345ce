//! Temporal Context Aggregation: blocks, losses, training steps, similarities.

use coembed::blocks::{
    Cell, FrameNetVladConfig, FrameNextVladConfig, Frames, Parameters, Path, Phase, RecurrentConfig, Role,
    SelfAttentionConfig, TransformerEncoderConfig, TransformerLayerConfig, Visitor, centroid_assignment,
};
use coembed::losses::{CircleLoss, CircleWeighting};
use coembed::matrix::Matrix;
use coembed::models::{
    ContrastBatch, MomentumContrast, MomentumContrastConfig, RecurrentEncoderConfig, Tca, TcaConfig, VideoEncoder,
};
use coembed::ops::{self, AttentionOptions, OpError, WeightDecay};
use coembed::similarity::{
    FrameSets, Measure, TemporalNetwork, chamfer, cosine_as_published, dp_as_published, euclidean_per_item,
    symmetric_chamfer,
};
use coembed::train::{AdamConfig, AnyOptimizer, Optimizer, OptimizerConfig, Purpose, StateValues, rng, state_dict};
use dfdx::prelude::{Axes3, Backward, Gradients, NoneTape, OwnedTape, Shape, SumTo, Tensor, Trace};

use crate::ce_blocks::build;
use crate::support::{Case, Dev, training};

type Sequences<T = NoneTape> = Tensor<(usize, usize, usize), f32, Dev, T>;
type Traced<S> = Tensor<S, f32, Dev, OwnedTape<f32, Dev>>;

/// A tensor of three axes, or of four whose first two become one.
pub fn sequences(case: &Case, name: &str) -> Sequences {
    let shape = case.shape(name);
    let [outer @ .., steps, width] = shape else { panic!("{name}: {shape:?}") };
    ops::to_tensor(&Dev::default(), case.f32(name), (outer.iter().product(), *steps, *width)).unwrap()
}

/// `(T, B, C)` to `(B, T, C)` and back.
fn swapped<T: dfdx::prelude::Tape<f32, Dev>>(x: Sequences<T>) -> Sequences<T> {
    ops::permute::<_, _, Axes3<1, 0, 2>, _, _>(x, Axes3::<1, 0, 2>).unwrap()
}

/// `(B, C, T)` to `(B, T, C)`.
pub fn frame_by_frame<T: dfdx::prelude::Tape<f32, Dev>>(x: Sequences<T>) -> Sequences<T> {
    ops::permute::<_, _, Axes3<0, 2, 1>, _, _>(x, Axes3::<0, 2, 1>).unwrap()
}

pub fn lengths(case: &Case, name: &str) -> Vec<usize> {
    case.f64(name).into_iter().map(|length| length as usize).collect()
}

fn size(case: &Case, name: &str) -> usize {
    case.number(name) as usize
}

/// Loss `Σ w · y`, compared, and its gradients.
pub fn weighted<S: Shape>(case: &Case, y: Traced<S>) -> Gradients<f32, Dev> {
    let shape = *dfdx::prelude::HasShape::shape(&y);
    let weights = ops::to_tensor(&Dev::default(), case.f32("input.w"), shape).unwrap();
    let loss = (y * weights).sum::<(), _>();
    case.compare_tensor("output.loss", &loss.retaped::<NoneTape>());
    loss.backward()
}

/// A block over `(T, B, C)` with a padding mask.
fn masked<M: Parameters<Dev>>(
    case: &Case,
    block: &M,
    forward: impl Fn(
        Traced<(usize, usize, usize)>,
        &Tensor<(usize, usize), f32, Dev>,
    ) -> Result<Traced<(usize, usize, usize)>, OpError>,
) {
    let x = sequences(case, "input.x");
    let padding = case.i64("input.pad_mask").into_iter().map(|padding| 1.0 - padding as f32).collect();
    let shape = case.shape("input.pad_mask");
    let valid = ops::to_tensor(&Dev::default(), padding, (shape[0], shape[1])).unwrap();
    let y = swapped(forward(swapped(x.leaky_trace()), &valid).unwrap());
    case.compare_tensor("output.y", &y.retaped::<NoneTape>());
    let gradients = weighted(case, y);
    case.compare_gradient("grad.input.x", &gradients, &x);
    if case.names("grad.param.").is_empty() {
        return;
    }
    case.compare_gradients(block, gradients);
}

fn layer(case: &Case) -> TransformerLayerConfig<usize> {
    let [width, heads, hidden] = ["C", "n_head", "ff_hidden"].map(|name| size(case, name));
    TransformerLayerConfig { width, heads, hidden, dropout: 0.0 }
}

fn model(case: &Case, layers: usize) -> TcaConfig<usize> {
    let TransformerLayerConfig { width, heads, hidden, dropout } = layer(case);
    TcaConfig { width, layers, heads, hidden, dropout }
}

pub fn attn_mask() {
    let case = Case::load("tca", "attn_mask");
    let TransformerLayerConfig { width, heads, .. } = layer(&case);
    let mut attention = build(SelfAttentionConfig { width, heads, dropout: 0.0 });
    case.load_into(&mut attention);
    masked(&case, &attention, |x, valid| attention.forward(x, Some(valid), Phase::Evaluation));

    // The weights themselves: what the same operation makes of values that are one where a frame is in its place of the head.
    let x = swapped(sequences(&case, "input.x"));
    let (batch, steps, _) = *dfdx::prelude::HasShape::shape(&x);
    let packed =
        ops::to_vec(&ops::linear(x, &attention.in_proj_weight, Some(&attention.in_proj_bias)).unwrap()).unwrap();
    let padding: Vec<f32> = case.i64("input.pad_mask").into_iter().map(|padding| 1.0 - padding as f32).collect();
    let valid = ops::to_tensor(&Dev::default(), padding, (batch, steps)).unwrap();
    let options = AttentionOptions { keys: Some(&valid), ..AttentionOptions::new(heads) };
    let (head, mut mean) = (width / heads, vec![0.0f64; batch * steps * steps]);
    for first in (0..steps).step_by(head) {
        let mut marked = packed.clone();
        for (row, values) in marked.chunks_mut(3 * width).enumerate() {
            for (column, value) in values[2 * width..].iter_mut().enumerate() {
                *value = f32::from(row % steps == first + column % head);
            }
        }
        let marked = ops::to_tensor(&Dev::default(), marked, (batch, steps, 3 * width)).unwrap();
        let weights = ops::to_vec(&ops::self_attention(marked, width, &options).unwrap()).unwrap();
        for (row, values) in weights.chunks(width).enumerate() {
            for (column, value) in values.iter().enumerate().filter(|(column, _)| first + column % head < steps) {
                mean[row * steps + first + column % head] += f64::from(*value) / heads as f64;
            }
        }
    }
    case.compare("output.attn_mean_over_heads", &mean);
    case.finish();
}

pub fn encoder_layer() {
    let case = Case::load("tca", "encoder_layer");
    let mut block = build(layer(&case));
    case.load_into(&mut block);
    masked(&case, &block, |x, valid| block.forward(x, Some(valid), Phase::Evaluation));
    case.finish();
}

pub fn encoder_stack() {
    let case = Case::load("tca", "encoder_stack");
    let mut block = build(TransformerEncoderConfig { layer: layer(&case), layers: size(&case, "n_layers") });
    case.load_into(&mut block);
    masked(&case, &block, |x, valid| block.forward(x, Some(valid), Phase::Evaluation));
    case.finish();
}

pub fn tca_forward() {
    let case = Case::load("tca", "tca_forward");
    let mut tca = build(model(&case, size(&case, "n_layers")));
    case.load_into(&mut tca);
    let (x, lengths) = (sequences(&case, "input.x"), lengths(&case, "input.lengths"));
    let embed = |x: Traced<_>| {
        tca.forward(Frames::of_lengths(frame_by_frame(x), &lengths).unwrap(), Phase::Evaluation).unwrap()
    };
    let y = embed(x.leaky_trace());
    case.compare_tensor("output.embedding", &y.retaped::<NoneTape>());
    // Lengths of the published program may be a column of floats; here they are numbers of frames.
    case.compare_tensor("output.embedding_float_lengths_column", &y.retaped::<NoneTape>());
    let garbage = sequences(&case, "input.x_garbage_padding");
    case.compare_tensor("output.embedding_garbage_padding", &embed(garbage.leaky_trace()).retaped::<NoneTape>());
    let gradients = weighted(&case, y);
    case.compare_gradient("grad.input.x", &gradients, &x);
    case.compare_gradients(&tca, gradients);
    case.finish();
}

pub fn tca_encode() {
    let case = Case::load("tca", "tca_encode");
    let mut tca = build(model(&case, size(&case, "n_layers")));
    case.load_into(&mut tca);
    for video in 0..case.names("input.x").len() {
        let x = frame_by_frame(sequences(&case, &format!("input.x{video}")));
        let length = lengths(&case, &format!("input.length{video}"))[0];
        let frames = Frames::of_lengths(x, &[length]).unwrap();
        let steps = frames.shape().1.min(length);
        let encoded = ops::to_vec(&tca.encode(frames, Phase::Evaluation).unwrap()).unwrap();
        let valid = &encoded[..steps * size(&case, "C")];
        case.compare_f32(&format!("output.frames{video}"), valid);
    }
    case.finish();
}

/// Loss, gradients and running statistics of a video encoder, and its sets of vectors.
fn aggregator<M: VideoEncoder<Dev>>(case: &Case, mut encoder: M, phase: Phase) -> M {
    case.load_into(&mut encoder);
    let (x, lengths) = (sequences(case, "input.x"), lengths(case, "input.lengths"));
    let frames = |x| Frames::of_lengths(frame_by_frame(x), &lengths).unwrap();
    let y = encoder.embed(frames(x.leaky_trace()), phase).unwrap();
    case.compare_tensor("output.embedding", &y.retaped::<NoneTape>());
    let gradients = weighted(case, y);
    case.compare_gradient("grad.input.x", &gradients, &x);
    case.compare_gradients(&encoder, gradients);
    case.compare_state("output.after.", &state_dict(&encoder).unwrap());
    if case.has("output.encode") {
        let (sets, _) = encoder.embed_frames(frames(x.leaky_trace()), phase).unwrap().into_parts();
        case.compare_tensor("output.encode", &sets.retaped::<NoneTape>());
    }
    encoder
}

fn net_vlad(name: &str, phase: Phase) {
    let case = Case::load("tca", name);
    let config = FrameNetVladConfig {
        clusters: size(&case, "clusters"),
        outputs: size(&case, "output_dim"),
        reduction: size(&case, "gating_reduction"),
        normalize_input: size(&case, "normalize_input") == 1,
        dropout: 0.0,
        ..FrameNetVladConfig::new(size(&case, "C"))
    };
    aggregator(&case, build(config), phase);
    case.finish();
}

pub fn netvlad_eval() {
    net_vlad("netvlad_eval", Phase::Evaluation);
}

pub fn netvlad_train() {
    net_vlad("netvlad_train", training());
}

fn next_vlad(name: &str, phase: Phase) {
    let case = Case::load("tca", name);
    let config = FrameNextVladConfig {
        width: size(&case, "C"),
        clusters: size(&case, "clusters"),
        outputs: size(&case, "output_dim"),
        expansion: size(&case, "expansion"),
        groups: size(&case, "groups"),
        reduction: size(&case, "gating_reduction"),
        normalize_input: size(&case, "normalize_input") == 1,
        dropout: 0.0,
    };
    aggregator(&case, build(config), phase);
    case.finish();
}

pub fn nextvlad_eval() {
    next_vlad("nextvlad_eval", Phase::Evaluation);
}

pub fn nextvlad_train() {
    next_vlad("nextvlad_train", training());
}

pub fn netvlad_init() {
    let case = Case::load("tca", "netvlad_init");
    let conv = centroid_assignment(&case.tensor("param.centroids"), case.number("alpha") as f32).unwrap();
    case.compare_tensor("output.conv.weight", &conv.weight);
    case.compare_tensor("output.conv.bias", &conv.bias.unwrap().bias);
    case.finish();
}

fn recurrent(name: &str, cell: Cell) {
    let case = Case::load("tca", name);
    let network = RecurrentConfig {
        cell,
        inputs: size(&case, "C"),
        hidden: size(&case, "hidden"),
        layers: size(&case, "n_layers"),
        dropout: 0.0,
    };
    let encoder = aggregator(&case, build(RecurrentEncoderConfig { network }), Phase::Evaluation);
    for video in 0..case.names("input.enc_x").len() {
        let x = frame_by_frame(sequences(&case, &format!("input.enc_x{video}")));
        let length = lengths(&case, &format!("input.enc_length{video}"))[0];
        let frames = Frames::of_lengths(x, &[length]).unwrap();
        let (states, count) = encoder.embed_frames(frames, Phase::Evaluation).unwrap().into_parts();
        let valid = count(length) * network.hidden;
        case.compare_f32(&format!("output.enc_frames{video}"), &ops::to_vec(&states).unwrap()[..valid]);
    }
    case.finish();
}

pub fn lstm() {
    recurrent("lstm", Cell::Lstm);
}

pub fn gru() {
    recurrent("gru", Cell::Gru);
}

/// The trained encoder and the rest, under the names of the published training model.
struct Published {
    encoder_q: Tca<usize, Dev>,
    contrast: MomentumContrast<Tca<usize, Dev>, Dev>,
}

impl Parameters<Dev> for Published {
    coembed::visit_fields! { Dev; encoder_q: module, contrast: flat }
}

impl Published {
    fn load(case: &Case) -> Self {
        let encoder_q = build(model(case, size(case, "n_layers")));
        let config = MomentumContrastConfig {
            width: size(case, "C"),
            keys: size(case, "K"),
            momentum: case.number("m") as f32,
            temperature: case.number("temperature") as f32,
        };
        let device = Dev::default();
        let contrast = config.build(&encoder_q, &device, &mut rng(0, Purpose::Weights, 0, 0)).unwrap();
        let mut model = Self { encoder_q, contrast };
        let mut entries = case.parameters();
        let queries: Vec<_> = entries
            .iter()
            .filter_map(|(name, tensor)| {
                Some((format!("encoder_k.{}", name.strip_prefix("encoder_q.")?), tensor.clone()))
            })
            .collect();
        // Where the key encoder is not stored, it begins as the trained one.
        queries.into_iter().for_each(|(name, tensor)| {
            entries.entry(name).or_insert(tensor);
        });
        let report = coembed::train::load(&mut model, &entries).unwrap();
        assert!(report.is_complete(), "{report}");
        assert_eq!(model.contrast.queue_ptr, case.number("queue_ptr_before") as u64);
        model
    }

    fn logits(&mut self, case: &Case, prefix: &str) -> Traced<(usize, usize)> {
        let frames = |name: &str| {
            let x = frame_by_frame(sequences(case, &format!("{prefix}{name}")));
            Frames::of_lengths(x, &lengths(case, &format!("{prefix}len_{name}"))).unwrap()
        };
        let batch = ContrastBatch { anchors: frames("a"), positives: frames("p"), negatives: frames("n") };
        self.contrast.contrast(&self.encoder_q, batch, training()).unwrap()
    }

    /// Compares the state without what noise decides after a step: the biases of the keys.
    fn compare(&self, case: &Case, prefix: &str, after_step: bool) {
        for (name, tensor) in state_dict(self).unwrap() {
            let stored = format!("{prefix}{name}");
            match tensor.values {
                StateValues::I64(values) => case.compare(&stored, &[values[0] as f64]),
                StateValues::F32(mut values) if case.has(&stored) => {
                    if after_step && name.ends_with("in_proj_bias") {
                        keys_of_bias(case, &stored, &mut values);
                    }
                    case.compare_f32(&stored, &values);
                }
                StateValues::F32(_) => {}
            }
        }
    }
}

/// Puts the fixture's biases of the keys in the place of ours.
fn keys_of_bias(case: &Case, stored: &str, values: &mut [f32]) {
    let third = values.len() / 3;
    values[third..2 * third].copy_from_slice(&case.f32(stored)[third..2 * third]);
}

fn moco(name: &str) {
    let case = Case::load("tca", name);
    let mut model = Published::load(&case);
    let logits = model.logits(&case, "input.");
    case.compare_tensor("output.logits", &logits.retaped::<NoneTape>());
    // The positive stands in column 0.
    case.compare("output.labels", &vec![0.0; case.shape("output.labels")[0]]);
    let gradients = weighted(&case, logits);
    model.compare(&case, "output.after.", false);
    for name in case.names("grad.param.") {
        let parameter = &name["grad.param.encoder_q.".len()..];
        case.compare_f32(&name, &gradient_of(&model.encoder_q, &gradients, parameter));
    }
    case.finish();
}

pub fn moco_step() {
    moco("moco_step");
}

pub fn moco_step_m0() {
    moco("moco_step_m0");
}

fn circle(case: &Case) -> CircleLoss {
    let [margin, gamma] = ["margin", "gamma"].map(|name| case.number(name) as f32);
    CircleLoss { margin, gamma, weighting: CircleWeighting::FirstRow }
}

fn circle_loss(name: &str) {
    let case = Case::load("tca", name);
    assert!(case.i64("input.labels").iter().all(|label| *label == 0));
    let logits = case.tensor::<usize, usize>("input.logits");
    let loss = circle(&case).forward(logits.leaky_trace()).unwrap();
    case.compare_tensor("output.loss", &loss.retaped::<NoneTape>());
    case.compare_gradient("grad.input.logits", &loss.backward(), &logits);
    case.finish();
}

pub fn circle_loss_paper() {
    circle_loss("circle_loss_paper");
}

pub fn circle_loss_soft() {
    circle_loss("circle_loss_soft");
}

pub fn circle_loss_b1() {
    circle_loss("circle_loss_b1");
}

pub fn circle_loss_b1_soft() {
    circle_loss("circle_loss_b1_soft");
}

pub fn circle_loss_saturated() {
    circle_loss("circle_loss_saturated");
}

fn train_step(name: &str) {
    let case = Case::load("tca", name);
    let mut model = Published::load(&case);
    let config = AdamConfig {
        learning_rate: case.number("lr") as f32,
        weight_decay: WeightDecay::Penalty(case.number("weight_decay") as f32),
        ..AdamConfig::default()
    };
    let mut optimizer: AnyOptimizer<Dev> = OptimizerConfig::Adam(config).build().unwrap();
    for step in 1..=size(&case, "steps") {
        let logits = model.logits(&case, &format!("input.step{step}."));
        case.compare_tensor(&format!("output.step{step}.logits"), &logits.retaped::<NoneTape>());
        let loss = circle(&case).forward(logits).unwrap();
        case.compare_tensor(&format!("output.step{step}.loss"), &loss.retaped::<NoneTape>());
        let gradients = loss.backward();
        if step == 1 {
            for name in case.names("grad.step1.param.") {
                let parameter = &name["grad.step1.param.encoder_q.".len()..];
                let gradient = gradient_of(&model.encoder_q, &gradients, parameter);
                case.compare_f32(&name, &gradient);
            }
        }
        optimizer.step(&mut model.encoder_q, gradients).unwrap();
        model.compare(&case, &format!("output.step{step}.after."), true);
    }
    let state = optimizer.state().unwrap();
    for (published, ours) in [("exp_avg_sq", "second_moment"), ("exp_avg", "first_moment")] {
        for name in case.names(&format!("output.adam.{published}.")) {
            let parameter = &name[format!("output.adam.{published}.encoder_q.").len()..];
            let StateValues::F32(values) = &state[&format!("{parameter}.{ours}")].values else { panic!("{name}") };
            let mut values = values.clone();
            if name.ends_with("in_proj_bias") {
                keys_of_bias(&case, &name, &mut values);
            }
            case.compare_f32(&name, &values);
        }
    }
    case.finish();
}

fn gradient_of(model: &impl Parameters<Dev>, gradients: &Gradients<f32, Dev>, name: &str) -> Vec<f32> {
    struct Find<'a>(&'a Gradients<f32, Dev>, &'a str, Option<Vec<f32>>);
    impl Visitor<Dev> for Find<'_> {
        type Error = OpError;

        fn tensor<S: Shape>(&mut self, path: &Path, _: Role, tensor: &Tensor<S, f32, Dev>) -> Result<(), OpError> {
            if path.to_string() == self.1 {
                self.2 = Some(ops::to_vec(&self.0.get(tensor))?);
            }
            Ok(())
        }
    }
    let mut find = Find(gradients, name, None);
    model.visit(&Path::ROOT, &mut find).unwrap();
    find.2.unwrap_or_else(|| panic!("no parameter {name}"))
}

pub fn train_step_paper() {
    train_step("train_step_paper");
}

pub fn train_step_soft() {
    train_step("train_step_soft");
}

fn pairs(queries: &[Matrix<f32>], items: &[Matrix<f32>], of: impl Fn(&Matrix<f32>, &Matrix<f32>) -> f64) -> Vec<f64> {
    queries.iter().flat_map(|query| items.iter().map(|item| of(query, item)).collect::<Vec<_>>()).collect()
}

fn sets(matrix: &Matrix<f32>) -> [usize; 2] {
    [0, matrix.rows()]
}

pub fn chamfer_of(query: &Matrix<f32>, item: &Matrix<f32>) -> f64 {
    let (of_query, of_item) = (sets(query), sets(item));
    let query = FrameSets::new(query.view(), &of_query).unwrap();
    let item = FrameSets::new(item.view(), &of_item).unwrap();
    f64::from(chamfer(query, item, Measure::InnerProduct).unwrap().as_slice()[0])
}

pub fn similarities() {
    let case = Case::load("tca", "similarities");
    let all = |prefix: &str| case.names(prefix).iter().map(|name| case.matrix(name)).collect::<Vec<_>>();
    let (queries, items) = (all("input.query"), all("input.target"));
    case.compare("output.chamfer", &pairs(&queries, &items, chamfer_of));
    let symmetric = |query: &Matrix<f32>, item: &Matrix<f32>| {
        let (of_query, of_item) = (sets(query), sets(item));
        let query = FrameSets::new(query.view(), &of_query).unwrap();
        let item = FrameSets::new(item.view(), &of_item).unwrap();
        f64::from(symmetric_chamfer(query, item, Measure::InnerProduct).unwrap().as_slice()[0])
    };
    case.compare("output.symmetric_chamfer", &pairs(&queries, &items, symmetric));
    let (queries, items) = (case.matrix("input.video_queries"), case.matrix("input.video_targets"));
    let zero = Matrix::from_fn(1, queries.cols(), |_, _| 0.0f32);
    let cosine = |items: &Matrix<f32>| cosine_as_published(queries.view(), items.view()).unwrap();
    case.compare_f32("output.cosine", cosine(&items).as_slice());
    case.compare_f32("output.cosine_zero_target", cosine(&zero).as_slice());
    let euclidean = |items: &Matrix<f32>| euclidean_per_item(queries.view(), items.view()).unwrap();
    case.compare("output.euclidean", euclidean(&items).as_slice());
    case.compare("output.euclidean_zero_target", euclidean(&zero).as_slice());
    case.finish();
}

fn frame_similarities(case: &Case, prefix: &str) -> Matrix<f32> {
    let [query, item] = ["query", "target"].map(|name| case.matrix(&format!("{prefix}{name}")));
    coembed::similarity::inner_product(query.view(), item.view()).unwrap()
}

pub fn tn_dp() {
    let case = Case::load("tca", "tn_dp");
    let similarity = frame_similarities(&case, "input.");
    let loose = TemporalNetwork { top_k: 3, min_similarity: 0.3, max_step: 4 };
    case.compare("output.tn_default", &[TemporalNetwork::default().score(similarity.view())]);
    case.compare("output.tn_loose", &[loose.score(similarity.view())]);
    case.compare("output.dp", &[dp_as_published(similarity.view(), 10)]);
    case.finish();
}

pub fn dp_similarity() {
    let case = Case::load("tca", "dp_similarity");
    for name in case.names("output.").iter().filter_map(|name| name.strip_suffix(".dp")) {
        let prefix = name.replace("output.", "input.") + ".";
        let similarity = frame_similarities(&case, &prefix);
        let phi = case.i64(&format!("{prefix}phi"))[0];
        case.compare(&format!("{name}.dp"), &[dp_as_published(similarity.view(), phi)]);
        let [query, item] = ["query", "target"].map(|side| case.matrix(&format!("{prefix}{side}")));
        case.compare(&format!("{name}.chamfer"), &[chamfer_of(&query, &item)]);
    }
    case.finish();
}
