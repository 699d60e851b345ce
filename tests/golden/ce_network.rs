//! Collaborative Experts and its relatives: the network, its losses and training steps.

use std::collections::BTreeMap;

use coembed::blocks::{
    Activation, Availability, ExpertConfig, ExpertFeatures, ExpertList, Frames, Phase, Pooled, Pooling,
    ReasoningConfig, Relation,
};
use coembed::losses::{MaxMarginLoss, TeacherEmbeddings, TeacherScale, distillation, teacher_similarity};
use coembed::models::collaborative_experts::{average_captions, clear_missing};
use coembed::models::{
    CollaborativeExperts, CollaborativeExpertsConfig, Design, MixtureWeights, Mnnet, MnnetConfig, Moee, MoeeConfig,
    MoeeExpert, MoeeFeatures, TextEmbedding, TextPooling,
};
use coembed::ops;
use coembed::train::{Optimizer, RAdam, RAdamConfig, Ranger, RangerConfig, state_dict};
use dfdx::prelude::{Backward, Gradients, NoneTape, OwnedTape, PutTape, Shape, SplitTape, SumTo, Tensor, Trace};

use crate::ce_blocks::build;
use crate::support::{Case, Dev, training};

type Network = CollaborativeExperts<ExpertList, usize, usize, Dev>;
type Traced<S> = Tensor<S, f32, Dev, OwnedTape<f32, Dev>>;
type Rows = Tensor<(usize, usize), f32, Dev>;

fn load(name: &str) -> Case {
    Case::load("ce", name)
}

fn rank3(case: &Case, name: &str) -> Tensor<(usize, usize, usize), f32, Dev> {
    let shape = case.shape(name);
    let [.., rows, steps, width] = shape else { panic!("{name} has the shape {shape:?}") };
    // A leading axis of captions is folded into the rows.
    let leading: usize = shape[..shape.len() - 3].iter().product();
    ops::to_tensor(&Dev::default(), case.f32(name), (leading * rows, *steps, *width)).unwrap()
}

/// `(.., E)` as rows.
fn rows(case: &Case, name: &str) -> Rows {
    let width = *case.shape(name).last().unwrap();
    let values = case.f32(name);
    ops::to_tensor(&Dev::default(), values.clone(), (values.len() / width, width)).unwrap()
}

fn flag(case: &Case, key: &str) -> bool {
    matches!(case.meta(key), "1" | "True" | "true")
}

fn names(case: &Case) -> Vec<String> {
    case.meta("expert_order").split(',').map(String::from).collect()
}

fn available(case: &Case, names: &[String]) -> Availability {
    let flags = |name: &String| case.f32(&format!("input.ind.{name}")).iter().map(|ind| *ind == 1.0).collect();
    Availability::new(&names.iter().map(flags).collect::<Vec<Vec<bool>>>()).unwrap()
}

fn reasoning(case: &Case) -> Option<ReasoningConfig> {
    // The cases of several captions are of the complete CE network, and do not say which relation that has.
    let relation = match if case.has_meta("use_ce") { case.meta("use_ce") } else { "pairwise" } {
        "pairwise" => Relation::Pairwise,
        "pairwise-star" => Relation::PairwiseStar,
        "pairwise-star-specific" => Relation::PairwiseStarSpecific,
        "pairwise-star-tensor" => Relation::PairwiseStarTensor,
        "triplet" => Relation::Triplet,
        "" => return None,
        other => panic!("unknown relation {other}"),
    };
    Some(ReasoningConfig {
        relation,
        // The case of the tensor relation, which has no partners, does not say.
        include_self: relation == Relation::PairwiseStarTensor || flag(case, "include_self"),
        activation: if flag(case, "use_mish") { Activation::Mish } else { Activation::Relu },
        batch_norm: flag(case, "use_bn_reason"),
        g_layers: case.meta("num_g_layers").parse().unwrap(),
        h_layers: case.meta("num_h_layers").parse().unwrap(),
    })
}

/// Sizes are those of the parameters in the fixture.
fn width_of(case: &Case, parameter: &str) -> Option<usize> {
    case.has(parameter).then(|| case.shape(parameter)[0])
}

fn design(case: &Case, mimic: bool, concatenated: bool, mixed: bool) -> Design {
    match reasoning(case) {
        Some(reasoning) => Design::Collaborative(reasoning),
        None if mimic => Design::Projected,
        None if concatenated => Design::Concatenated,
        None if mixed => Design::ConcatenatedGated,
        None => Design::Own,
    }
}

