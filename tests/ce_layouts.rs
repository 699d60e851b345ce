//! Four videos in the published layout of each data set: read, trained on for an epoch, and evaluated.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use coembed::data::experts::folder::{DATASETS, Dataset, ExpertFiles, Subsets, TestCaptions};
use coembed::formats::pickle_writer::Writer;
use coembed::models::TextPooling;
use coembed::options::Options as _;
use coembed::recipes::ce::{CollaborativeExpertsRecipe, ExpertOptions, FrameSampling, Options, Reading};
use coembed::run::{self, Outcome, Part, Recipe, RunFolder};
use coembed::train::{AdamConfig, Observer, OptimizerConfig};
use dfdx::prelude::Cpu;

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

fn numbers(seed: usize, count: usize) -> Vec<f32> {
    (0..count).map(|i| ((seed * 31 + i) as f32).sin()).collect()
}

/// A dict of the four videos.
fn pickle(path: &Path, value: impl Fn(&mut Writer, usize)) {
    let mut writer = Writer::new();
    writer.dict(|entries| {
        for video in 0..4 {
            entries.str(&format!("video{video}"));
            value(entries, video);
        }
    });
    write(path, &writer.finish());
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn write_folder(files: &ExpertFiles, dataset: &Dataset) {
    let ending = if dataset.cut_at_dot { ".mp4" } else { "" };
    let list: String = (0..4).map(|video| format!("video{video}{ending}\n")).collect();
    for file in [&files.train_list, &files.eval_list].into_iter().flatten() {
        write(file, list.as_bytes());
    }
    for file in files.experts.iter().flatten() {
        let name = file.file_name().unwrap().to_string_lossy();
        if name.ends_with(".hickle") {
            // The first three videos; the fourth is without.
            let hickle: PathBuf = "tests/data/hdf5/hickle5_gzip.hickle".into();
            write(file, &std::fs::read(hickle).unwrap());
        } else if name.starts_with("senet154") {
            pickle(file, |writer, video| writer.array(&[6], &numbers(video, 6)));
        } else if name.starts_with("face") {
            pickle(file, |writer, video| writer.array(&[1, 4], &numbers(50 + video, 4)));
        } else {
            pickle(file, |writer, video| writer.array(&[2, 4], &numbers(100 + video, 8)));
        }
    }
    for file in &files.text {
        pickle(file, |writer, video| {
            writer.list(|captions| {
                (0..2).for_each(|caption| captions.array(&[3, 300], &numbers(200 + 2 * video + caption, 900)));
            });
        });
    }
    pickle(&files.sentences, |writer, _| {
        writer.list(|captions| (0..2).for_each(|_| captions.list(|words| words.str("word"))));
    });
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
