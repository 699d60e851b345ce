//! The files that published configurations open, in folders that hold those files and no others.
//!
//! Nothing but what `published_configs.json` lists is written; so it is read whole, and without any of it reading fails by its name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use coembed::data::Loaded;
use coembed::data::experts::FeatureKind;
use coembed::data::experts::folder::{self, Dataset, ExpertFolderOptions, Subsets, text_width};
use coembed::options::Checked;
use coembed::recipes::ce::{CollaborativeExpertsRecipe, Options};
use coembed::run::{Part, Recipe};

use crate::ce_published::{Config, Read, published, published_options};
use crate::expert_folder::{features, list, pickle, sentences, text, write};
use crate::support::has_family;

/// One video to train on, and one to evaluate on.
const VIDEOS: [&str; 2] = ["taught", "judged"];
/// Their names in text features that have their own.
const TEXT_NAMES: [&str; 2] = ["first", "second"];

/// A folder of features and what lies beside it, with all that a configuration opens.
struct Tree {
    all: tempfile::TempDir,
    /// What lies where.
    contents: HashMap<PathBuf, Vec<u8>>,
}

impl Tree {
    fn new() -> Self {
        Self { all: tempfile::tempdir().unwrap(), contents: HashMap::new() }
    }

    fn root(&self) -> PathBuf {
        self.all.path().join("features")
    }

    fn path(&self, read: &Read, options: &Options) -> PathBuf {
        match read.under.as_deref() {
            None => self.root().join(&read.file),
            Some("test_root") => self.all.path().join(&options.challenge_test_root).join(&read.file),
            Some(other) => panic!("{other}"),
        }
    }

    /// Holds these files, and no others.
    fn hold(&mut self, wanted: HashMap<PathBuf, Vec<u8>>) {
        for path in self.contents.keys().filter(|path| !wanted.contains_key(*path)) {
            std::fs::remove_file(path).unwrap();
        }
        for (path, contents) in wanted.iter().filter(|(path, contents)| self.contents.get(*path) != Some(contents)) {
            write(path, contents);
        }
        self.contents = wanted;
    }
}

/// The smallest file of its kind.
fn contents(read: &Read, config: &Config, wanted: &ExpertFolderOptions) -> Vec<u8> {
    let mapped = config.reads.values().flatten().any(|read| read.kind == "name_map");
    match read.kind.as_str() {
        "train_list" => list(&VIDEOS[..1], ""),
        "val_list" => list(&VIDEOS[1..], ""),
        "caption_masks" => pickle(&VIDEOS, |writer, _| writer.list(|mask| mask.int(1))),
        "caption_index" => pickle(&VIDEOS, |writer, _| writer.int(0)),
        "name_map" => pickle(&VIDEOS, |writer, video| writer.str(TEXT_NAMES[video])),
        "raw_captions" => sentences(&VIDEOS, 1),
        "text" => {
            let width = text_width(&wanted.text_encoder).unwrap();
            text(if mapped { &TEXT_NAMES } else { &VIDEOS }, [1, 1, width])
        }
        "teacher" => pickle(&VIDEOS, |writer, _| {
            writer.dict(|entry| {
                for (part, shape) in [("vid_embds", &[1][..]), ("text_embds", &[1, 1])] {
                    entry.str(part);
                    entry.dict(|experts| {
                        experts.str("face");
                        experts.array(shape, &[0.5f32]);
                    });
                }
            });
        }),
        "expert" => expert(read, config, wanted),
        other => panic!("{other}"),
    }
}

fn expert(read: &Read, config: &Config, wanted: &ExpertFolderOptions) -> Vec<u8> {
    if read.file.extension().is_some_and(|extension| extension == "hickle") {
        // Of other videos: the expert is flaky, and missing.
        return std::fs::read("tests/data/hdf5/hickle5_gzip.hickle").unwrap();
    }
    let source = wanted.experts.iter().find(|source| Some(&source.name) == read.expert.as_ref()).unwrap();
    // Several files are side by side.
    let files = config.reads["train"].iter().filter(|other| other.expert == read.expert).count();
    let width = source.width.unwrap() / files;
    let shape: &[usize] = if source.kind == FeatureKind::Fixed { &[width] } else { &[1, width] };
    features(&VIDEOS, shape, 0)
}

/// Loads what a run and its test open, and compares that with the lists.
fn check(name: &str, options: &Checked<Options>, config: &Config, tree: &mut Tree) {
    let training = options.folder_options(false).unwrap();
    let reads = config.reads.values().flatten();
    let files = reads.map(|read| (tree.path(read, options), contents(read, config, &training))).collect();
    tree.hold(files);
    for (part, reads) in &config.reads {
        let test = part == "test";
        assert!(test || part == "train", "{part}");
        let mut wanted = options.folder_options(test).unwrap();
        wanted.subsets = if test { Subsets::Eval } else { Subsets::Both };
        // The published test reads what is for training alone as well, and does nothing with it.
        let of_training = |read: &&Read| test && matches!(read.kind.as_str(), "teacher" | "caption_masks");
        let reads = reads.iter().filter(|read| !of_training(read));
        let listed = reads.map(|read| (tree.path(read, options), read.kind.as_str())).collect();
        check_part(&format!("{name}, {part}"), Dataset::find(&options.dataset).unwrap(), &wanted, tree, &listed);
    }
    let loaded = CollaborativeExpertsRecipe::CollaborativeExperts.load(options, &tree.root(), Part::Training);
    let loaded = loaded.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(opened(&loaded), tree.contents.keys().map(PathBuf::as_path).collect(), "{name}: run and test");
}

fn opened<T>(loaded: &Loaded<T>) -> BTreeSet<&Path> {
    loaded.files.iter().map(|(path, _)| path.as_path()).collect()
}

/// With all that is listed, and without each file in turn.
fn check_part(
    name: &str,
    dataset: &Dataset,
    wanted: &ExpertFolderOptions,
    tree: &Tree,
    listed: &BTreeMap<PathBuf, &str>,
) {
    let load = || folder::load(&tree.root(), dataset, wanted);
    let loaded = load().unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(opened(&loaded), listed.keys().map(PathBuf::as_path).collect(), "{name}");
    assert_eq!(loaded.files.len(), listed.len(), "{name}: each is read once");
    for (path, kind) in listed {
        let away = path.with_extension("away");
        std::fs::rename(path, &away).unwrap();
        let without = load();
        std::fs::rename(&away, path).unwrap();
        let shown = path.display().to_string();
        match without {
            Err(error) => assert!(error.to_string().contains(&shown), "{name}: {error}"),
            // For display only: a warning.
            Ok(loaded) => {
                assert_eq!(*kind, "raw_captions", "{name}: {shown} is not needed");
                assert!(loaded.warnings.iter().any(|warning| warning.contains(&shown)), "{name}: {shown}");
            }
        }
    }
}

#[test]
fn every_configuration_opens_the_listed_files_and_no_others() {
    if !has_family("ce") {
        return;
    }
    let published = published();
    let mut tree = Tree::new();
    let all = published_options(&published);
    for (name, options, config) in &all {
        check(name, options, config, &mut tree);
    }
    assert!(!all.is_empty());
}
