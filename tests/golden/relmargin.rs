//! JPoSE and MMEN with the relevance-based margin.

use std::collections::{BTreeMap, BTreeSet};

use coembed::blocks::{
    Combination, ConcatConfig, Config, ContextGatingConfig, GateNorm, GatedEmbeddingConfig, LearnedConfig, Parameters,
    PartOrder, Phase, PlainEmbeddingConfig, PosText,
};
use coembed::data::epic100::{self, EvalSplitName};
use coembed::data::relational::FolderOptions;
use coembed::data::relational::sampling::{ClassKey, ClassTable, TripletSampler, anchor_slice};
use coembed::data::relational::{EvalSplit, Features, PerLevel};
use coembed::embedding::Embedding;
use coembed::formats::{pickle, torch};
use coembed::losses::{Distance, TripletLoss};
use coembed::metrics::VideosByTexts;
use coembed::metrics::graded::{self, GradedOptions};
use coembed::metrics::rank::{self, RankOptions};
use coembed::models::{Caption, Jpose, JposeConfig, Mmen, MmenConfig, Noun, Verb, VerbNoun};
use coembed::ops;
use coembed::recipes::relmargin::{
    FeatureTables, LevelEvaluation, Modality, Options, Pair, RelMargin, RelMarginModel, RelMarginNetwork, Term,
    TermLoss, TermStep, jpose_step, mmen_step,
};
use coembed::relevance::{
    Classes, EmptyUnion, Level, SparseRelevance, dense_relevance, margin, margin_relevance, sparse_relevance,
};
use coembed::run::Recipe;
use coembed::train::{FeatureRows, Optimizer, Sgd, SgdConfig, StepStart, from_torch, state_dict};
use dfdx::prelude::{Backward, Const, Gradients, OwnedTape, Shape, SumTo, Tensor, Trace};
use rand::SeedableRng;

use crate::support::{Case, Dev, classes, golden_dir, training};

fn load(name: &str) -> Case {
    Case::load("relmargin", name)
}

fn build<C: Config<Dev>>(config: C) -> C::Built {
    config.build(&Dev::default(), &mut rand_chacha::ChaCha8Rng::seed_from_u64(0)).unwrap()
}

type Traced<S> = Tensor<S, f32, Dev, OwnedTape<f32, Dev>>;

/// `Σ y · cotangent`.
fn dot_loss<S: Shape>(y: Traced<S>, cotangent: Tensor<S, f32, Dev>) -> Tensor<(), f32, Dev, OwnedTape<f32, Dev>> {
    (y * cotangent).sum::<(), _>()
}

fn value(loss: &Tensor<(), f32, Dev, OwnedTape<f32, Dev>>) -> Vec<f32> {
    ops::to_vec(&loss.retaped()).unwrap()
}

pub fn block_context_gating() {
    let case = load("block_context_gating");
    let mut block = build(ContextGatingConfig { width: Const::<10>, norm: GateNorm::Unused });
    case.load_into(&mut block);
    let x = case.tensor::<usize, Const<10>>("input.x");
    let y = block.forward(x.leaky_trace(), Phase::Evaluation).unwrap();
    case.compare_tensor("output.y", &y.retaped());
    let loss = dot_loss(y, case.tensor("input.cotangent"));
    case.compare_f32("output.loss", &value(&loss));
    let gradients = loss.backward();
    case.compare_gradient("grad.input.x", &gradients, &x);
    case.compare_gradients(&block, gradients);
    case.finish();
}

pub fn block_gated_embedding() {
    let case = load("block_gated_embedding");
    let mut block = build(GatedEmbeddingConfig { inputs: 22usize, embedding: Const::<10>, norm: GateNorm::Unused });
    case.load_into(&mut block);
    let x = case.tensor::<Const<6>, usize>("input.x");
    let y = block.forward(x.leaky_trace(), Phase::Evaluation).unwrap();
    case.compare_tensor("output.y", &y.retaped());
    let loss = dot_loss(y, case.tensor("input.cotangent"));
    case.compare_f32("output.loss", &value(&loss));
    let gradients = loss.backward();
    case.compare_gradient("grad.input.x", &gradients, &x);
    case.compare_gradients(&block, gradients);
    case.finish();
}

