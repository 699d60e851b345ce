//! The authors' own configurations: JSON with inheritance.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::import_section::{EntryError, Section};
use super::{Arch, EvalMode, ExpertOptions, FrameSampling, Options, Reading, TaskKind};
use crate::blocks::{Activation, FrameStatistic, ReasoningConfig, Relation};
use crate::data::experts::folder::Dataset;
use crate::files::read_text;
use crate::models::collaborative_experts::CaptionMerge;
use crate::models::{Design, MixtureWeights, TextPooling};
use crate::ops::WeightDecay;
use crate::options::{Options as _, OptionsError};
use crate::run::Imported;
use crate::train::{AdamConfig, LookAhead, OptimizerConfig, RAdamConfig, RangerConfig, Schedule, SgdConfig};

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no JSON.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A file inherits from itself, or over too many generations.
    #[error("{}: inherits from itself, or is inherited over more than {GENERATIONS} generations", path.display())]
    Cycle {
        /// The file.
        path: PathBuf,
    },
    /// An entry has no meaning here.
    #[error("{}: {key}: {reason}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry, `arch.args.use_ce`.
        key: String,
        /// Why.
        reason: String,
    },
    /// The whole contradicts itself.
    #[error("{}: {source}", path.display())]
    Options {
        /// The file.
        path: PathBuf,
        /// Why.
        source: OptionsError,
    },
}

/// Reads one of the authors' JSON configurations. `inherit_from` names parents, separated by commas and relative to `root`, which are read first;
/// later ones and the file itself win. Objects are merged entry by entry, everything else is replaced.
///
/// What the published program stops at is refused. With `repair` it is made to run where that takes no more than what the program has elsewhere:
/// the table of text encoders, which the configurations of the challenge do not name, and a loader of YouCook2 that takes its arguments.
///
/// # Errors
/// [`ImportError`], naming the file and the entry; entries that this family of programs does not know are errors.
pub fn import_config(path: &Path, root: &Path, repair: bool) -> Result<Imported<Options>, ImportError> {
    let mut files = Files::default();
    let order = lineage(path, root, &mut files)?;
    let mut merged = Map::new();
    order.iter().for_each(|&file| merge(&mut merged, &files.contents[file]));
    let entry = |EntryError { key, reason }| ImportError::Entry { path: path.into(), key, reason };
    let names_encoders = merged.contains_key("text_embedding_model_configs");
    let mut ignored = vec![];
    let options = options(Section::new(merged), &mut ignored).map_err(entry)?;
    let repaired = stops(&options, names_encoders);
    if let Some(stop) = repaired.first().filter(|_| !repair) {
        let reason = format!("{}; --repair goes on", stop.reason);
        return Err(entry(EntryError { key: stop.key.clone(), reason }));
    }
    options.validate().map_err(|source| ImportError::Options { path: path.into(), source })?;
    let repaired = repaired.into_iter().map(|EntryError { key, reason }| format!("{key}: {reason}")).collect();
    Ok(Imported { options, ignored, repaired })
}

/// What the published program stops at in a configuration that is whole otherwise.
fn stops(options: &Options, names_encoders: bool) -> Vec<EntryError> {
    let stop = |key: &str, reason: &str| EntryError { key: key.into(), reason: reason.into() };
    let encoders = "missing, where the published program stops (KeyError)";
    let youcook2 = "the published loader of YouCook2 does not take the arguments that it is given (TypeError)";
    let encoders = (!names_encoders).then(|| stop("text_embedding_model_configs", encoders));
    let loader = (options.dataset == "YouCook2").then(|| stop("data_loader.args.dataset_name", youcook2));
    encoders.into_iter().chain(loader).collect()
}

/// The deepest inheritance.
const GENERATIONS: usize = 64;

/// The files of a configuration.
#[derive(Default)]
struct Files {
    /// Those that are being read, from the one that was asked for to its innermost ancestor.
    open: Vec<PathBuf>,
    contents: Vec<Map<String, Value>>,
    /// By file, the numbers of all that it inherits and its own, in the order in which they are merged.
    lineages: HashMap<PathBuf, Rc<[usize]>>,
}

