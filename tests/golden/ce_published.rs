//! The published configurations of Collaborative Experts and TeachText: what they mean, and the files that they open.
//!
//! `published_configs.json` says what the published program makes of each. The configurations themselves are not part of this project; they are
//! read where real data are at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use coembed::blocks::{Activation, Relation};
use coembed::data::experts::folder::{
    Challenge, Dataset, ExpertFiles, ExpertFolderOptions, FeatAggregation, Subsets, text_width,
};
use coembed::models::collaborative_experts::CaptionMerge;
use coembed::models::{Design, MixtureWeights, TextPooling};
use coembed::options::{Checked, Options as _, Table};
use coembed::recipes::ce::{Arch, CollaborativeExpertsRecipe, EvalMode, Options, Reading, import_config};
use coembed::run::Recipe;
use coembed::train::{OptimizerConfig, Schedule};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{data_dir, golden_dir};

#[derive(Deserialize)]
pub struct Published {
    pub configs: BTreeMap<String, Config>,
}

/// What the published program makes of a configuration.
#[derive(Deserialize)]
pub struct Config {
    experiment: String,
    program: Program,
    pub params: Option<usize>,
    pub settings: Option<Value>,
    pub test: Option<Value>,
    #[serde(default)]
    pub experts: Vec<Value>,
    /// The files that are opened in training and in the test after it.
    #[serde(default)]
    pub reads: BTreeMap<String, Vec<Read>>,
}

impl Config {
    /// Whether it runs, at least once it is repaired.
    fn can_run(&self) -> bool {
        let Program { train, repaired_for_the_rest } = &self.program;
        self.settings.is_some() && (train == "runs" || !repaired_for_the_rest.is_empty())
    }
}

#[derive(Deserialize)]
struct Program {
    train: String,
    #[serde(default)]
    repaired_for_the_rest: Vec<String>,
}

/// A file that is opened.
#[derive(Deserialize)]
pub struct Read {
    pub kind: String,
    pub file: PathBuf,
    /// The folder, where it is not that of the features.
    pub under: Option<String>,
    pub expert: Option<String>,
}