fn plain_embedding(name: &str, train: bool) {
    let case = load(name);
    let config = |last_relu| PlainEmbeddingConfig { inputs: 22usize, outputs: Const::<9>, num_layers: 2, last_relu };
    let mut block = build(config(false));
    case.load_into(&mut block);
    let x = case.tensor::<usize, usize>("input.x");
    let traced = x.leaky_trace();
    let y = block.forward(traced, if train { training() } else { Phase::Evaluation }).unwrap();
    case.compare_tensor("output.y", &y.retaped());
    let loss = dot_loss(y, case.tensor("input.cotangent"));
    case.compare_f32("output.loss", &value(&loss));
    let gradients = loss.backward();
    case.compare_gradient("grad.input.x", &gradients, &x);
    case.compare_gradients(&block, gradients);
    case.compare_state("output.buffer.", &state_dict(&block).unwrap());
    if !train {
        let mut rectified = build(config(true));
        case.load_into(&mut rectified);
        case.compare_tensor("output.y_last_relu", &rectified.forward(x, Phase::Evaluation).unwrap());
    }
    case.finish();
}

pub fn block_plain_embedding_eval() {
    plain_embedding("block_plain_embedding_eval", false);
}

pub fn block_plain_embedding_train() {
    plain_embedding("block_plain_embedding_train", true);
}

pub fn mmen_forward() {
    let case = load("mmen_forward");
    let mut model = build(MmenConfig::<Caption, _, _, _>::new(Const::<22>, 14usize, Const::<10>));
    case.load_into(&mut model);
    let (v, t) = (case.tensor::<usize, Const<22>>("input.v"), case.tensor::<usize, usize>("input.t"));
    case.compare_tensor("output.v_no_final_norm", &model.video_tower(v.clone()).unwrap());
    case.compare_tensor("output.t_no_final_norm", &model.text_tower(t.clone()).unwrap());
    let video = model.embed_video(v.leaky_trace()).unwrap().into_tensor();
    let text = model.embed_text(t.leaky_trace()).unwrap().into_tensor();
    case.compare_tensor("output.v", &video.retaped());
    case.compare_tensor("output.t", &text.retaped());
    case.compare_f32("output.sim_v_t", &similarity(&video, &text));
    let loss = dot_loss(video, case.tensor("input.cotangent_v")) + dot_loss(text, case.tensor("input.cotangent_t"));
    case.compare_f32("output.loss", &value(&loss));
    let gradients = loss.backward();
    case.compare_gradient("grad.input.v", &gradients, &v);
    case.compare_gradient("grad.input.t", &gradients, &t);
    case.compare_gradients(&model, gradients);
    case.finish();
}

/// The similarity kernel on the values of two embeddings.
fn similarity<A: dfdx::prelude::Dim, B: dfdx::prelude::Dim, E: dfdx::prelude::Dim, T>(
    video: &Tensor<(A, E), f32, Dev, T>,
    text: &Tensor<(B, E), f32, Dev, T>,
) -> Vec<f32> {
    use dfdx::prelude::HasShape;
    let matrix = |values: Vec<f32>, rows| {
        let width = values.len() / rows;
        coembed::matrix::Matrix::new(values, rows, width).unwrap()
    };
    let video = matrix(ops::to_vec(&video.retaped()).unwrap(), video.shape().0.size());
    let text = matrix(ops::to_vec(&text.retaped()).unwrap(), text.shape().0.size());
    coembed::similarity::inner_product(video.view(), text.view()).unwrap().into_vec()
}

pub fn mmen_forward_degenerate_rows() {
    let case = load("mmen_forward_degenerate_rows");
    let mut model = build(MmenConfig::<Caption, _, _, _>::new(22usize, 14usize, 10usize));
    case.load_into(&mut model);
    let v = case.tensor::<usize, usize>("input.v");
    case.compare_tensor("output.v", model.embed_video(v).unwrap().tensor());
    case.finish();
}

type JposeInputs = (Tensor<(usize, usize), f32, Dev>, [Tensor<(usize, usize), f32, Dev>; 2]);

fn jpose_inputs(case: &Case) -> JposeInputs {
    (case.tensor("input.v"), [case.tensor("input.t_verb"), case.tensor("input.t_noun")])
}

/// Compares losses and gradients of the action embeddings.
fn finish_jpose<C: Combination<usize, Dev>>(
    case: Case,
    model: &Jpose<VerbNoun, usize, usize, usize, C, Dev>,
    (v, [verb, noun]): JposeInputs,
    video: Traced<(usize, C::Out)>,
    text: Traced<(usize, C::Out)>,
) {
    case.compare_tensor("output.action_v", &video.retaped());
    case.compare_tensor("output.action_t", &text.retaped());
    let loss = dot_loss(video, case.tensor("input.cotangent_v")) + dot_loss(text, case.tensor("input.cotangent_t"));
    case.compare_f32("output.loss", &value(&loss));
    let gradients = loss.backward();
    case.compare_gradient("grad.input.v", &gradients, &v);
    case.compare_gradient("grad.input.t_verb", &gradients, &verb);
    case.compare_gradient("grad.input.t_noun", &gradients, &noun);
    case.compare_gradients(model, gradients);
    case.compare_state("output.buffer.", &state_dict(model).unwrap());
    case.finish();
}