/// The network of a case that gives pooled experts and pooled texts: a `ce` module alone.
fn module(case: &Case, names: &[String]) -> Network {
    let has = |key| case.meta("case") != "ce_pairwise_star_tensor" && flag(case, key);
    let design = design(case, has("mimic_ce_dims"), has("concat_experts"), has("concat_mix_experts"));
    let joint = width_of(case, "param.video_GU.0.fc.weight");
    let expert = |(i, name): (usize, &String)| {
        // Of a joint unit only the sum of the widths is known.
        let own = match design {
            Design::ConcatenatedGated => joint.map(|joint| if i == 0 { joint - (names.len() - 1) } else { 1 }),
            _ => width_of(case, &format!("param.video_GU.{i}.fc.weight")),
        };
        ExpertConfig {
            name: name.clone(),
            width: case.shape(&format!("input.expert.{name}"))[1],
            pooling: Pooling::None,
            own_width: own,
        }
    };
    let config = CollaborativeExpertsConfig {
        experts: ExpertList(names.iter().enumerate().map(expert).collect()),
        words: *case.shape("input.text").last().unwrap(),
        text: TextPooling::Identity,
        common: width_of(case, "param.video_dim_reduce.0.fc.weight").unwrap_or(1),
        design,
        weights: match (has("keep_missing_modalities"), has("freeze_weights")) {
            (true, _) => MixtureWeights::Sum,
            (_, true) => MixtureWeights::Uniform,
            _ => MixtureWeights::Text,
        },
    };
    let mut network = build(config);
    case.load_into(&mut network.ce);
    network
}

fn margin_loss(case: &Case) -> MaxMarginLoss {
    MaxMarginLoss { margin: case.number("margin") as f32, fix_norm: flag(case, "fix_norm") }
}

fn values<S: Shape>(t: &Traced<S>) -> Tensor<S, f32, Dev> {
    t.retaped::<NoneTape>()
}

/// Gradient, or zeros for what a design does not use.
fn gradient<S: Shape>(gradients: &mut Gradients<f32, Dev>, of: &Tensor<S, f32, Dev>) -> Tensor<S, f32, Dev> {
    gradients.try_alloc_for(of).unwrap();
    gradients.get(of)
}

/// Embeddings by expert; a joint one belongs to each of them.
fn compare_embeddings(case: &Case, prefix: &str, names: &[String], embeddings: &[Rows]) {
    for (i, name) in names.iter().enumerate() {
        let stored = format!("{prefix}.{name}");
        if case.has(&stored) {
            case.compare_tensor(&stored, embeddings.get(i).unwrap_or(&embeddings[0]));
        }
    }
}

fn compare_loss(case: &Case, loss: &Tensor<(), f32, Dev, OwnedTape<f32, Dev>>) {
    case.compare_tensor("output.loss", &loss.retaped::<NoneTape>());
}

fn ce_module(name: &str) {
    let case = load(name);
    let names = names(&case);
    let network = module(&case, &names);
    let available = available(&case, &names);
    let text = rows(&case, "input.text");
    let experts: Vec<Rows> = names.iter().map(|name| rows(&case, &format!("input.expert.{name}"))).collect();
    let joint = matches!(names.len(), n if n > 1) && case.meta("case").starts_with("ce_concat");
    for (phase, prefix) in [(Phase::Evaluation, "output.eval"), (training(), "output.train")] {
        if !case.has(&format!("{prefix}.cross_view_conf_matrix")) {
            continue;
        }
        let pooled = experts.iter().map(|x| Pooled::Data(x.leaky_trace())).collect();
        let video = network.ce.embed_video(pooled, &available, phase).unwrap();
        let texts = network.ce.embed_text(text.leaky_trace(), phase).unwrap();
        // Of the concatenated designs the fixture shows the experts themselves.
        let shown = if joint { experts.clone() } else { video.0.iter().map(values).collect() };
        compare_embeddings(&case, &format!("{prefix}.vid_embd"), &names, &shown);
        let shown: Vec<Rows> = texts.experts.iter().map(values).collect();
        compare_embeddings(&case, &format!("{prefix}.text_embd"), &names, &shown);
        if case.has("output.moe_weights") {
            case.compare_tensor("output.moe_weights", &values(&texts.weights));
        }
        let similarity = network.ce.similarity(texts, video, &available).unwrap();
        case.compare_tensor(&format!("{prefix}.cross_view_conf_matrix"), &values(&similarity));
        if phase.is_training() {
            let loss = margin_loss(&case).forward(similarity).unwrap();
            compare_loss(&case, &loss);
            let mut gradients = loss.backward();
            case.compare_tensor("grad.input.text", &gradient(&mut gradients, &text));
            for (name, x) in names.iter().zip(&experts) {
                case.compare_tensor(&format!("grad.input.expert.{name}"), &gradient(&mut gradients, x));
            }
            case.compare_gradients(&network.ce, gradients);
            case.compare_state("output.buffer_after.", &state_dict(&network.ce).unwrap());
        }
    }
    case.finish();
}

