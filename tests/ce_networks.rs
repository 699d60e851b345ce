//! Every network and task of Collaborative Experts trains, and is tested, from a folder of features.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use coembed::formats::pickle_writer::Writer;
use coembed::models::{Design, TextPooling};
use coembed::options::Options as _;
use coembed::recipes::ce::{Arch, CeTest, CollaborativeExpertsRecipe, ExpertOptions, Options, TaskKind};
use coembed::run::{self, Outcome, Part, Recipe, RunFolder, Summary};
use coembed::train::{Checkpoint, Observer, StateValues};
use dfdx::prelude::Cpu;

#[path = "support/json_folder.rs"]
mod json_folder;

use json_folder::{base, expert, one_vector, values, write_folder};

const RECIPE: CollaborativeExpertsRecipe = CollaborativeExpertsRecipe::CollaborativeExperts;

struct Quiet;

impl Observer for Quiet {}

/// Trains on the folder; what the run says, what it was tested on, and its best checkpoint.
fn train(change: impl FnOnce(&mut Options)) -> (Summary, CeTest, Checkpoint) {
    let all = tempfile::tempdir().unwrap();
    let folder = write_folder(all.path());
    let mut options = base();
    change(&mut options);
    let options = options.check().unwrap();
    let loaded = RECIPE.load(&options, &folder, Part::Training).unwrap();
    let (device, stop) = (Cpu::default(), AtomicBool::new(false));
    let create = |config: &str| RunFolder::create(all.path(), "run", config);
    let outcome = run::train(&RECIPE, &options, &loaded, &device, create, &mut Quiet, &stop).unwrap();
    let Outcome::Done { summary, evaluation } = outcome else { panic!("nothing stops it") };
    let best = Checkpoint::open(&all.path().join("run/seed-0/best.safetensors")).unwrap();
    assert_eq!(summary.parameters, options.num_parameters().unwrap());
    log_has_scores(&all.path().join("run/seed-0"), options.task);
    // The checkpoint gives the same scores.
    let (again, tested) = run::evaluate(&RECIPE, &options, &loaded, &device, &best.model, None).unwrap();
    assert_eq!((&again.seeds[0].scores, &tested), (&summary.seeds[0].scores, &evaluation));
    (*summary, evaluation, best)
}

fn log_has_scores(seed: &Path, task: TaskKind) {
    let log = std::fs::read_to_string(seed.join("metrics.jsonl")).unwrap();
    for line in log.lines().filter(|line| line.contains("v2t/R@1")) {
        let name = if task == TaskKind::Retrieval { "first-query loss" } else { "mAP" };
        assert!(line.contains(name), "{line}");
    }
}

#[test]
fn the_baseline_of_queryd_trains() {
    let (summary, CeTest::Captions(tested), best) = train(|o| {
        one_vector(o);
        (o.arch, o.experts) = (Arch::HowTo100m, vec!["motion".into()]);
    }) else {
        panic!("captions")
    };
    assert_eq!(summary.parameters, 1);
    let StateValues::F32(dummy) = &best.model["dummy_param"].values else { panic!("trained values") };
    assert_ne!(dummy, &[1e-5], "it is trained");
    // Inner products of the first word of the first caption with the motion.
    for (row, query) in (9..14u64).enumerate() {
        let text = &values(1000 + 3 * query, 3, 4)[0];
        for (column, video) in (9..14u64).enumerate() {
            let motion = values(300 + video, 1, 4)[0].clone();
            let moved = motion.iter().map(|x| x + f64::from(dummy[0]));
            let expected: f64 = text.iter().zip(moved).map(|(a, b)| a * b).sum();
            let got = f64::from(tested.similarity.row(row)[column]);
            assert!((got - expected).abs() < 1e-5, "{row} {column}: {got} {expected}");
        }
    }
}