fn traced_text(
    [verb, noun]: &[Tensor<(usize, usize), f32, Dev>; 2],
) -> PosText<VerbNoun, usize, usize, Dev, OwnedTape<f32, Dev>> {
    PosText::new([verb.leaky_trace(), noun.leaky_trace()]).unwrap()
}

fn plain_text(
    parts: &[Tensor<(usize, usize), f32, Dev>; 2],
) -> PosText<VerbNoun, usize, usize, Dev, dfdx::prelude::NoneTape> {
    PosText::new(parts.clone()).unwrap()
}

pub fn jpose_forward() {
    let case = load("jpose_forward");
    let mut model =
        build(JposeConfig::<VerbNoun, _, _, _, _>::new(22usize, 14usize, 10usize, ConcatConfig { width: Const::<20> }));
    case.load_into(&mut model);
    let (v, text) = jpose_inputs(&case);
    let [verb, noun] = &text;
    let (verb_v, noun_v) = (
        model.embed_video_part::<Verb, _, _>(v.clone()).unwrap().into_tensor(),
        model.embed_video_part::<Noun, _, _>(v.clone()).unwrap().into_tensor(),
    );
    let (verb_t, noun_t) = (
        model.embed_text_part::<Verb, _, _>(verb.clone()).unwrap().into_tensor(),
        model.embed_text_part::<Noun, _, _>(noun.clone()).unwrap().into_tensor(),
    );
    case.compare_tensor("output.verb_v", &verb_v);
    case.compare_tensor("output.verb_t", &verb_t);
    case.compare_tensor("output.noun_v", &noun_v);
    case.compare_tensor("output.noun_t", &noun_t);
    case.compare_f32("output.sim_verb", &similarity(&verb_v, &verb_t));
    case.compare_f32("output.sim_noun", &similarity(&noun_v, &noun_t));
    compare_noun_first(&case, &model, &v, &text);
    case.compare_tensor("output.action_v_no_final_norm", &model.combine_video(v.clone(), PartOrder::Declared).unwrap());
    case.compare_tensor(
        "output.action_t_no_final_norm",
        &model.combine_text(plain_text(&text), PartOrder::Declared).unwrap(),
    );
    let action_v = model.embed_video(v.leaky_trace(), PartOrder::Declared).unwrap().into_tensor();
    let action_t = model.embed_text(traced_text(&text), PartOrder::Declared).unwrap().into_tensor();
    case.compare_f32("output.sim_action", &similarity(&action_v, &action_t));
    finish_jpose(case, &model, (v, text), action_v, action_t);
}

fn compare_noun_first<C: Combination<usize, Dev>>(
    case: &Case,
    model: &Jpose<VerbNoun, usize, usize, usize, C, Dev>,
    v: &Tensor<(usize, usize), f32, Dev>,
    text: &[Tensor<(usize, usize), f32, Dev>; 2],
) {
    let video = model.embed_video(v.clone(), PartOrder::Reversed).unwrap();
    case.compare_tensor("output.action_v_noun_first", video.tensor());
    let text = model.embed_text(plain_text(text), PartOrder::Reversed).unwrap();
    case.compare_tensor("output.action_t_noun_first", text.tensor());
}

fn learned(
    case: &Case,
) -> Jpose<VerbNoun, usize, usize, usize, coembed::blocks::Learned<Const<20>, Const<10>, Dev>, Dev> {
    let combination = LearnedConfig { inputs: Const::<20>, outputs: Const::<10> };
    let mut model = build(JposeConfig::new(22usize, 14usize, 10usize, combination));
    case.load_into(&mut model);
    model
}

pub fn jpose_forward_fc_eval() {
    let case = load("jpose_forward_fc_eval");
    let model = learned(&case);
    let (v, text) = jpose_inputs(&case);
    compare_noun_first(&case, &model, &v, &text);
    let action_v = model.embed_video(v.leaky_trace(), PartOrder::Declared).unwrap().into_tensor();
    let action_t = model.embed_text(traced_text(&text), PartOrder::Declared).unwrap().into_tensor();
    finish_jpose(case, &model, (v, text), action_v, action_t);
}