/// A file and its ancestors in the order in which they are merged: depth first, parents before the file. What comes twice counts where it
/// comes last, as merging it again overwrites all that it had said.
fn lineage(path: &Path, root: &Path, files: &mut Files) -> Result<Rc<[usize]>, ImportError> {
    let io = |source| ImportError::Io { path: path.into(), source };
    let canonical = path.canonicalize().map_err(io)?;
    if files.open.contains(&canonical) || files.open.len() >= GENERATIONS {
        return Err(ImportError::Cycle { path: path.into() });
    }
    if let Some(lineage) = files.lineages.get(&canonical) {
        return Ok(lineage.clone());
    }
    let text = read_text(path).map_err(io)?;
    let mut own: Map<String, Value> =
        serde_json::from_str(&text).map_err(|source| ImportError::Json { path: path.into(), source })?;
    let parents = match own.remove("inherit_from") {
        None => String::new(),
        Some(Value::String(parents)) => parents,
        Some(other) => {
            let reason = format!("a string expected, found {other}");
            return Err(ImportError::Entry { path: path.into(), key: "inherit_from".into(), reason });
        }
    };
    files.open.push(canonical.clone());
    let mut order = vec![];
    for parent in last_of_each(parents.split(',').map(str::trim).filter(|parent| !parent.is_empty())) {
        order.extend_from_slice(&lineage(&root.join(parent), root, files)?);
    }
    files.open.pop();
    order.push(files.contents.len());
    files.contents.push(own);
    let lineage: Rc<[usize]> = last_of_each(order).into();
    files.lineages.insert(canonical, lineage.clone());
    Ok(lineage)
}

/// Without all but the last of what comes several times.
fn last_of_each<T: Hash + Eq + Copy>(items: impl IntoIterator<Item = T, IntoIter: DoubleEndedIterator>) -> Vec<T> {
    let mut seen = HashSet::new();
    let mut kept: Vec<T> = items.into_iter().rev().filter(|item| seen.insert(*item)).collect();
    kept.reverse();
    kept
}

fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            (_, value) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

