//! Folders of data sets with one changed file: read as what they are, or refused with a message that names a file.

use std::path::{Path, PathBuf};

use coembed::data::epic100::{self, EvalSplitName};
use coembed::data::experts::FeatureKind;
use coembed::data::experts::folder::{Dataset, ExpertFolderOptions, ExpertSource, FeatureFiles, load};
use coembed::data::relational::FolderOptions;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Seed, changed, files, modest, replay, repository};

/// A copy of a folder, in which one file at a time is replaced.
pub struct FolderCopy {
    source: PathBuf,
    copy: tempfile::TempDir,
}

impl FolderCopy {
    /// The files of some extensions, which are the seeds too.
    pub fn new(source: &str, extensions: &[&str]) -> (Self, Vec<Seed>) {
        let copy = Self { source: repository().join(source), copy: tempfile::tempdir().unwrap() };
        let seeds = files(source, extensions);
        for seed in &seeds {
            let path = copy.at(seed);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &seed.bytes).unwrap();
        }
        (copy, seeds)
    }

    pub fn path(&self) -> &Path {
        self.copy.path()
    }

    fn at(&self, seed: &Seed) -> PathBuf {
        self.path().join(Path::new(&seed.name).strip_prefix(&self.source).unwrap())
    }

    /// What `read` makes of the file of a seed with other contents.
    pub fn with<T>(&self, seed: &Seed, bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
        let path = self.at(seed);
        std::fs::write(&path, bytes).unwrap();
        let read = read(&path);
        std::fs::write(&path, &seed.bytes).unwrap();
        read
    }
}

fn replay_folder(source: &str, extensions: &[&str], read: impl Fn(&Path) -> Result<(), String>) {
    let (copy, seeds) = FolderCopy::new(source, extensions);
    read(copy.path()).unwrap();
    replay(&seeds, changed, modest, |seed, bytes| {
        let read = copy.with(seed, bytes, |_| read(copy.path()));
        let root = copy.path().to_str().unwrap();
        assert!(read.as_ref().err().is_none_or(|error| error.contains(root)), "{read:?} names no file");
        read.is_ok()
    });
}

#[test]
fn folders_of_the_relevance_margin() {
    replay_folder("tests/golden/relmargin/mini/data", &["pkl"], |folder| {
        let options = FolderOptions::default();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        epic100::load_train(folder, &options, &mut rng).map_err(|error| error.to_string())?;
        epic100::load_eval(folder, EvalSplitName::Test, &options).map_err(|error| error.to_string())?;
        Ok(())
    });
}

#[test]
fn folders_of_experts() {
    let source = |name: &str, file: &str, kind| {
        let files = FeatureFiles::Named(vec![file.into()]);
        ExpertSource { name: name.into(), files, kind, flaky: true, width: None }
    };
    let options = ExpertFolderOptions {
        split: "val".into(),
        text_encoder: "w2v".into(),
        experts: vec![
            source("audio", "audio.pkl", FeatureKind::Sequence { max_tokens: 3 }),
            source("face", "face.pkl", FeatureKind::Fixed),
        ],
        ..Default::default()
    };
    replay_folder("tests/data/ce_run", &["pkl", "txt"], |folder| {
        let read = load(folder, Dataset::find("QuerYD").unwrap(), &options);
        read.map(drop).map_err(|error| error.to_string())
    });
}