pub fn jpose_forward_fc_train() {
    let case = load("jpose_forward_fc_train");
    let model = learned(&case);
    let (v, text) = jpose_inputs(&case);
    let (parts_v, parts_t) =
        (model.video_parts(v.leaky_trace()).unwrap(), model.text_parts(traced_text(&text)).unwrap());
    let action_v = model.combine(parts_v, PartOrder::Declared, training()).unwrap().into_tensor();
    let action_t = model.combine(parts_t, PartOrder::Declared, training()).unwrap().into_tensor();
    finish_jpose(case, &model, (v, text), action_v, action_t);
}

fn triplet_loss(name: &str, distance: Distance) {
    let case = load(name);
    let read = |role: &str| case.tensor::<usize, usize>(&format!("input.{role}"));
    let (anchor, positive, negative) = (read("anchor"), read("positive"), read("negative"));
    let rows = case.shape("input.anchor")[0];
    let margins =
        if case.has("input.margin") { case.f32("input.margin") } else { vec![case.number("margin") as f32; rows] };
    let margins = ops::to_tensor(&Dev::default(), margins, (rows,)).unwrap();
    let traced = |t: &Tensor<(usize, usize), f32, Dev>| Embedding::<Caption, _, _, _, _>::new(t.leaky_trace());
    let loss = TripletLoss { distance };
    let terms = loss.terms(traced(&anchor), traced(&positive), traced(&negative), &margins).unwrap();
    let weight = case.number("weight") as f32;
    let weighted = terms * weight;
    case.compare_tensor("output.loss_none", &weighted.retaped());
    case.compare_tensor("output.loss_sum", &coembed::losses::sum(weighted.retaped()).unwrap());
    let mean = coembed::losses::mean(weighted).unwrap();
    case.compare_f32("output.loss", &value(&mean));
    let gradients = mean.backward();
    case.compare_gradient("grad.input.anchor", &gradients, &anchor);
    case.compare_gradient("grad.input.positive", &gradients, &positive);
    case.compare_gradient("grad.input.negative", &gradients, &negative);
    case.finish();
}

pub fn loss_triplet_fixed() {
    triplet_loss("loss_triplet_fixed", Distance::SquaredEuclidean);
}

pub fn loss_triplet_relmargin() {
    triplet_loss("loss_triplet_relmargin", Distance::SquaredEuclidean);
}

pub fn loss_triplet_cosine_fixed() {
    triplet_loss("loss_triplet_cosine_fixed", Distance::Cosine);
}

pub fn loss_triplet_cosine_relmargin() {
    triplet_loss("loss_triplet_cosine_relmargin", Distance::Cosine);
}

pub fn relevance_pairs() {
    let case = load("relevance_pairs");
    let side = |s: &str| classes(&case.lists(&format!("input.{s}_verbs")), &case.lists(&format!("input.{s}_nouns")));
    let (x, y) = (side("x"), side("y"));
    for (classes, key) in [(&x, "x_strings"), (&y, "y_strings")] {
        let strings: Vec<String> = serde_json::from_str(case.meta(key)).unwrap();
        let parsed: Vec<Classes> = strings.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(&parsed, classes, "{key}");
    }
    let pairs: Vec<_> = x.iter().zip(&y).collect();
    for (level, relevance, margins) in [
        (Level::Action, "output.relevance", "output.margin_action"),
        (Level::Verb, "output.verb_relevance", "output.margin_verb"),
        (Level::Noun, "output.noun_relevance", "output.margin_noun"),
    ] {
        let values: Vec<f64> = pairs.iter().map(|(a, b)| margin_relevance(a, b, level, EmptyUnion::Zero)).collect();
        case.compare(relevance, &values);
        let values: Vec<f32> = pairs.iter().map(|(a, b)| margin(a, b, level, EmptyUnion::Zero)).collect();
        case.compare_f32(margins, &values);
    }
    case.finish();
}

fn compare_relevance(case: &Case, videos: &[Classes], sentences: &[Classes], names: &[(&str, Level)]) {
    for (name, level) in names {
        let dense = dense_relevance(videos, sentences, *level, EmptyUnion::Zero);
        let sparse = sparse_relevance(videos, sentences, *level, EmptyUnion::Zero).unwrap();
        assert_eq!(sparse.to_dense(), dense, "{name}");
        case.compare(name, dense.as_slice());
        // What is exactly 1 in the fixture must be exactly 1 here: it decides what counts as fully relevant.
        let ones = |values: &[f64]| values.iter().map(|v| *v == 1.0).collect::<Vec<_>>();
        assert_eq!(ones(dense.as_slice()), ones(&case.f64(name)), "{name}: ones");
    }
}