fn options(mut top: Section, ignored: &mut Vec<String>) -> Result<Options, EntryError> {
    let mut options = Options { experts: vec![], ..Options::default() };
    let mut arch = top.section("arch")?;
    let mut experts = top.section("experts")?;
    let mut loader = top.section("data_loader")?;
    let mut data = loader.section("args")?;
    let mut args = arch.section("args")?;

    options.arch = match arch.string("type", "CENet")?.as_str() {
        "CENet" => Arch::CollaborativeExperts,
        // It accepts the arguments of CE, as they are inherited, and has none.
        "MNNet" => {
            args.ignore_all(ignored);
            Arch::HowTo100m
        }
        other => return Err(arch.error("type", format!("CENet or MNNet expected, found {other:?}"))),
    };
    options.task = match top.string("task", "retrieval")?.as_str() {
        "retrieval" => TaskKind::Retrieval,
        "retrieval-as-classification" => TaskKind::RetrievalAsClassification,
        "classification" => {
            let reason = "classification: not supported, as no published data set has the targets that its loss needs";
            return Err(top.error("task", reason));
        }
        other => {
            let reason = format!("retrieval or retrieval-as-classification expected, found {other:?}");
            return Err(top.error("task", reason));
        }
    };
    options.design = design(&mut args)?;
    options.weights = match (args.flag("keep_missing_modalities")?, args.flag("freeze_weights")?) {
        (true, _) => MixtureWeights::Sum,
        (_, true) => MixtureWeights::Uniform,
        _ => MixtureWeights::Text,
    };
    options.randomise_feats = args.names("randomise_feats")?;
    options.test_caption_mode = match args.string("test_caption_mode", "indep")?.as_str() {
        "indep" => CaptionMerge::Independent,
        "avg" => CaptionMerge::Average,
        other => return Err(args.error("test_caption_mode", format!("indep or avg expected, found {other:?}"))),
    };
    options.ce_shared_dim = experts.number("ce_shared_dim", options.ce_shared_dim)?;
    options.use_zeros_for_missing = experts.flag("use_zeros_for_missing")?;
    options.text_feat = experts.string("text_feat", &options.text_feat)?;

    let mut sizes = Sizes {
        clusters: args.section("vlad_clusters")?,
        tokens: data.section("max_tokens")?,
        face: experts.number("face_dim", 512)?,
    };
    let mut ghost_clusters = args.section("ghost_clusters")?;
    let ghosts = ghost_clusters.number("text", 0)?;
    ghost_clusters.ignore_all(ignored);
    options.max_words = sizes.tokens.number("text", options.max_words)?;
    options.text_pooling = match sizes.clusters.number("text", 0)? {
        0 => TextPooling::Identity,
        clusters => TextPooling::NetVlad { clusters, ghosts },
    };
    match experts.string("text_agg", "vlad")?.as_str() {
        "vlad" => {}
        "avg" if options.max_words == 1 => {}
        other => return Err(experts.error("text_agg", format!("vlad expected, or avg of one word; found {other:?}"))),
    }
    read_data(&mut options, &mut data)?;
    read_experts(&mut options, &mut experts, &mut data, sizes, ignored)?;
    options.training_file = top.optional_string("training_file")?.map(PathBuf::from);
    options.caption_masks = top.optional_string("caption_masks")?.map(PathBuf::from);
    read_loss(&mut options, &mut top, ignored)?;
    let learning_rate = read_optimizer(&mut options, &mut top, ignored)?;
    read_trainer(&mut options, &mut top, ignored)?;
    read_schedule(&mut options, &mut top, learning_rate, ignored)?;
    read_test(&mut options, &mut top, ignored)?;
    read_teachers(&mut options, &mut top, ignored)?;
    options.eval_mode = match top.string("eval_mode", "test_run")?.as_str() {
        "test_run" => EvalMode::TestRun,
        "fixed_num_epochs" => EvalMode::FixedNumEpochs,
        other => {
            let reason = format!("test_run or fixed_num_epochs expected, found {other:?}");
            return Err(top.error("eval_mode", reason));
        }
    };
    options.challenge_mode = top.flag("challenge_mode")?;
    if let Some(folder) = data.optional_string("challenge_test_root_feat_folder")? {
        options.challenge_test_root = folder.into();
    }
    let (folder, features) = (data.optional_string("data_dir")?, data.optional_string("root_feat_folder")?);
    options.data_dir = folder.map(|folder| Path::new(&folder).join(features.unwrap_or_default()));

    for key in UNSUPPORTED {
        for section in [&mut args, &mut data, &mut top] {
            if section.flag(key)? {
                return Err(section.error(key, "not supported"));
            }
        }
    }
    args.finish(&["verbose"], ignored)?;
    arch.finish(&[], ignored)?;
    experts.finish(&["text_dim"], ignored)?;
    data.finish(&["num_workers", "refresh_lru_cache"], ignored)?;
    loader.finish(&["type", "batch_size"], ignored)?;
    top.finish(&IGNORED, ignored)?;
    Ok(options)
}

/// Options of the published program that this one does not have; off in every published configuration.
const UNSUPPORTED: [&str; 10] = [
    "l2renorm",
    "kron_dets",
    "coord_dets",
    "rand_proj",
    "geometric_mlp",
    "spatial_feats",
    "trn_cat",
    "trn_seg",
    "manual_linear_init",
    "drop_last",
];

/// Entries of the top level without effect.
const IGNORED: [&str; 15] = [
    "name",
    "n_gpu",
    "seed",
    "log_name",
    "disable_nan_checks",
    "disable_gpu",
    "text_embedding_model_configs",
    "visualizer",
    "metrics",
    "hconfig_path",
    "eval_config",
    "cache_targets",
    "force_cpu_val",
    "tester",
    "exp_name",
];

fn design(args: &mut Section) -> Result<Design, EntryError> {
    let use_ce = args.string("use_ce", "")?;
    let (mimic, concatenated, mixed) =
        (args.flag("mimic_ce_dims")?, args.flag("concat_experts")?, args.flag("concat_mix_experts")?);
    let reasoning = ReasoningConfig {
        relation: match use_ce.as_str() {
            "" | "pairwise" => Relation::Pairwise,
            "pairwise-star" => Relation::PairwiseStar,
            "pairwise-star-specific" => Relation::PairwiseStarSpecific,
            "pairwise-star-tensor" => Relation::PairwiseStarTensor,
            "triplet" => Relation::Triplet,
            other => return Err(args.error("use_ce", format!("a relation that is not known: {other:?}"))),
        },
        include_self: args.flag_or("include_self", true)?,
        activation: if args.flag_or("use_mish", true)? { Activation::Mish } else { Activation::Relu },
        batch_norm: args.flag_or("use_bn_reason", true)?,
        g_layers: args.number("num_g_layers", 3)?,
        h_layers: args.number("num_h_layers", 0)?,
    };
    match (!use_ce.is_empty(), mimic, concatenated, mixed) {
        (true, true, ..) => Err(args.error("mimic_ce_dims", "not together with use_ce")),
        (true, ..) => Ok(Design::Collaborative(reasoning)),
        (_, true, ..) => Ok(Design::Projected),
        (_, _, true, _) => Ok(Design::Concatenated),
        (.., true) => Ok(Design::ConcatenatedGated),
        _ => Ok(Design::Own),
    }
}

