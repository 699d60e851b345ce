//! Every option of Collaborative Experts has its effect: an option without a case here fails, and so does one that changes nothing.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use coembed::blocks::{FrameStatistic, Phase, StepStream};
use coembed::models::collaborative_experts::CaptionMerge;
use coembed::models::{Design, MixtureWeights, TextPooling};
use coembed::options::Options as _;
use coembed::recipes::ce::{Arch, CollaborativeExpertsRecipe, EvalMode, Options, Reading, TaskKind};
use coembed::run::{self, Outcome, Part, Recipe, RunFolder, Setting};
use coembed::train::{AdamConfig, Batches, Checkpoint, Observer, OptimizerConfig, Schedule, StepStart, Task};
use dfdx::prelude::{Cpu, Gradients};
use serde_json::Value;

#[path = "support/json_folder.rs"]
mod json_folder;

use json_folder::{base, one_vector, write_folder};

const RECIPE: CollaborativeExpertsRecipe = CollaborativeExpertsRecipe::TeachText;

/// Where an option shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    /// The number of parameters.
    Parameters,
    /// What the recipe says of a run: its folder of data, and which parameters are tested.
    Recipe,
    /// What is read to train on, to validate and to test.
    Data,
    /// The batches of the first epoch.
    Batches,
    /// The loss of the first batch.
    Loss,
    /// The scores of a validation before training.
    Validation,
    /// The similarities of the test before training.
    Test,
    /// What a run leaves: its checkpoints, how far each is trained, and its weights.
    Run,
}

struct Quiet;

impl Observer for Quiet {}