pub fn ce_concat_mix() {
    ce_module("ce_concat_mix");
}

pub fn ce_concat_text_longer() {
    ce_module("ce_concat_text_longer");
}

pub fn ce_concat_text_shorter() {
    ce_module("ce_concat_text_shorter");
}

pub fn ce_keep_missing() {
    ce_module("ce_keep_missing");
}

pub fn ce_mimic_dims() {
    ce_module("ce_mimic_dims");
}

pub fn ce_moee() {
    ce_module("ce_moee");
}

pub fn ce_moee_frozen_weights() {
    ce_module("ce_moee_frozen_weights");
}

pub fn ce_pairwise_default() {
    ce_module("ce_pairwise_default");
}

pub fn ce_pairwise_g2h2() {
    ce_module("ce_pairwise_g2h2");
}

pub fn ce_pairwise_noself_relu() {
    ce_module("ce_pairwise_noself_relu");
}

pub fn ce_pairwise_star() {
    ce_module("ce_pairwise_star");
}

pub fn ce_pairwise_star_specific() {
    ce_module("ce_pairwise_star_specific");
}

pub fn ce_pairwise_star_tensor() {
    ce_module("ce_pairwise_star_tensor");
}

pub fn ce_triplet() {
    ce_module("ce_triplet");
}

pub fn ce_triplet_self() {
    ce_module("ce_triplet_self");
}

/// The whole network of a case: words and features as they come.
fn network(case: &Case, names: &[String]) -> Network {
    let expert = |(i, name): (usize, &String)| {
        let pooling = match case.has(&format!("param.pooling.{name}.clusters2")) {
            true => Pooling::NetVlad { clusters: case.shape(&format!("param.pooling.{name}.clusters2"))[2] },
            false => Pooling::None,
        };
        ExpertConfig {
            name: name.clone(),
            width: *case.shape(&format!("input.expert.{name}")).last().unwrap(),
            pooling,
            own_width: width_of(case, &format!("param.ce.video_GU.{i}.fc.weight")),
        }
    };
    let clusters = case.shape("param.text_pooling.clusters2")[2];
    let config = CollaborativeExpertsConfig {
        experts: ExpertList(names.iter().enumerate().map(expert).collect()),
        words: *case.shape("input.text").last().unwrap(),
        text: TextPooling::NetVlad { clusters, ghosts: case.shape("param.text_pooling.clusters")[1] - clusters },
        common: width_of(case, "param.ce.video_dim_reduce.0.fc.weight").unwrap_or(1),
        design: design(case, false, false, false),
        weights: MixtureWeights::Text,
    };
    let mut network = build(config);
    case.load_into(&mut network);
    network
}

/// Features with zeros where experts are missing, as data.
fn features<T: ops::LayerTape<Dev>>(
    case: &Case,
    names: &[String],
    put: impl Fn(Tensor<(usize, usize), f32, Dev>) -> Tensor<(usize, usize), f32, Dev, T>,
    put_sequence: impl Fn(Tensor<(usize, usize, usize), f32, Dev>) -> Tensor<(usize, usize, usize), f32, Dev, T>,
) -> Vec<ExpertFeatures<usize, Dev, T>> {
    let one = |name: &String| {
        let stored = format!("input.expert.{name}");
        let has: Vec<bool> = case.f32(&format!("input.ind.{name}")).iter().map(|ind| *ind == 1.0).collect();
        let mut values = case.f32(&stored);
        clear_missing(name, &mut values, &has).unwrap();
        match case.shape(&stored) {
            [videos, width] => {
                let x = ops::to_tensor(&Dev::default(), values, (*videos, *width)).unwrap();
                ExpertFeatures::Vector(put(x))
            }
            [videos, steps, width] => {
                let x = ops::to_tensor(&Dev::default(), values, (*videos, *steps, *width)).unwrap();
                ExpertFeatures::Sequence(Frames::complete(put_sequence(x)))
            }
            shape => panic!("{stored} has the shape {shape:?}"),
        }
    };
    names.iter().map(one).collect()
}