/// Sizes by expert.
struct Sizes {
    clusters: Section,
    tokens: Section,
    face: usize,
}

fn read_experts(
    options: &mut Options,
    experts: &mut Section,
    data: &mut Section,
    mut sizes: Sizes,
    ignored: &mut Vec<String>,
) -> Result<(), EntryError> {
    let dropped = experts.names("drop_feats")?;
    options.experts = experts.names("modalities")?.into_iter().filter(|name| !dropped.contains(name)).collect();
    let mut aggregation = data.section("feat_aggregation")?;
    let dataset = Dataset::find(&options.dataset).map_err(|error| data.error("dataset_name", error.to_string()))?;
    let split = dataset.split(&options.split).map_err(|error| data.error("split_name", error.to_string()))?;
    if let Some(unknown) = options.experts.iter().find(|name| !dataset.has_expert(split, name)) {
        let reason =
            format!("{unknown:?} is never loaded for {}: the published program stops (KeyError)", dataset.name);
        return Err(experts.error("modalities", reason));
    }
    for name in options.experts.clone() {
        let mut entry = aggregation.section(&name)?;
        let expert = expert(&name, &mut entry, &mut sizes)?;
        if entry.flag("binarise")? {
            options.binarise.push(name.clone());
        }
        if entry.number("aggregate-axis", 1)? != 1 {
            return Err(entry.error("aggregate-axis", "1 expected: files are joined by columns"));
        }
        entry.finish(&["model", "feat_type", "aggregate"], ignored)?;
        options.features.insert(name, expert);
    }
    // Of experts that are not used.
    [aggregation, sizes.clusters, sizes.tokens].into_iter().for_each(|mut section| section.ignore_all(ignored));
    Ok(())
}

/// Widths of the published features by model: embedding, classifier.
const WIDTHS: [(&str, usize, Option<usize>); 8] = [
    ("senet154", 2048, None),
    ("resnext101_32x48d", 2048, None),
    ("densenet161", 2208, None),
    ("i3d", 1024, None),
    ("r2p1d", 512, None),
    ("trn", 1792, None),
    ("moments", 2048, None),
    ("s3dg", 1024, Some(512)),
];

fn expert(name: &str, entry: &mut Section, sizes: &mut Sizes) -> Result<ExpertOptions, EntryError> {
    let logits = entry.string("type", "embed")? == "logits";
    let given = entry.section("feat_dims")?.numbers()?;
    let given = given.get(if logits { "logits" } else { "embed" }).copied();
    let sequence = matches!(name, "audio" | "speech" | "ocr");
    let known = || match name {
        "audio" => Some(128),
        "speech" | "ocr" => Some(300),
        "face" => Some(sizes.face),
        _ => {
            let model = name.split('.').nth(1).unwrap_or(name);
            let (_, embed, classes) = WIDTHS.iter().find(|(known, ..)| model.starts_with(known))?;
            if logits { *classes } else { Some(*embed) }
        }
    };
    let no_width = || entry.error("feat_dims", format!("the width of the expert {name:?} is not known"));
    let width = given.or_else(known).ok_or_else(no_width)?;
    let temporal = entry.string("temporal", if sequence { "vlad" } else { "avg" })?;
    let reading = if temporal == "vlad" {
        let size = |of: &mut Section| {
            let size = of.optional(name)?.map(|size| size as usize);
            size.ok_or_else(|| of.error(name, "missing for an expert with vlad; the published program stops here"))
        };
        Reading::Sequence { clusters: size(&mut sizes.clusters)?, max_tokens: size(&mut sizes.tokens)? }
    } else {
        let statistic = |part: &str| match part {
            "avg" => Ok(FrameStatistic::Mean),
            "max" => Ok(FrameStatistic::Max),
            "std" => Ok(FrameStatistic::Std),
            "ent" => Ok(FrameStatistic::Entropy),
            other => Err(entry.error("temporal", format!("vlad, or avg, max, std, ent joined by -; found {other:?}"))),
        };
        Reading::Statistics(temporal.split('-').map(statistic).collect::<Result<_, _>>()?)
    };
    let (fps, pixel_dim, stride) = (entry.optional("fps")?, entry.optional("pixel_dim")?, entry.optional("stride")?);
    let (offset, inner_stride, num_segments) =
        (entry.optional("offset")?, entry.optional("inner_stride")?, entry.optional("num_segments")?);
    let frames = match (fps, pixel_dim) {
        (Some(fps), Some(pixel_dim)) => Some(FrameSampling {
            fps,
            pixel_dim,
            stride: stride.unwrap_or(1),
            offset,
            inner_stride,
            num_segments,
            logits,
        }),
        _ => None,
    };
    Ok(ExpertOptions { width, reading, frames, files: vec![], flaky: entry.flag("flaky")? })
}