fn observe(options: &Options, folder: &Path, effect: Effect) -> String {
    let (device, options) = (Cpu::default(), options.clone().check().unwrap());
    if effect == Effect::Parameters {
        return options.num_parameters().unwrap().to_string();
    }
    if effect == Effect::Recipe {
        return format!("{:?} {:?}", RECIPE.folder(&options), RECIPE.tested(&options));
    }
    let loaded = RECIPE.load(&options, folder, Part::Training).unwrap();
    if effect == Effect::Data {
        return format!("{:?}", loaded.split);
    }
    if effect == Effect::Run {
        let (out, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
        let create = |config: &str| RunFolder::create(out.path(), "run", config);
        let outcome = run::train(&RECIPE, &options, &loaded, &device, create, &mut Quiet, &stop).unwrap();
        assert!(matches!(outcome, Outcome::Done { .. }));
        return format!("{:?}", checkpoints(&out.path().join("run")));
    }
    let of = Setting { options: &options, data: &loaded.split, device: &device, seed: 0 };
    let mut model = RECIPE.model(of).unwrap();
    let mut task = RECIPE.task(of, &model).unwrap();
    match effect {
        Effect::Test => {
            let evaluation = RECIPE.evaluate(of, &model).unwrap();
            format!("{evaluation:?}")
        }
        Effect::Validation => format!("{:?}", task.evaluate(&model).unwrap()),
        _ => {
            let epoch = task.begin_epoch(&mut model, 0).unwrap();
            if effect == Effect::Batches {
                return format!("{:?}", (0..epoch.count()).map(|i| epoch.batch(i).unwrap()).collect::<Vec<_>>());
            }
            let stream = StepStream::new(0);
            let start = StepStart { phase: Phase::Training(&stream), before: Gradients::leaky() };
            let step = task.step(&mut model, epoch.batch(0).unwrap(), start).unwrap();
            format!("{:?}", (step.loss, step.shares))
        }
    }
}

/// Epochs and weights of every checkpoint of a run.
fn checkpoints(run: &Path) -> BTreeMap<String, String> {
    let seeds = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = seeds.flat_map(|seed| std::fs::read_dir(seed).unwrap()).map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    let read = |path: std::path::PathBuf| {
        let Checkpoint { model, progress, .. } = Checkpoint::open(&path).unwrap();
        let name = path.strip_prefix(run).unwrap().display().to_string();
        (name, format!("{} {} {model:?}", progress.epochs, progress.steps))
    };
    files.map(read).collect()
}

/// A changed value, under which other options it acts, and where it shows.
struct Case {
    option: &'static str,
    context: fn(&mut Options),
    change: fn(&mut Options),
    effect: Effect,
}

fn case(option: &'static str, effect: Effect, change: fn(&mut Options)) -> Case {
    Case { option, context: |_| {}, change, effect }
}

impl Case {
    fn under(self, context: fn(&mut Options)) -> Self {
        Self { context, ..self }
    }
}

fn every_checkpoint(o: &mut Options) {
    o.save_only_best = false;
}

fn cases() -> Vec<Case> {
    use Effect::{Batches, Data, Loss, Parameters, Run, Test, Validation};
    vec![
        case("data_dir", Effect::Recipe, |o| o.data_dir = Some("features".into())),
        case("dataset", Data, |o| o.dataset = "QuerYD".into()).under(|o| o.split = "val".into()),
        case("split", Data, |o| o.split = "public_server_val".into()),
        case("task", Validation, |o| o.task = TaskKind::RetrievalAsClassification).under(|o| o.monitor = None),
        case("num_test_captions", Validation, |o| o.num_test_captions = 3),
        case("test_split", Data, |o| o.test_split = Some("public_server_val".into())),
        case("test_split_captions", Test, |o| o.test_split_captions = Some(2)),
        case("training_file", Data, |o| o.training_file = Some("other_train_list.txt".into())),
        case("caption_masks", Batches, |o| o.caption_masks = Some("masks.json".into())),
        case("fuse_captions", Batches, |o| o.fuse_captions = true),
        case("restrict_train_captions", Batches, |o| o.restrict_train_captions = Some(1)),
        case("restrict_every_dataset", Batches, |o| o.restrict_every_dataset = true).under(|o| {
            (o.dataset, o.split, o.restrict_train_captions) = ("QuerYD".into(), "val".into(), Some(1));
        }),
        case("challenge_mode", Data, |o| o.challenge_mode = true)
            .under(|o| (o.text_feat, o.text_width) = ("openai".into(), None)),
        case("challenge_test_root", Data, |o| o.challenge_test_root = "other-release".into())
            .under(|o| (o.challenge_mode, o.split) = (true, "public_server_test".into())),
        case("experts", Parameters, |o| o.experts = vec!["audio".into(), "motion".into()]),
        case("use_zeros_for_missing", Batches, |o| o.use_zeros_for_missing = true),
        case("randomise_feats", Batches, |o| o.randomise_feats = vec!["motion".into()]),
        case("binarise", Batches, |o| o.binarise = vec!["motion".into()]),
        case("text_feat", Data, |o| o.text_feat = "other".into()),
        case("text_width", Parameters, |o| o.text_width = Some(5)),
        case("max_words", Batches, |o| o.max_words = 2),
        case("text_pooling", Parameters, |o| o.text_pooling = TextPooling::NetVlad { clusters: 3, ghosts: 1 }),
        case("text_dropout", Batches, |o| o.text_dropout = 1.0),
        case("arch", Parameters, |o| o.arch = Arch::HowTo100m).under(one_vector),
        case("design", Parameters, |o| o.design = Design::Projected),
        case("weights", Test, |o| o.weights = MixtureWeights::Uniform),
        case("ce_shared_dim", Parameters, |o| o.ce_shared_dim = 7),
        case("test_caption_mode", Test, |o| o.test_caption_mode = CaptionMerge::Average)
            .under(|o| o.num_test_captions = 3),
        case("margin", Loss, |o| o.margin = 0.5),
        case("fix_norm", Loss, |o| o.fix_norm = false),
        case("teachers", Loss, |o| o.teachers = vec!["teacher.json".into()]),
        case("optimizer", Run, |o| o.optimizer = OptimizerConfig::Adam(AdamConfig::default())),
        case("schedule", Run, |o| o.schedule = Schedule::StepDecay { epochs: NonZeroUsize::MIN, gamma: 0.5 }),
        case("batch_size", Batches, |o| o.batch_size = 3),
        case("epochs", Run, |o| o.epochs = 4),
        case("eval_mode", Effect::Recipe, |o| o.eval_mode = EvalMode::FixedNumEpochs),
        case("monitor", Run, |o| o.monitor = Some("val_v2t_metrics_R1".into())).under(|o| o.monitor = None),
        case("save_only_best", Run, |o| o.save_only_best = false),
        case("save_period", Run, |o| o.save_period = 2).under(every_checkpoint),
        case("skip_first_n_saves", Run, |o| o.skip_first_n_saves = 2).under(every_checkpoint),
        case("num_keep_ckpts", Run, |o| o.num_keep_ckpts = 1).under(every_checkpoint),
        case("seeds", Run, |o| o.seeds = vec![1]),
        // What is said of an expert.
        case("features", Parameters, |o| o.features.get_mut("motion").unwrap().width = 5),
        case("features", Parameters, |o| {
            o.features.get_mut("motion").unwrap().reading = Reading::Statistics(vec![FrameStatistic::Mean; 2]);
        }),
        case("features", Batches, |o| {
            o.features.get_mut("audio").unwrap().reading = Reading::Sequence { clusters: 2, max_tokens: 2 };
        }),
        case("features", Data, |o| o.features.get_mut("motion").unwrap().files = vec!["other_motion.json".into()]),
        case("features", Data, |o| {
            o.features.get_mut("scene.net.0").unwrap().frames.as_mut().unwrap().stride = 2;
        })
        .under(|o| o.experts = vec!["audio".into(), "scene.net.0".into()]),
        case("features", Batches, |o| o.features.get_mut("face").unwrap().flaky = false)
            .under(|o| o.use_zeros_for_missing = true),
    ]
}

fn entries(options: &Options) -> serde_json::Map<String, Value> {
    serde_json::to_value(options).unwrap().as_object().unwrap().clone()
}

#[test]
fn every_option_has_its_effect() {
    let all = tempfile::tempdir().unwrap();
    let folder = write_folder(all.path());
    let cases = cases();
    for field in Options::FIELDS {
        assert!(cases.iter().any(|case| case.option == field.name), "nothing says what {} changes", field.name);
    }
    let mut seen: Vec<(Options, Effect, String)> = vec![];
    for Case { option, context, change, effect } in cases {
        let mut before = base();
        context(&mut before);
        let mut after = before.clone();
        change(&mut after);
        let (old, new) = (entries(&before), entries(&after));
        let changed: Vec<&String> = old.keys().filter(|key| old[*key] != new[*key]).collect();
        assert_eq!(changed, [option], "a case changes its option alone");

        let known = seen.iter().find(|(options, of, _)| (options, *of) == (&before, effect));
        let plain = known.map_or_else(|| observe(&before, &folder, effect), |(.., plain)| plain.clone());
        if known.is_none() {
            assert!(plain == observe(&before, &folder, effect), "{effect:?} is not a matter of options alone");
            seen.push((before, effect, plain.clone()));
        }
        assert!(plain != observe(&after, &folder, effect), "{option} changes nothing of {effect:?}");
    }
}