#[test]
fn the_network_of_the_moee_authors_trains() {
    let (_, _, best) = train(|o| {
        (o.arch, o.design, o.fix_norm) = (Arch::Moee, Design::Own, false);
        o.text_pooling = TextPooling::NetVlad { clusters: 2, ghosts: 0 };
        o.experts = ["face", "audio", "visual", "motion"].map(String::from).into();
        // Of different widths, so that none can take the place of another.
        let mut side_by_side = |name: &str, files: &[&str]| {
            let files = files.iter().map(|file| file.into()).collect::<Vec<_>>();
            o.features.insert(name.into(), ExpertOptions { files: files.clone(), ..expert(4 * files.len(), "") });
        };
        side_by_side("visual", &["visual.json", "other_motion.json"]);
        side_by_side("motion", &["motion.json", "other_motion.json", "visual.json"]);
    });
    let width = |name: &str| best.model[name].shape.clone();
    // In the published order of the units: face, audio (two clusters of 3), visual, motion.
    for (unit, (inputs, embedding)) in [(4, 4), (6, 3), (8, 8), (12, 12)].into_iter().enumerate() {
        assert_eq!(width(&format!("mee.video_GU.{unit}.fc.weight")), [embedding, inputs]);
        assert_eq!(width(&format!("mee.text_GU.{unit}.fc.weight")), [embedding, 8]);
    }
    assert_eq!(width("mee.moe_fc.weight"), [4, 8]);
}

#[test]
fn labels_are_learned_and_ranked() {
    let (summary, CeTest::Labels(tested), _) = train(|o| {
        o.task = TaskKind::RetrievalAsClassification;
        o.monitor = Some("val_retrieval_as_classification_R1".into());
    }) else {
        panic!("labels")
    };
    // Videos 9 to 13.
    let names = ["flat", "it is 10", "it is 11", "it is 12", "it is 13", "it is 9", "long", "red", "round", "square"];
    assert_eq!(tested.labels.names, names);
    let of =
        |label: usize| -> Vec<usize> { (0..5).filter(|video| tested.labels.labelled.row(label)[*video]).collect() };
    assert_eq!((of(7), of(9), of(1)), (vec![0, 1, 2, 3, 4], vec![0, 4], vec![1]));
    // The first rank of the first video: that of its first label among all.
    let (first, column) = (5, |label: usize| tested.similarity.row(label)[0]);
    assert!(tested.labels.labelled.row(first)[0] && !(0..5).any(|label| tested.labels.labelled.row(label)[0]));
    let rank = 1 + (0..10).filter(|label| column(*label) > column(first)).count();
    assert_eq!(tested.ranks.ranks[0], Some(rank as f64));
    assert_eq!(tested.ranks.ranks.len(), 15, "three labels of five videos");
    assert!(summary.scores.contains_key("mAP") && summary.scores.contains_key("v2t/R@1"));
    assert!(!summary.scores.contains_key("t2v/R@1"));
}

#[test]
fn captions_of_unknown_text_are_no_labels() {
    let mut options = base();
    (options.task, options.monitor) = (TaskKind::RetrievalAsClassification, None);
    let all = tempfile::tempdir().unwrap();
    let folder = write_folder(all.path());
    std::fs::remove_file(folder.join("raw-captions.pkl")).unwrap();
    let options = options.check().unwrap();
    let load = || RECIPE.load(&options, &folder, Part::Test).map(|loaded| loaded.warnings).unwrap_err().to_string();
    assert!(load().contains("raw-captions.pkl"), "{}", load());
    // Of one video they are fewer than its captions.
    let mut few = Writer::new();
    few.dict(|entries| {
        for video in 0..14 {
            entries.str(&format!("v{video}"));
            entries.list(|captions| (0..if video == 11 { 2 } else { 3 }).for_each(|_| captions.str("a dog")));
        }
    });
    std::fs::write(folder.join("raw-captions.pkl"), few.finish()).unwrap();
    let said = "raw-captions.pkl: video \"v11\", captions as text: 3 entries, one per caption, expected, found 2";
    assert!(load().ends_with(said), "{}", load());
}