pub fn relevance_matrix_epic() {
    let case = load("relevance_matrix_epic");
    let side = |s: &str| {
        let verbs: Vec<Vec<i64>> = case.i64(&format!("input.{s}_verb")).into_iter().map(|v| vec![v]).collect();
        classes(&verbs, &case.lists(&format!("input.{s}_nouns")))
    };
    let names = [
        ("output.verb_relevancy", Level::Verb),
        ("output.noun_relevancy", Level::Noun),
        ("output.caption_relevancy", Level::Action),
    ];
    compare_relevance(&case, &side("video"), &side("sentence"), &names);
    case.finish();
}

pub fn relevance_matrix_multi_verb() {
    let case = load("relevance_matrix_multi_verb");
    let side = |s: &str| classes(&case.lists(&format!("input.{s}_verbs")), &case.lists(&format!("input.{s}_nouns")));
    let names = [
        ("output.verb_relevancy", Level::Verb),
        ("output.noun_relevancy", Level::Noun),
        ("output.caption_relevancy", Level::Action),
        ("output.syn_proxy", Level::Action),
    ];
    compare_relevance(&case, &side("video"), &side("sentence"), &names);
    case.finish();
}

fn graded_metric(name: &str) {
    let case = load(name);
    let similarity = case.matrix("input.sim");
    let relevance = case.matrix_f64("input.rel");
    let report =
        graded::evaluate(VideosByTexts::new(similarity.view()), &relevance, &GradedOptions::as_published()).unwrap();
    let sparse = SparseRelevance::from_dense(relevance.view()).unwrap();
    let same =
        graded::evaluate(VideosByTexts::new(similarity.view()), &sparse, &GradedOptions::as_published()).unwrap();
    for (direction, scores, same) in [("v2t", &report.v2t, &same.v2t), ("t2v", &report.t2v, &same.t2v)] {
        let stored = |what: &str| format!("output.{what}_{direction}");
        case.compare(&stored("dcg"), &scores.dcg);
        case.compare(&stored("idcg"), &scores.idcg);
        case.compare(&stored("ndcg_per_query"), &scores.ndcg.values);
        let (ap, same_ap) = (scores.ap.as_ref().unwrap(), same.ap.as_ref().unwrap());
        case.compare(&stored("ap_per_query"), &ap.values);
        case.compare(&stored("ndcg"), &[scores.ndcg.mean]);
        case.compare(&stored("map"), &[ap.mean]);
        assert_eq!(scores.ndcg.values, same.ndcg.values, "dense and sparse relevance");
        assert_eq!(ap.values, same_ap.values, "dense and sparse relevance");
        // The published counts are indicators of the first K ranks.
        let items = case.shape(&stored("k_counts"))[1];
        let indicators = |k: &usize| (0..items).map(|rank| f64::from(u8::from(rank < *k))).collect::<Vec<_>>();
        let counts: Vec<f64> = scores.relevant.iter().flat_map(indicators).collect();
        case.compare(&stored("k_counts"), &counts);
    }
    case.compare("output.ndcg_avg", &[report.ndcg_avg()]);
    case.compare("output.map_avg", &[report.map_avg().unwrap()]);
    case.finish();
}

macro_rules! graded_metrics {
    ($($case:ident),+) => {
        $(pub fn $case() {
            graded_metric(stringify!($case));
        })+
    };
}

graded_metrics! {
    metric_random, metric_ties, metric_constant, metric_negative_zero, metric_all_relevant, metric_no_relevant,
    metric_single_item, metric_single_column
}

fn compare_recalls(case: &Case, prefix: &str, report: &rank::RankReport) {
    for (direction, scores) in [("c", &report.v2t), ("i", &report.t2v)] {
        let numbers = [
            ("r1", scores.r1),
            ("r5", scores.r5),
            ("r10", scores.r10),
            ("medr", scores.median),
            ("meanr", scores.mean),
        ];
        for (name, value) in numbers {
            case.compare(&format!("{prefix}{direction}{name}"), &[value]);
        }
    }
    case.compare(&format!("{prefix}rsum"), &[report.rsum()]);
}

pub fn metric_recall() {
    let case = load("metric_recall");
    let scores = case.matrix("input.scores");
    let mask = case.i64("input.gt_mask");
    let truth: Vec<Vec<usize>> = mask
        .chunks(scores.cols())
        .map(|row| row.iter().enumerate().filter(|(_, m)| **m != 0).map(|(j, _)| j).collect())
        .collect();
    let report = rank::evaluate(VideosByTexts::new(scores.view()), &truth, &RankOptions::as_published()).unwrap();
    compare_recalls(&case, "output.", &report);
    case.finish();
}