fn read_data(options: &mut Options, data: &mut Section) -> Result<(), EntryError> {
    options.dataset = data.string("dataset_name", &options.dataset)?;
    options.split = data.string("split_name", &options.split)?;
    options.batch_size = data.number("batch_size", options.batch_size)?;
    options.text_dropout = data.float("text_dropout", 0.0)?;
    options.fuse_captions = data.flag("fuse_captions")?;
    options.num_test_captions = data.number("num_test_captions", options.num_test_captions)?;
    options.restrict_train_captions = match data.number("restrict_train_captions", 0)? {
        0 => None,
        captions => Some(captions),
    };
    Ok(())
}

fn read_loss(options: &mut Options, top: &mut Section, ignored: &mut Vec<String>) -> Result<(), EntryError> {
    let mut loss = top.section("loss")?;
    match loss.string("type", "MaxMarginRankingLoss")?.as_str() {
        "MaxMarginRankingLoss" => {}
        other @ ("BCEWithLogitsLoss" | "CrossEntropyLoss") => {
            return Err(loss.error("type", format!("{other}: not supported, as no published data set has targets")));
        }
        other => return Err(loss.error("type", format!("MaxMarginRankingLoss expected, found {other:?}"))),
    }
    let mut args = loss.section("args")?;
    options.margin = args.float("margin", 1.0)? as f32;
    options.fix_norm = args.flag_or("fix_norm", true)?;
    args.finish(&[], ignored)
}

/// Gives the step size, in whose terms the floor of the schedule is.
fn read_optimizer(options: &mut Options, top: &mut Section, ignored: &mut Vec<String>) -> Result<f32, EntryError> {
    let mut optimizer = top.section("optimizer")?;
    let mut args = optimizer.section("args")?;
    let (learning_rate, weight_decay) = (args.float("lr", 1e-3)? as f32, args.float("weight_decay", 0.0)? as f32);
    options.optimizer = match optimizer.string("type", "Ranger")?.as_str() {
        "Ranger" => {
            let default = LookAhead::default();
            let every = args.optional("k")?.map_or(Some(default.steps), NonZeroU32::new);
            let steps = every.ok_or_else(|| args.error("k", "at least 1"))?;
            let look_ahead = LookAhead { steps, alpha: args.float("alpha", default.alpha.into())? as f32 };
            OptimizerConfig::Ranger(RangerConfig { learning_rate, weight_decay, look_ahead, ..RangerConfig::default() })
        }
        "RAdam" => OptimizerConfig::RAdam(RAdamConfig { learning_rate, weight_decay, ..RAdamConfig::default() }),
        "Adam" => OptimizerConfig::Adam(AdamConfig {
            learning_rate,
            weight_decay: WeightDecay::Penalty(weight_decay),
            ..AdamConfig::default()
        }),
        "SGD" if weight_decay == 0.0 => {
            let momentum = args.float("momentum", 0.0)? as f32;
            OptimizerConfig::Sgd(SgdConfig { learning_rate, momentum, ..SgdConfig::default() })
        }
        other => {
            return Err(
                optimizer.error("type", format!("Ranger, RAdam, Adam, or SGD without decay expected, found {other:?}"))
            );
        }
    };
    if args.flag("amsgrad")? {
        return Err(args.error("amsgrad", "not supported"));
    }
    args.finish(&[], ignored)?;
    Ok(learning_rate)
}

