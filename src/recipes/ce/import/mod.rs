//! The authors' own configurations: JSON with inheritance.

mod experts;
mod inheritance;
mod section;
mod training;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use self::experts::{Sizes, read_experts};
use self::inheritance::{GENERATIONS, merged};
use self::section::{EntryError, Section};
use self::training::{read_loss, read_optimizer, read_schedule, read_teachers, read_test, read_trainer};
use super::{Arch, EvalMode, Options, TaskKind};
use crate::blocks::{Activation, ReasoningConfig, Relation};
use crate::models::collaborative_experts::CaptionMerge;
use crate::models::{Design, MixtureWeights, TextPooling};
use crate::options::{Options as _, OptionsError};
use crate::run::Imported;

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
    read_merged(path, merged(path, root)?, repair)
}

/// The same of a file that the published program wrote: merged already, whatever it says of parents.
pub(super) fn import_merged(path: &Path, repair: bool) -> Result<Imported<Options>, ImportError> {
    read_merged(path, inheritance::object(path)?, repair)
}

/// The same of a configuration that is not in a file of its own; the path is for messages.
pub(super) fn read_merged(
    path: &Path,
    mut merged: Map<String, Value>,
    repair: bool,
) -> Result<Imported<Options>, ImportError> {
    merged.remove("inherit_from");
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
const UNSUPPORTED: [&str; 9] = [
    "l2renorm",
    "kron_dets",
    "coord_dets",
    "rand_proj",
    "geometric_mlp",
    "spatial_feats",
    "trn_cat",
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