pub fn batch_slices() {
    let case = load("batch_slices");
    let (sizes, lengths) = (case.i64("input.batch_size"), case.i64("input.length"));
    let slices: Vec<_> = sizes
        .iter()
        .zip(&lengths)
        .zip(case.i64("input.batch_index"))
        .map(|((size, length), batch)| anchor_slice(*size as usize, *length as usize, batch as usize))
        .collect();
    case.compare("output.start", &slices.iter().map(|s| s.start as f64).collect::<Vec<_>>());
    case.compare("output.end", &slices.iter().map(|s| s.end as f64).collect::<Vec<_>>());
    case.finish();
}

fn sampling(name: &str, parse: fn(&serde_json::Value) -> Vec<ClassKey>, key: fn(&str) -> ClassKey) {
    let case = load(name);
    let by_row = |what: &str| -> Vec<Vec<ClassKey>> {
        let map: BTreeMap<String, serde_json::Value> = serde_json::from_str(case.meta(what)).unwrap();
        let rows: BTreeMap<usize, _> =
            map.iter().map(|(row, classes)| (row.parse().unwrap(), parse(classes))).collect();
        rows.into_values().collect()
    };
    let anchors = ClassTable::from_items(by_row("anchor_classes"));
    let items: BTreeMap<String, Vec<usize>> = serde_json::from_str(case.meta("class_to_items")).unwrap();
    let items = items.into_iter().map(|(class, items)| (key(&class), items));
    let items = ClassTable::new(by_row("item_classes"), items).unwrap();
    let sampler = TripletSampler::new(&anchors, &items).unwrap();
    let all: Vec<_> = (0..anchors.len()).map(|anchor| sampler.distribution(anchor)).collect();
    case.compare("output.p_positive", &all.iter().flat_map(|d| d.positive.clone()).collect::<Vec<_>>());
    case.compare("output.p_negative", &all.iter().flat_map(|d| d.negative.clone()).collect::<Vec<_>>());
    case.finish();
}

pub fn sampling_lists() {
    let ids =
        |v: &serde_json::Value| v.as_array().unwrap().iter().map(|id| ClassKey::Id(id.as_i64().unwrap())).collect();
    sampling("sampling_lists", ids, |class| ClassKey::Id(class.parse().unwrap()));
}

pub fn sampling_strings() {
    let text = |v: &serde_json::Value| vec![ClassKey::Action(v.as_str().unwrap().into())];
    sampling("sampling_strings", text, |class| ClassKey::Action(class.into()));
}

const PAIRS: [(&str, Pair); 4] = [("tt", Pair::TT), ("tv", Pair::TV), ("vt", Pair::VT), ("vv", Pair::VV)];

/// Classes of videos and sentences.
fn train_classes(case: &Case, first_noun: bool) -> [Vec<Classes>; 2] {
    ["video", "sentence"].map(|s| {
        let verbs: Vec<Vec<i64>> = case.i64(&format!("input.{s}_verb")).into_iter().map(|v| vec![v]).collect();
        let mut nouns = case.lists(&format!("input.{s}_nouns"));
        if first_noun {
            nouns.iter_mut().for_each(|list| list.truncate(1));
        }
        classes(&verbs, &nouns)
    })
}

/// The terms of one level, with margins as the options of the fixture want them; margins are compared.
fn train_terms(case: &Case, indices: &str, outputs: &str, level: Level, classes: &[Vec<Classes>; 2]) -> Vec<Term> {
    let weights: BTreeMap<String, f32> = serde_json::from_str(case.meta("pair_weights")).unwrap();
    let mut terms = vec![];
    for (name, pair) in PAIRS.into_iter().filter(|(name, _)| weights[*name] > 0.0) {
        let rows = |role: &str| case.rows(&format!("input.index.{indices}{name}.{role}"));
        let (anchors, positives, negatives) = (rows("anchor"), rows("positive"), rows("negative"));
        let of = |modality| &classes[if modality == Modality::Video { 0 } else { 1 }];
        let margins: Vec<f32> = if case.meta("rel_margin") == "true" {
            let (anchor_classes, negative_classes) = (of(pair.anchor), of(pair.other));
            let margin_of = |(a, n): (&u32, &u32)| {
                margin(&anchor_classes[*a as usize], &negative_classes[*n as usize], level, EmptyUnion::Zero)
            };
            let margins: Vec<f32> = anchors.iter().zip(&negatives).map(margin_of).collect();
            case.compare_f32(&format!("output.margin.{outputs}{name}"), &margins);
            margins
        } else {
            vec![case.number("margin") as f32; anchors.len()]
        };
        terms.push(Term { pair, weight: weights[name], anchors, positives, negatives, margins });
    }
    terms
}