fn plain_features(case: &Case, names: &[String]) -> Vec<ExpertFeatures<usize, Dev, NoneTape>> {
    features(case, names, |x| x, |x| x)
}

fn compare_evaluation(case: &Case, network: &Network, names: &[String]) {
    let available = available(case, names);
    let video = network.embed_video(plain_features(case, names), &available, Phase::Evaluation).unwrap();
    let text = network.embed_text(rank3(case, "input.text"), Phase::Evaluation).unwrap();
    compare_embeddings(case, "output.eval.vid_embd", names, &video.0);
    compare_embeddings(case, "output.eval.text_embd", names, &text.experts);
    let mut similarity = network.ce.similarity(text, video, &available).unwrap();
    if case.meta("case").ends_with("_avg") {
        similarity = average_captions(similarity, case.shape("input.text")[1]).unwrap();
    }
    case.compare_tensor("output.eval.cross_view_conf_matrix", &similarity);
}

fn full_forward(name: &str) {
    let case = load(name);
    let names = names(&case);
    let network = network(&case, &names);
    compare_evaluation(&case, &network, &names);
    let words = rank3(&case, "input.text");
    let available = available(&case, &names);
    let traced = features(&case, &names, |x| x.leaky_traced(), |x| x.leaky_traced());
    let video = network.embed_video(traced, &available, training()).unwrap();
    compare_embeddings(&case, "output.train.vid_embd", &names, &video.0.iter().map(values).collect::<Vec<_>>());
    let text = network.embed_text(words.leaky_trace(), training()).unwrap();
    let similarity = network.ce.similarity(text, video, &available).unwrap();
    case.compare_tensor("output.train.cross_view_conf_matrix", &values(&similarity));
    let loss = margin_loss(&case).forward(similarity).unwrap();
    compare_loss(&case, &loss);
    let mut gradients = loss.backward();
    case.compare_tensor("grad.input.text", &gradient(&mut gradients, &words));
    case.compare_gradients(&network, gradients);
    case.compare_state("output.buffer_after.", &state_dict(&network).unwrap());
    case.finish();
}

pub fn full_ce_forward() {
    full_forward("full_ce_forward");
}

pub fn full_moee_forward() {
    full_forward("full_moee_forward");
}

fn several_captions(name: &str) {
    let case = load(name);
    let names = names(&case);
    compare_evaluation(&case, &network(&case, &names), &names);
    case.finish();
}

pub fn full_ce_multicaption_avg() {
    several_captions("full_ce_multicaption_avg");
}

pub fn full_ce_multicaption_indep() {
    several_captions("full_ce_multicaption_indep");
}

fn similarities(name: &str) {
    let case = load(name);
    let names = names(&case);
    let read =
        |kind: &str| -> Vec<Rows> { names.iter().map(|name| rows(&case, &format!("input.{kind}.{name}"))).collect() };
    let (video, text) = (read("vid"), read("text"));
    let weights = rows(&case, "input.text_weights");
    let traced = |t: &[Rows]| t.iter().map(Trace::leaky_trace).collect::<Vec<_>>();
    let mut similarity = if flag(&case, "keep_missing_modalities") {
        let mut products = traced(&text).into_iter().zip(traced(&video)).map(|(t, v)| ops::matmul_nt(t, v).unwrap());
        let first = products.next().unwrap();
        products.fold(first, |sum, product| ops::add(sum, product).unwrap())
    } else {
        let available = available(&case, &names).tensor(&Dev::default(), video[0].as_vec().len() / 5).unwrap();
        ops::mixture_similarity(traced(&text), traced(&video), weights.leaky_trace(), &available).unwrap()
    };
    if case.meta("merge_caption_similarities") == "avg" {
        similarity = average_captions(similarity, case.shape("input.text_weights")[1]).unwrap();
    }
    case.compare_tensor("output.sims", &values(&similarity));
    let loss = (similarity * case.tensor::<usize, usize>("input.loss_weight")).sum::<(), _>();
    compare_loss(&case, &loss);
    let mut gradients = loss.backward();
    for (i, name) in names.iter().enumerate() {
        case.compare_tensor(&format!("grad.input.vid.{name}"), &gradient(&mut gradients, &video[i]));
        case.compare_tensor(&format!("grad.input.text.{name}"), &gradient(&mut gradients, &text[i]));
    }
    if case.has("grad.input.text_weights") {
        case.compare_tensor("grad.input.text_weights", &gradient(&mut gradients, &weights));
    }
    case.finish();
}

