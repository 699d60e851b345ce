//! Four videos in the published layout of each data set: read, trained on for an epoch, and evaluated.

#[path = "support/expert_folder.rs"]
mod expert_folder;

use std::sync::atomic::AtomicBool;

use coembed::data::experts::folder::{DATASETS, Dataset, ExpertFiles, Subsets, TestCaptions};
use coembed::models::TextPooling;
use coembed::options::Options as _;
use coembed::recipes::ce::{CollaborativeExpertsRecipe, ExpertOptions, FrameSampling, Options, Reading};
use coembed::run::{self, Outcome, Part, Recipe, RunFolder};
use coembed::train::{AdamConfig, Observer, OptimizerConfig};
use dfdx::prelude::Cpu;
use expert_folder::{features, list, sentences, text, write};

const RECIPE: CollaborativeExpertsRecipe = CollaborativeExpertsRecipe::CollaborativeExperts;
const VISUAL: &str = "imagenet.senet154.0";

struct Quiet;

impl Observer for Quiet {}

/// A visual expert, and a custom one that the data set has.
fn options(dataset: &Dataset) -> Options {
    let frames = FrameSampling {
        fps: 25,
        pixel_dim: 256,
        stride: 1,
        offset: Some(0),
        inner_stride: None,
        num_segments: None,
        logits: false,
    };
    let expert = |width| ExpertOptions { width, reading: Reading::default(), frames: None, files: vec![], flaky: true };
    let audio = ExpertOptions { reading: Reading::Sequence { clusters: 2, max_tokens: 5 }, ..expert(4) };
    let has_audio = dataset.custom.iter().any(|(name, _)| *name == "audio");
    let (custom, features) = if has_audio { ("audio", audio) } else { ("face", expert(4)) };
    let captions = if let TestCaptions::Exactly(captions) = dataset.test_captions { captions } else { 1 };
    Options {
        dataset: dataset.name.into(),
        split: dataset.splits[0].name.into(),
        num_test_captions: captions,
        experts: vec![VISUAL.into(), custom.into()],
        features: [
            (VISUAL.to_string(), ExpertOptions { frames: Some(frames), flaky: false, ..expert(6) }),
            (custom.into(), features),
        ]
        .into(),
        text_feat: "w2v".into(),
        max_words: 3,
        text_pooling: TextPooling::NetVlad { clusters: 2, ghosts: 1 },
        ce_shared_dim: 4,
        optimizer: OptimizerConfig::Adam(AdamConfig::default()),
        batch_size: 2,
        epochs: 1,
        ..Options::default()
    }
}

const VIDEOS: [&str; 4] = ["video0", "video1", "video2", "video3"];

fn write_folder(files: &ExpertFiles, dataset: &Dataset) {
    let ending = if dataset.cut_at_dot { ".mp4" } else { "" };
    for file in [&files.train_list, &files.eval_list].into_iter().flatten() {
        write(file, &list(&VIDEOS, ending));
    }
    for file in files.experts.iter().flatten() {
        let name = file.file_name().unwrap().to_string_lossy();
        let contents = if name.ends_with(".hickle") {
            // The first three videos; the fourth is without.
            std::fs::read("tests/data/hdf5/hickle5_gzip.hickle").unwrap()
        } else if name.starts_with("senet154") {
            features(&VIDEOS, &[6], 0)
        } else if name.starts_with("face") {
            features(&VIDEOS, &[1, 4], 50)
        } else {
            features(&VIDEOS, &[2, 4], 100)
        };
        write(file, &contents);
    }
    for file in &files.text {
        write(file, &text(&VIDEOS, [2, 3, 300]));
    }
    write(&files.sentences, &sentences(&VIDEOS, 2));
}

#[test]
fn every_data_set_is_read_trained_on_and_evaluated_in_its_published_layout() {
    for dataset in &DATASETS {
        let name = dataset.name;
        let all = tempfile::tempdir().unwrap();
        let root = all.path().join("features");
        let options = options(dataset).check().unwrap();
        let mut wanted = options.folder_options(false).unwrap();
        wanted.subsets = Subsets::Both;
        let files = ExpertFiles::new(&root, dataset, &wanted).unwrap();
        write_folder(&files, dataset);

        let loaded = RECIPE.load(&options, &root, Part::Training).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (train, _) = loaded.split.training.as_ref().unwrap();
        assert_eq!((train.videos.len(), train.experts.len(), train.captions.count(0)), (4, 2, 2), "{name}");
        assert_eq!(train.sentences[3], ["word", "word"], "{name}");
        let (create, stop) = (|config: &str| RunFolder::create(all.path(), "run", config), AtomicBool::new(false));
        let outcome = run::train(&RECIPE, &options, &loaded, &Cpu::default(), create, &mut Quiet, &stop);
        let Outcome::Done { summary, .. } = outcome.unwrap_or_else(|error| panic!("{name}: {error}")) else { panic!() };
        assert!(summary.scores["t2v/R@10"].mean == 100.0, "{name}: four videos");
    }
}