fn read_trainer(options: &mut Options, top: &mut Section, ignored: &mut Vec<String>) -> Result<(), EntryError> {
    let mut trainer = top.section("trainer")?;
    for key in ["epochs", "save_dir"] {
        if !trainer.has(key) {
            let reason =
                "missing, where the published program stops (KeyError): is this a template that others inherit from?";
            return Err(trainer.error(key, reason));
        }
    }
    options.epochs = trainer.number("epochs", options.epochs)?;
    if trainer.number("val_freq", 1)? != 1 {
        return Err(trainer.error("val_freq", "every epoch is validated: 1 expected"));
    }
    options.save_period = trainer.number("save_period", 1)?;
    options.save_only_best = trainer.flag_or("save_only_best", true)?;
    options.skip_first_n_saves = trainer.number("skip_first_n_saves", 0)?;
    if options.save_period > options.epochs {
        let reason = format!("{} of {} epochs: the published program stops", options.save_period, options.epochs);
        return Err(trainer.error("save_period", reason));
    }
    let monitor = trainer.string("monitor", "off")?;
    options.monitor = match monitor.split_once(' ') {
        Some(("max", name)) => Some(name.to_string()),
        _ if monitor == "off" => None,
        _ => return Err(trainer.error("monitor", format!("max NAME or off expected, found {monitor:?}"))),
    };
    trainer.finish(
        &["save_dir", "early_stop", "include_optim_in_ckpts", "verbosity", "tensorboard", "num_keep_ckpts"],
        ignored,
    )
}

/// After the trainer, whose epochs are the default period.
fn read_schedule(
    options: &mut Options,
    top: &mut Section,
    learning_rate: f32,
    ignored: &mut Vec<String>,
) -> Result<(), EntryError> {
    let mut schedule = top.section("lr_scheduler")?;
    let mut args = schedule.section("args")?;
    options.schedule = match schedule.string("type", "StepLR")?.as_str() {
        "StepLR" => Schedule::StepDecay {
            epochs: NonZeroUsize::new(args.number("step_size", 1)?)
                .ok_or_else(|| args.error("step_size", "at least 1"))?,
            gamma: args.float("gamma", 0.1)?,
        },
        // As published: whatever is not StepLR is the cosine with restarts.
        _ => {
            let positive = |args: &mut Section, key: &str, default| {
                NonZeroUsize::new(args.number(key, default)?).ok_or_else(|| args.error(key, "at least 1"))
            };
            Schedule::CosineRestarts {
                period: positive(&mut args, "T_max", options.epochs)?,
                multiplier: positive(&mut args, "T_mult", 1)?,
                floor: args.float("eta_min", 0.0)? / f64::from(learning_rate),
            }
        }
    };
    args.finish(&[], ignored)
}

fn read_test(options: &mut Options, top: &mut Section, ignored: &mut Vec<String>) -> Result<(), EntryError> {
    let mut settings = top.section_or_false("eval_settings")?;
    let mut loader = settings.section("data_loader")?;
    let mut data = loader.section("args")?;
    options.test_split = data.optional_string("split_name")?;
    options.test_split_captions = match data.number("num_test_captions", 0)? {
        0 => None,
        captions => Some(captions),
    };
    data.finish(&["num_workers"], ignored)?;
    loader.finish(&[], ignored)?;
    settings.finish(&["disable_gpu", "tester"], ignored)
}

fn read_teachers(options: &mut Options, top: &mut Section, ignored: &mut Vec<String>) -> Result<(), EntryError> {
    let distil = top.flag("distil_loss")?;
    let mut teachers = top.section("distil_params")?;
    if distil {
        // As published: put together as text.
        let base = teachers.string("base_path", "")?;
        options.teachers = teachers.names("teachers")?.iter().map(|name| format!("{base}{name}").into()).collect();
        if options.teachers.is_empty() {
            return Err(teachers.error("teachers", "distil_loss needs teachers"));
        }
        teachers.finish(&["moee"], ignored)?;
    } else if !teachers.is_empty() {
        // As published: teachers without the loss are loaded and not used.
        ignored.push("distil_params".into());
    }
    Ok(())
}