pub fn sims_avg() {
    similarities("sims_avg");
}

pub fn sims_indep() {
    similarities("sims_indep");
}

pub fn sims_keep_missing() {
    similarities("sims_keep_missing");
}

pub fn mnnet() {
    let case = load("mnnet");
    let mut model: Mnnet<Dev> = build(MnnetConfig);
    case.load_into(&mut model);
    let similarity = model.forward(rows(&case, "input.text").leaky_traced(), rows(&case, "input.video").leaky_traced());
    let similarity = similarity.unwrap();
    case.compare_tensor("output.sims", &values(&similarity));
    let loss = (similarity * case.tensor::<usize, usize>("input.loss_weight")).sum::<(), _>();
    compare_loss(&case, &loss);
    case.compare_gradients(&model, loss.backward());
    case.finish();
}

pub fn moee_original_net() {
    let case = load("moee_original_net");
    let units = ["face", "audio", "visual", "motion"];
    let expert = |i: usize| MoeeExpert {
        inputs: *case.shape(&format!("input.video.{}", units[i])).last().unwrap(),
        embedding: case.shape(&format!("param.mee.video_GU.{i}.fc.weight"))[0],
    };
    let config = MoeeConfig {
        words: case.shape("param.text_pooling.clusters")[0],
        text_clusters: case.shape("param.text_pooling.clusters")[1],
        audio_clusters: case.shape("param.audio_pooling.clusters")[1],
        experts: [expert(0), expert(1), expert(2), expert(3)],
    };
    let mut model: Moee<Dev> = build(config);
    case.load_into(&mut model);
    let available = available(&case, &["audio", "face", "motion", "visual"].map(String::from));
    let run = |phase| {
        let features = MoeeFeatures {
            face: rows(&case, "input.video.face").leaky_traced(),
            audio: rank3(&case, "input.video.audio").leaky_traced(),
            visual: rows(&case, "input.video.visual").leaky_traced(),
            motion: rows(&case, "input.video.motion").leaky_traced(),
        };
        let text = model.embed_text(rank3(&case, "input.text").leaky_traced(), phase).unwrap();
        let TextEmbedding { experts, weights } = text;
        let (plain, tape) = weights.split_tape();
        let text = TextEmbedding { experts, weights: plain.clone().put_tape(tape) };
        let video = model.embed_video(features, phase).unwrap();
        (model.similarity(text, video, &available).unwrap(), plain)
    };
    let (similarity, weights) = run(Phase::Evaluation);
    case.compare_tensor("output.eval.conf_matrix", &values(&similarity));
    let n = case.shape("output.eval.scores")[0];
    let scores: Vec<f32> = similarity.as_vec().into_iter().step_by(n + 1).collect();
    case.compare_f32("output.eval.scores", &scores);
    case.compare_tensor("output.eval.moe_scores", &weights);
    let (similarity, _) = run(training());
    case.compare_tensor("output.train.conf_matrix", &values(&similarity));
    let loss = margin_loss(&case).forward(similarity).unwrap();
    compare_loss(&case, &loss);
    case.compare_gradients(&model, loss.backward());
    case.compare_state("output.buffer_after.", &state_dict(&model).unwrap());
    case.finish();
}

fn max_margin(name: &str) {
    let case = load(name);
    let scores = case.tensor::<usize, usize>("input.sims");
    let loss = margin_loss(&case).forward(scores.leaky_trace()).unwrap();
    compare_loss(&case, &loss);
    case.compare_gradient("grad.input.sims", &loss.backward(), &scores);
    case.finish();
}

pub fn loss_maxmargin_fixnorm() {
    max_margin("loss_maxmargin_fixnorm");
}

pub fn loss_maxmargin_msrvtt_margin() {
    max_margin("loss_maxmargin_msrvtt_margin");
}