fn compare_term_losses(case: &Case, outputs: &str, terms: &[Term], losses: &[TermLoss], level_weight: f64) {
    for (term, loss) in terms.iter().zip(losses) {
        case.compare(&format!("output.triplet_loss.{outputs}{}", term.pair), &[loss.value * level_weight]);
    }
}

/// Two optimizer steps on one batch: losses, the gradients of the first, and parameters and buffers after both are compared.
fn two_steps<M: Parameters<Dev>>(
    case: &Case,
    model: &mut M,
    mut step: impl FnMut(&mut M) -> (f64, Gradients<f32, Dev>),
) {
    let (learning_rate, momentum) = (case.number("lr") as f32, case.number("momentum") as f32);
    let mut optimizer = Sgd::new(SgdConfig { learning_rate, momentum, groups: vec![] });
    for number in 1..=2 {
        let (total, gradients) = step(model);
        if number == 1 {
            case.compare("output.loss", &[total]);
            case.compare_gradients(model, gradients.clone());
        } else {
            case.compare("output.loss_step2", &[total]);
        }
        optimizer.step(model, gradients).unwrap();
        case.compare_state(&format!("output.param_after{number}."), &state_dict(model).unwrap());
    }
}

fn train_jpose<C: Config<Dev, Built: Combination<usize, Dev>>>(name: &str, combination: C) {
    let case = load(name);
    let mut model = build(JposeConfig::<VerbNoun, _, _, _, _>::new(22usize, 14usize, 10usize, combination));
    case.load_into(&mut model);
    let text = PerLevel {
        verb: case.matrix("input.y_verb").try_into().unwrap(),
        noun: case.matrix("input.y_noun").try_into().unwrap(),
        action: Default::default(),
    };
    let features = Features { video: case.matrix("input.x").try_into().unwrap(), text };
    let features = FeatureTables::resident(&Dev::default(), &features).unwrap();
    let classes = train_classes(&case, false);
    let terms = |name: &str, level| train_terms(&case, &format!("{name}."), &format!("{name}."), level, &classes);
    let batch = PerLevel {
        verb: terms("verb", Level::Verb),
        noun: terms("noun", Level::Noun),
        action: terms("action", Level::Action),
    };
    let weights: BTreeMap<String, f32> = serde_json::from_str(case.meta("pos_weights")).unwrap();
    let weights = PerLevel { verb: weights["verb"], noun: weights["noun"], action: weights["action"] };
    let cosine = case.meta("cosine") == "true";
    let loss = TripletLoss { distance: if cosine { Distance::Cosine } else { Distance::SquaredEuclidean } };
    let mut first = true;
    two_steps(&case, &mut model, |model| {
        let start = StepStart { phase: training(), before: Gradients::leaky() };
        let TermStep { losses, loss: total, gradients } =
            jpose_step(model, &Dev::default(), &features, &batch, &weights, loss, start).unwrap();
        if std::mem::take(&mut first) {
            for (name, level) in [("verb.", Level::Verb), ("noun.", Level::Noun), ("action.", Level::Action)] {
                compare_term_losses(&case, name, batch.get(level), losses.get(level), (*weights.get(level)).into());
            }
        }
        (total, gradients)
    });
    case.finish();
}

pub fn train_jpose_fixed() {
    train_jpose("train_jpose_fixed", ConcatConfig { width: Const::<20> });
}

pub fn train_jpose_relmargin() {
    train_jpose("train_jpose_relmargin", ConcatConfig { width: Const::<20> });
}

pub fn train_jpose_relmargin_crossmodal_action() {
    train_jpose("train_jpose_relmargin_crossmodal_action", ConcatConfig { width: 20usize });
}

pub fn train_jpose_cosine_relmargin() {
    train_jpose("train_jpose_cosine_relmargin", ConcatConfig { width: Const::<20> });
}

pub fn train_jpose_fc_relmargin() {
    train_jpose("train_jpose_fc_relmargin", LearnedConfig { inputs: Const::<20>, outputs: Const::<10> });
}