fn json<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(golden_dir().join("ce").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub fn published() -> Published {
    json("published_configs.json")
}

/// What options mean, in the terms of the truth.
pub fn settings(options: &Checked<Options>) -> Value {
    let dataset = Dataset::find(&options.dataset).unwrap();
    let list = |split: &str| dataset.split(split).unwrap().eval;
    let (clusters, ghosts) = match options.text_pooling {
        TextPooling::NetVlad { clusters, ghosts } => (clusters, ghosts),
        TextPooling::Identity => (0, 0),
    };
    let design = match options.design {
        _ if options.arch == Arch::HowTo100m => "MNNet".into(),
        Design::Collaborative(reasoning) => match reasoning.relation {
            Relation::Pairwise => "CE: pairwise".to_string(),
            other => format!("CE: {other:?}"),
        },
        Design::Own => "MoEE".into(),
        Design::Projected => "mimic_ce_dims".into(),
        Design::Concatenated => "concat".into(),
        Design::ConcatenatedGated => "concat_mix".into(),
    };
    let optimizer = match &options.optimizer {
        OptimizerConfig::Ranger(c) => {
            json!({"type": "Ranger", "lr": c.learning_rate, "weight_decay": c.weight_decay, "betas": [c.beta1, c.beta2], "eps": c.eps,
                "k": c.look_ahead.steps, "alpha": c.look_ahead.alpha})
        }
        OptimizerConfig::RAdam(c) => {
            json!({"type": "RAdam", "lr": c.learning_rate, "weight_decay": c.weight_decay, "betas": [c.beta1, c.beta2], "eps": c.eps})
        }
        other => panic!("{other:?}"),
    };
    let Schedule::StepDecay { epochs, gamma } = options.schedule else { panic!("{:?}", options.schedule) };
    let arch = options.arch == Arch::CollaborativeExperts;
    json!({
        "dataset": dataset.name, "split": options.split, "val_list": list(&options.split),
        "num_test_captions": options.num_test_captions, "fuse_captions": options.fuse_captions,
        "restrict_train_captions": options.restrict_train_captions.unwrap_or(0), "challenge_mode": options.challenge_mode,
        "text_dropout": options.text_dropout, "text_feat": options.text_feat, "text_dim": text_width(&options.text_feat),
        "max_words": options.max_words, "text_clusters": arch.then_some(clusters), "text_ghost_clusters": arch.then_some(ghosts),
        "ce_shared_dim": arch.then_some(options.ce_shared_dim), "use_zeros_for_missing": options.use_zeros_for_missing,
        "design": design, "randomise_feats": options.randomise_feats,
        "freeze_weights": options.weights == MixtureWeights::Uniform,
        "keep_missing_modalities": options.weights == MixtureWeights::Sum,
        "average_captions": options.test_caption_mode == CaptionMerge::Average,
        "margin": options.margin, "fix_norm": options.fix_norm, "optimizer": optimizer,
        "step_size": epochs, "gamma": gamma, "batch_size": options.batch_size, "epochs": options.epochs,
        "monitor": options.monitor.as_ref().map(|monitor| format!("max {monitor}")),
        "save_only_best": options.save_only_best, "save_period": options.save_period,
        "skip_first_n_saves": options.skip_first_n_saves,
        "eval_mode": match options.eval_mode { EvalMode::TestRun => "test_run", EvalMode::FixedNumEpochs => "fixed_num_epochs" },
        "teachers": options.teachers, "caption_masks": options.caption_masks, "training_file": options.training_file,
        // A test on the list of the validation is none of its own.
        "test": options.test_split.as_ref().filter(|split| options.eval_mode == EvalMode::TestRun || **split != options.split).map(|split| json!([split, options.captions(true), list(split)])),
    })
}

/// The same of the truth.
pub fn true_settings(config: &Config) -> Value {
    let s = config.settings.as_ref().unwrap();
    let arch = &s["arch_args"];
    let (clip, all) = (|value: &Value| value.as_f64().unwrap() as f32, &s["optimizer"]["all_args"]);
    let flag =
        |value: &Value| !matches!(value, Value::Null | Value::Bool(false)) && *value != json!(0) && *value != json!("");
    let mut optimizer = json!({"type": s["optimizer"]["type"], "lr": clip(&all["lr"]), "weight_decay": clip(&all["weight_decay"]),
        "betas": all["betas"], "eps": clip(&all["eps"])});
    if s["optimizer"]["type"] == "Ranger" {
        optimizer["k"] = all["k"].clone();
        optimizer["alpha"] = json!(clip(&all["alpha"]));
    }
    let names = |value: &Value| -> Vec<String> {
        value.as_str().unwrap_or_default().split(',').filter(|name| !name.is_empty()).map(String::from).collect()
    };
    let ce = s["arch"] == "CENet";
    json!({
        "dataset": s["dataset"], "split": s["split"], "val_list": s["val_list"], "num_test_captions": s["num_test_captions"],
        "fuse_captions": s["fuse_captions"], "restrict_train_captions": s["restrict_train_captions"], "challenge_mode": s["challenge_mode"],
        "text_dropout": s["text_dropout"], "text_feat": s["text_feat"], "text_dim": s["text_dim"], "max_words": s["max_words"],
        "text_clusters": ce.then(|| s["text_clusters"].clone()), "text_ghost_clusters": ce.then(|| s["text_ghost_clusters"].clone()),
        "ce_shared_dim": ce.then(|| s["ce_shared_dim"].clone()), "use_zeros_for_missing": s["use_zeros_for_missing"],
        "design": s["design"], "randomise_feats": names(&arch["randomise_feats"]),
        "freeze_weights": flag(&arch["freeze_weights"]), "keep_missing_modalities": flag(&arch["keep_missing_modalities"]),
        "average_captions": arch["test_caption_mode"] == "avg",
        "margin": clip(&s["loss"]["args"]["margin"]), "fix_norm": s["loss"]["args"]["fix_norm"], "optimizer": optimizer,
        "step_size": s["lr_scheduler"]["args"]["step_size"], "gamma": s["lr_scheduler"]["args"]["gamma"],
        "batch_size": s["batch_size"], "epochs": s["epochs"], "monitor": s["monitor"], "save_only_best": s["save"]["save_only_best"],
        "save_period": s["save"]["save_period"], "skip_first_n_saves": s["save"]["skip_first_n_saves"], "eval_mode": s["eval_mode"],
        "teachers": s["teachers"], "caption_masks": s["caption_masks"], "training_file": s["training_file"],
        "test": config.test.as_ref().map(|test| json!([test["split"], test["num_test_captions"], test["list"]])),
    })
}

/// The reasoning of collaborative gating, which names of designs leave out.
fn check_reasoning(name: &str, options: &Options, config: &Config) {
    if options.arch != Arch::CollaborativeExperts {
        return;
    }
    let Design::Collaborative(reasoning) = options.design else { return };
    let args = &config.settings.as_ref().unwrap()["arch_args"];
    let on = |key: &str| args[key].as_bool().unwrap_or_else(|| args[key].as_u64().unwrap() == 1);
    assert_eq!(reasoning.include_self, on("include_self"), "{name}");
    assert_eq!(reasoning.activation == Activation::Mish, on("use_mish"), "{name}");
    assert_eq!(reasoning.batch_norm, on("use_bn_reason"), "{name}");
    assert_eq!(
        (reasoning.g_layers, reasoning.h_layers),
        (size(&args["num_g_layers"]), size(&args["num_h_layers"])),
        "{name}"
    );
}

fn size(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

/// Experts in the order of the network, with what their files hold.
pub fn check_experts(name: &str, options: &Options, config: &Config) {
    let mut names = options.experts.clone();
    names.sort();
    let truth: Vec<&str> = config.experts.iter().map(|expert| expert["name"].as_str().unwrap()).collect();
    assert_eq!(names, truth, "{name}");
    for truth in &config.experts {
        let expert = &options.features[truth["name"].as_str().unwrap()];
        let what = format!("{name}: {}", truth["name"]);
        assert_eq!((expert.features_width(), expert.flaky), (size(&truth["dim"]), truth["flaky"] == true), "{what}");
        match &expert.reading {
            Reading::Sequence { clusters, max_tokens } => {
                assert_eq!((*clusters, *max_tokens), (size(&truth["clusters"]), size(&truth["max_tokens"])), "{what}");
            }
            Reading::Statistics(statistics) => {
                assert_eq!(truth["storage"], "fixed", "{what}");
                assert_eq!(statistics.len(), truth["aggregates"].as_array().unwrap().len(), "{what}");
            }
        }
    }
}

/// All files that a run and its test open, under the folder of features or that of the test.
pub fn check_files(name: &str, options: &Checked<Options>, config: &Config) {
    let dataset = Dataset::find(&options.dataset).unwrap();
    let root = Path::new("/data/features");
    let test_root = Path::new("/data").join(&options.challenge_test_root);
    let mut opened = BTreeSet::new();
    for test in [false, true] {
        if test && config.test.is_none() {
            continue;
        }
        let mut wanted = options.folder_options(test).unwrap();
        wanted.subsets = if test { Subsets::Eval } else { Subsets::Both };
        for file in ExpertFiles::new(root, dataset, &wanted).unwrap().all() {
            opened.insert(match file.strip_prefix(root) {
                Ok(file) => (None, file.to_path_buf()),
                Err(_) => (Some("test_root"), file.strip_prefix(&test_root).unwrap().to_path_buf()),
            });
        }
    }
    let reads = config.reads.values().flatten();
    let truth: BTreeSet<_> = reads.map(|read| (read.under.as_deref(), read.file.clone())).collect();
    assert_eq!(opened, truth, "{name}");
}

/// The rows that have the name of a configuration, with it.
fn rows(published: &Published) -> Vec<(String, Checked<Options>, &Config)> {
    let named: BTreeMap<&str, &Config> =
        published.configs.values().map(|config| (config.experiment.as_str(), config)).collect();
    let recipes = [CollaborativeExpertsRecipe::CollaborativeExperts, CollaborativeExpertsRecipe::TeachText];
    let tables = recipes.map(|recipe| recipe.rows().unwrap());
    let names = tables.iter().flat_map(|table| table.rows.iter().map(move |row| (table, row.name.as_str())));
    let with_config = |(table, name): (&Table<Options>, &str)| {
        let config = named.get(name).filter(|config| config.settings.is_some())?;
        Some((name.to_string(), table.checked(name).unwrap(), *config))
    };
    names.filter_map(with_config).collect()
}

/// Rows and configurations of one name agree.
fn check_rows(published: &Published) {
    let rows = rows(published);
    let wrong = |(name, options, config): &(String, Checked<Options>, &Config)| {
        let checked = || {
            assert_eq!(settings(options), true_settings(config), "{name}");
            check_reasoning(name, options, config);
            check_experts(name, options, config);
            assert_eq!(options.num_parameters().unwrap(), config.params.unwrap(), "{name}");
            check_files(name, options, config);
        };
        std::panic::catch_unwind(checked).is_err().then(|| name.clone())
    };
    let wrong: Vec<String> = rows.iter().filter_map(wrong).collect();
    assert_eq!(wrong, Vec::<String>::new(), "of {} rows with a configuration", rows.len());
    assert!(!rows.is_empty());
}

/// The options of all rows that have a configuration, and of the configurations where they are at hand, with what is known of them.
pub fn published_options(published: &Published) -> Vec<(String, Checked<Options>, &Config)> {
    let mut all = rows(published);
    if let Some(data) = data_dir("ce-published") {
        for (name, config) in &published.configs {
            let imported = || import_config(&data.join(name), &data, config.program.train != "runs").unwrap();
            all.extend(config.can_run().then(|| (name.clone(), imported().options.check().unwrap(), config)));
        }
    }
    all
}

pub fn published_configs() {
    let published = published();
    check_rows(&published);
    let Some(data) = data_dir("ce-published") else { return };
    let wrong = |(name, config): (&String, &Config)| {
        std::panic::catch_unwind(|| check_config(&data, name, config)).is_err().then(|| name.clone())
    };
    assert_eq!(published.configs.iter().filter_map(wrong).collect::<Vec<_>>(), Vec::<String>::new());
}

fn check_config(data: &Path, name: &str, config: &Config) {
    let import = |repair| import_config(&data.join(name), data, repair);
    let runs = config.program.train == "runs";
    if !runs {
        let error = import(false).expect_err(name).to_string();
        // Where the truth says which entry is missing, so does the message.
        let key = config.program.train.split('\'').nth(1).unwrap_or_default();
        assert!(error.contains(key) || error.contains("stops"), "{name}: {error}; {}", config.program.train);
    }
    let Some(truth) = config.settings.as_ref().filter(|_| config.can_run()) else { return };
    let imported = import(!runs).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(imported.repaired.len(), config.program.repaired_for_the_rest.len(), "{name}");
    let options = imported.options.check().unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(settings(&options), true_settings(config), "{name}");
    assert_eq!(options.data_dir.as_deref(), truth["root"].as_str().map(Path::new), "{name}");
    check_reasoning(name, &options, config);
    check_experts(name, &options, config);
    assert_eq!(options.num_parameters().unwrap(), config.params.unwrap(), "{name}");
    check_files(name, &options, config);
}

#[derive(Deserialize)]
struct Tables {
    tables: Vec<ResultTable>,
}

#[derive(Deserialize)]
struct ResultTable {
    rows: Vec<serde_json::Map<String, Value>>,
}

/// Compares every row of a file of tables with that of its experiment; gives the experiments that have no row here.
fn check_results(file: &str) -> BTreeSet<String> {
    let Tables { tables } = json(file);
    let [ce, teachtext] = [CollaborativeExpertsRecipe::CollaborativeExperts, CollaborativeExpertsRecipe::TeachText]
        .map(|recipe| recipe.rows().unwrap());
    let rows: BTreeMap<&str, _> = ce.rows.iter().chain(&teachtext.rows).map(|row| (row.name.as_str(), row)).collect();
    let (mut without, mut compared) = (BTreeSet::new(), 0);
    for result in tables.iter().flat_map(|table| &table.rows) {
        let Some(experiment) = result.get("experiment").and_then(Value::as_str) else { continue };
        let text = |key: &str| result[key].as_str().unwrap();
        // TeachText has other runs of CE under the names of those of CE.
        let hashed = format!("{experiment}/{}", text("hash"));
        let Some(row) = rows.get(hashed.as_str()).or_else(|| rows.get(experiment)) else {
            without.insert(experiment.to_string());
            continue;
        };
        let names = [
            ("R1", "R@1"),
            ("R5", "R@5"),
            ("R10", "R@10"),
            ("R50", "R@50"),
            ("MedR", "MdR"),
            ("MeanR", "MnR"),
            ("geom", "geometric mean"),
        ];
        for (key, score) in names {
            let of = |of: &serde_json::Map<String, Value>| of.get(key).filter(|value| !value.is_null()).cloned();
            let more = || result.get("from_results").and_then(Value::as_object).and_then(of);
            let Some(value) = of(result).or_else(more) else { continue };
            let name = format!("{}/{score}", text("task"));
            let ours = json!([row.scores.get(&name), row.deviations.get(&name)]);
            assert_eq!(ours, value, "{}: {name}", row.name);
            compared += 1;
        }
        if let Some(params) = result.get("params").and_then(Value::as_u64)
            && row.params.is_some()
        {
            assert_eq!(row.params, Some(params as usize), "{}", row.name);
        }
    }
    assert!(compared > 0);
    without
}

pub fn seed_tables() {
    assert_eq!(check_results("seed_tables.json"), BTreeSet::new());
}

/// The tables of ablations on other data sets than MSRVTT; not every experiment of them has a row.
pub fn ablation_tables() {
    check_results("ablation_tables.json");
}

pub fn loader_paths() {
    let truth: Value = json("loader_paths.json");
    for (name, loader) in truth["loaders"].as_object().unwrap() {
        let dataset = Dataset::find(name).unwrap();
        let lists: BTreeMap<&str, Value> =
            dataset.splits.iter().map(|s| (s.name, json!({"train": s.train, "val": s.eval}))).collect();
        assert_eq!(json!(lists), loader["lists"], "{name}");
        assert_eq!(json!(dataset.visual), loader["visual_experts"], "{name}");
        let custom = |own: &[(&str, &str)]| -> BTreeMap<String, Value> {
            own.iter().map(|(expert, file)| (expert.to_string(), json!([file]))).collect()
        };
        assert_eq!(json!(custom(dataset.custom)), loader["custom_experts"], "{name}");
        if let Some(truth) = loader.get("custom_experts_of_split_miech") {
            let mut own = custom(dataset.custom);
            own.extend(custom(dataset.split("miech").unwrap().custom));
            assert_eq!(json!(own), *truth, "{name}");
        }
        assert_eq!(json!(dataset.raw_captions), loader["raw_captions"], "{name}");
        assert_eq!(json!(dataset.restricts_captions), loader["restrict_train_captions_has_effect"], "{name}");
        let mut takes: Vec<&str> = dataset.splits.iter().filter(|s| s.training_file).map(|s| s.name).collect();
        takes.sort_unstable();
        match &loader["splits_that_use_training_file"] {
            Value::Array(splits) => assert_eq!(json!(takes), json!(splits), "{name}"),
            _ => assert!(takes.is_empty(), "{name}"),
        }
        for (key, challenge) in [("text", false), ("challenge_text", true)] {
            let Some(encoders) = loader[key].as_object() else { continue };
            for (encoder, file) in encoders {
                let files = |split: &str| -> BTreeSet<String> {
                    let options = ExpertFolderOptions {
                        split: split.into(),
                        text_encoder: encoder.clone(),
                        challenge: challenge.then(|| Challenge { test_root: "second".into() }),
                        ..ExpertFolderOptions::default()
                    };
                    let files = ExpertFiles::new(Path::new(""), dataset, &options).unwrap();
                    files.text.iter().map(|file| file.display().to_string()).collect()
                };
                let splits = dataset.splits.iter().filter(|split| challenge || !split.name.starts_with("public"));
                let all: BTreeSet<String> =
                    splits.filter(|split| split.name != "public_server_test").flat_map(|s| files(s.name)).collect();
                let truth: BTreeSet<String> = match file {
                    Value::Object(parts) => parts.values().map(|part| part.as_str().unwrap().into()).collect(),
                    one => [one.as_str().unwrap().into()].into(),
                };
                // VaTeX has no challenge, but its loader has a place of text features for one.
                if (name.as_str(), challenge) != ("VaTeX", true) {
                    assert_eq!(all, truth, "{name} {encoder}");
                }
            }
        }
    }
    let vatex: FeatAggregation =
        serde_json::from_value(json!({"temporal": "avg", "type": "logits", "fps": 1, "pixel_dim": 2, "stride": 3}))
            .unwrap();
    let files = vatex.files("moments-static.resnet50.0").unwrap();
    assert_eq!(files, [Path::new("aggregated_moments_static_1fps_2px_stride3/resnet50-avg-logits.pickle")]);
}