pub fn loss_maxmargin_nofixnorm() {
    max_margin("loss_maxmargin_nofixnorm");
}

fn teachers(case: &Case) -> Vec<TeacherEmbeddings<usize, usize, Dev>> {
    let mut by_number: BTreeMap<usize, TeacherEmbeddings<usize, usize, Dev>> = BTreeMap::new();
    for name in case.names("input.teacher") {
        let rest = &name["input.teacher".len()..];
        let (number, rest) = rest.split_once('.').unwrap();
        let empty = TeacherEmbeddings { text: vec![], video: vec![] };
        let teacher = by_number.entry(number.parse().unwrap()).or_insert(empty);
        // Names come in order, so that texts and videos have the same order of experts.
        if rest.starts_with("vid.") { &mut teacher.video } else { &mut teacher.text }.push(rows(case, &name));
    }
    by_number.into_values().collect()
}

/// Ranking and distillation of similarities, compared with the fixture.
fn teachtext_loss(case: &Case, similarity: Traced<(usize, usize)>) -> Tensor<(), f32, Dev, OwnedTape<f32, Dev>> {
    let of_teachers = teacher_similarity(&teachers(case), TeacherScale::Sum).unwrap();
    case.compare_tensor("output.teacher_sims", &of_teachers);
    let again = dfdx::prelude::WithEmptyTape::with_empty_tape(&similarity);
    let ranking = margin_loss(case).forward(similarity).unwrap();
    let distilled = distillation(again, of_teachers).unwrap();
    case.compare_tensor("output.distil_loss", &distilled.retaped::<NoneTape>());
    if case.has("output.rank_loss") {
        case.compare_tensor("output.rank_loss", &ranking.retaped::<NoneTape>());
    }
    ops::add(ranking, distilled).unwrap()
}

pub fn loss_teachtext() {
    let case = load("loss_teachtext");
    let scores = case.tensor::<usize, usize>("input.sims");
    let loss = teachtext_loss(&case, scores.leaky_trace());
    compare_loss(&case, &loss);
    case.compare_gradient("grad.input.sims", &loss.backward(), &scores);
    case.finish();
}

fn train_step(
    name: &str,
    loss: impl Fn(&Case, Traced<(usize, usize)>) -> Tensor<(), f32, Dev, OwnedTape<f32, Dev>>,
    optimizer: impl Fn(&Case, &mut Network, Gradients<f32, Dev>),
) {
    let case = load(name);
    let names = names(&case);
    let mut network = network(&case, &names);
    let available = available(&case, &names);
    let step = |network: &Network| {
        let features = features(&case, &names, ops::data, ops::data);
        let words = ops::data(rank3(&case, "input.text"));
        let similarity = network.forward(words, features, &available, training()).unwrap();
        let similarity_values = values(&similarity);
        (similarity_values, loss(&case, similarity))
    };
    // The pass that gradients are compared on leaves the network as it was but for its running statistics.
    let (similarity, first) = step(&network);
    case.compare_tensor("output.train.cross_view_conf_matrix", &similarity);
    compare_loss(&case, &first);
    case.compare_gradients(&network, first.backward());
    case.compare_state("output.buffer_after.", &state_dict(&network).unwrap());
    case.load_into(&mut network);
    let gradients = step(&network).1.backward();
    optimizer(&case, &mut network, gradients);
    case.compare_state("output.param_after.", &state_dict(&network).unwrap());
    case.finish();
}

pub fn train_step_ce_ranger() {
    train_step(
        "train_step_ce_ranger",
        |case, similarity| margin_loss(case).forward(similarity).unwrap(),
        |case, network, gradients| {
            let config = RangerConfig {
                learning_rate: case.number("optimizer_lr") as f32,
                weight_decay: case.number("optimizer_weight_decay") as f32,
                ..RangerConfig::default()
            };
            Optimizer::step(&mut Ranger::new(config), network, gradients).unwrap();
        },
    );
}

pub fn train_step_teachtext_radam() {
    train_step("train_step_teachtext_radam", teachtext_loss, |case, network, gradients| {
        let config = RAdamConfig {
            learning_rate: case.number("optimizer_lr") as f32,
            weight_decay: case.number("optimizer_weight_decay") as f32,
            ..RAdamConfig::default()
        };
        Optimizer::step(&mut RAdam::new(config), network, gradients).unwrap();
    });
}