fn train_mmen(name: &str) {
    let case = load(name);
    let mut model: Mmen<Caption, _, _, _, Dev> = build(MmenConfig::new(22usize, Const::<14>, Const::<10>));
    case.load_into(&mut model);
    let (video, text) = (case.matrix("input.x"), case.matrix("input.y"));
    let video = FeatureRows::resident(&Dev::default(), video.view()).unwrap();
    let text = FeatureRows::resident(&Dev::default(), text.view()).unwrap();
    let terms = train_terms(&case, "", "", Level::Action, &train_classes(&case, true));
    let mut first = true;
    two_steps(&case, &mut model, |model| {
        let loss = TripletLoss::default();
        let start = StepStart { phase: training(), before: Gradients::leaky() };
        let TermStep { losses, loss: total, gradients } =
            mmen_step(model, &Dev::default(), &video, &text, &terms, loss, start).unwrap();
        if std::mem::take(&mut first) {
            compare_term_losses(&case, "", &terms, &losses, 1.0);
        }
        (total, gradients)
    });
    case.finish();
}

pub fn train_mmen_fixed() {
    train_mmen("train_mmen_fixed");
}

pub fn train_mmen_relmargin() {
    train_mmen("train_mmen_relmargin");
}

pub fn mini_eval() {
    let case = load("mini_eval");
    let mini = golden_dir().join("relmargin/mini");
    for model in ["jpose", "mmen"] {
        let run = mini.join("logs/runs").join(model);
        let (args, _) = Options::from_args_txt(&std::fs::read_to_string(run.join("args.txt")).unwrap()).unwrap();
        let from = FolderOptions {
            all_noun_classes: args.all_noun_classes,
            first_noun_only: model == "mmen",
            video_width: args.video_width(),
            ..FolderOptions::default()
        };
        let test = epic100::load_eval(&mini, EvalSplitName::Test, &from).unwrap().split;
        let name = if model == "jpose" { "JPoSE" } else { "MMEN" };
        for container in ["", "_legacy"] {
            let path = run.join(format!("model/{name}_99{container}.pth"));
            let checkpoint = torch::load(&path, &pickle::PickleOptions::default()).unwrap();
            let tensors = from_torch(&checkpoint.state_dict(None).unwrap()).unwrap();
            if model == "jpose" {
                assert_eq!(tensors, case.parameters(), "{}", path.display());
            }
            compare_evaluation(&case, model, &args, &test, &tensors);
        }
        // The same folder trains.
        let mut draw = coembed::train::rng(0, coembed::train::Purpose::Classes, 0, 0);
        epic100::load_train(&mini, &from, &mut draw).unwrap();
    }
    case.finish();
}

fn compare_evaluation(
    case: &Case,
    name: &str,
    options: &Options,
    test: &EvalSplit,
    tensors: &coembed::train::StateDict,
) {
    let (video, text) = (test.features.video.cols(), test.features.text.verb.cols());
    let mut model = RelMarginNetwork::build(options, video, text, &Dev::default(), 0).unwrap();
    let report = coembed::train::load(&mut model, tensors).unwrap();
    assert!(report.is_complete(), "{report}");
    let evaluation = model.evaluate(options, &Dev::default(), test).unwrap();
    let LevelEvaluation { similarity, graded, ranks } = &evaluation.main;
    case.compare_f32(&format!("output.{name}.sim"), similarity.as_slice());
    for (direction, scores) in [("v2t", &graded.v2t), ("t2v", &graded.t2v)] {
        case.compare(&format!("output.{name}.ndcg_{direction}"), &[scores.ndcg.mean]);
        case.compare(&format!("output.{name}.map_{direction}"), &[scores.ap.as_ref().unwrap().mean]);
    }
    case.compare(&format!("output.{name}.ndcg_avg"), &[graded.ndcg_avg()]);
    case.compare(&format!("output.{name}.map_avg"), &[graded.map_avg().unwrap()]);
    if name == "jpose" {
        compare_recalls(case, "output.jpose.recall.", ranks.as_ref().unwrap());
        assert_eq!(evaluation.published_output(), case.meta("authors_test_script_stdout").trim_end());
    }
}

pub fn epic100_full() {
    let fixture = golden_dir().join("relmargin/epic100_full.json");
    let fixture: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(fixture).unwrap()).unwrap();
    if let Some(folder) = crate::support::data_dir("epic100") {
        epic100_full::check(&fixture, &folder);
    }
}

#[path = "epic100_full.rs"]
mod epic100_full;

/// Every published link stands in the list that `rows --links` prints, and no other.
pub fn published_files() {
    let text = std::fs::read_to_string(golden_dir().join("relmargin/published_files.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&text).unwrap();
    let files = truth["files"].as_array().unwrap().iter();
    let published: BTreeSet<&str> = files.filter_map(|file| file["url"].as_str()).collect();
    let printed = RelMargin.links().split([',', '\n']).filter(|cell| cell.contains("drive.google.com/"));
    assert!(!published.is_empty());
    assert_eq!(printed.collect::<BTreeSet<_>>(), published);
}
