//! Changed files of every kind that is read, the same in every run: each is read or refused, quickly and in bounded memory.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use coembed::data::epic100::annotations::{Annotations, narration_ids};
use coembed::data::relational::prepare::{
    Captions, Frame, FrameOptions, Layout, Parts, relational, relevancy, sentences,
};
use coembed::formats::pickle::{self, UnknownGlobal};
use coembed::formats::word2vec::{self, Kind};
use coembed::formats::{Limits, npy, torch, tree};
use coembed::options::{Options, Table, parse};
use coembed::recipes::{ce, relmargin};
use coembed::train::{Checkpoint, CheckpointError, StateTensor, StateValues};
use folders::FolderCopy;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[path = "mutations/folders.rs"]
mod folders;
#[path = "mutations/hdf5.rs"]
mod hdf5;
#[path = "hostile/memory.rs"]
mod memory;

const COUNT: usize = 2_500;

struct Seed {
    name: String,
    bytes: Vec<u8>,
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of some extensions in a folder and below, in the order of their paths.
fn paths(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(paths(&path, extensions));
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|one| extension == *one)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn files(folder: &str, extensions: &[&str]) -> Vec<Seed> {
    let seed = |path: PathBuf| Seed { name: path.display().to_string(), bytes: std::fs::read(&path).unwrap() };
    paths(&repository().join(folder), extensions).into_iter().map(seed).collect()
}

/// Bits, bytes, numbers and pieces of other files at some places, and ends.
fn changed(seed: &[u8], other: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.random_range(1..5) {
        let at = rng.random_range(0..bytes.len().max(1));
        let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) else { break };
        match rng.random_range(0..6) {
            0 => rest[0] ^= 1 << rng.random_range(0..8),
            1 => rest[0] = rng.random(),
            2 => {
                let number = [0, u64::MAX, 1 << 31, 1 << 63, u32::MAX.into()].choose(rng).unwrap().to_le_bytes();
                let size = *[2, 4, 8].choose(rng).unwrap();
                rest.iter_mut().zip(&number[..size]).for_each(|(byte, new)| *byte = *new);
            }
            // A text's kinds of brackets, signs and digits.
            3 => rest[0] = *b"()[]{}<>\"',:;-+.0919eENT\n \\".choose(rng).unwrap(),
            4 => {
                let from = rng.random_range(0..other.len().max(1));
                let piece = &other[from.min(other.len())..other.len().min(from + rng.random_range(1..64))];
                bytes.splice(at..at, piece.iter().copied());
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}

/// Reads changed files one after the other, whatever other tests do, since what the process has in use is counted. `read` says whether it could.
#[track_caller]
fn replay(
    seeds: &[Seed],
    change: impl Fn(&[u8], &[u8], &mut ChaCha8Rng) -> Vec<u8>,
    most: impl Fn(&[u8]) -> usize,
    read: impl Fn(&Seed, &[u8]) -> bool,
) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut done = 0;
    for number in 0..COUNT {
        let seed = &seeds[number % seeds.len()];
        let bytes = change(&seed.bytes, &seeds.choose(&mut rng).unwrap().bytes, &mut rng);
        let begun = Instant::now();
        let (read, peak) = memory::peak(|| read(seed, &bytes));
        let (took, place) = (begun.elapsed(), format!("{}, mutation {number}", seed.name));
        assert!(took < Duration::from_secs(5), "{place}: {took:?}");
        assert!(peak <= most(&bytes), "{place}: {peak} bytes of memory for a file of {}", bytes.len());
        done += usize::from(read);
    }
    assert!((1..COUNT).contains(&done), "{done} of {COUNT} read");
}

/// What every reader but HDF5's may take: 64 MiB, 64 times the file, and a little.
fn modest(bytes: &[u8]) -> usize {
    (72 << 20) + 64 * bytes.len()
}

fn limits() -> Limits {
    Limits::default()
}

fn both_ways() -> [pickle::PickleOptions; 2] {
    [UnknownGlobal::Refuse, UnknownGlobal::Opaque]
        .map(|unknown_globals| pickle::PickleOptions { limits: limits(), unknown_globals })
}

#[test]
fn changed_pickles_are_read_or_refused() {
    for folder in ["tests/data/pickle", "tests/data/frames", "tests/data/tensors", "tests/data/packed"] {
        let seeds = files(folder, &["pkl", "gz", "bz2", "xz", "z", "zip"]);
        let read =
            |_: &Seed, bytes: &[u8]| both_ways().map(|options| options.from_slice(bytes).is_ok()).contains(&true);
        replay(&seeds, changed, modest, read);
    }
}

#[test]
fn changed_checkpoints_of_pytorch_are_read_or_refused() {
    let mut seeds = files("tests/golden/relmargin/mini", &["pth"]);
    seeds.extend(files("tests/data/experts", &["pth"]));
    let read = |_: &Seed, bytes: &[u8]| {
        let read = both_ways().map(|options| torch::from_slice(bytes, &options)?.state_dict(None));
        read.iter().any(Result::is_ok)
    };
    replay(&seeds, changed, modest, read);
}

#[test]
fn changed_arrays_are_read_or_refused() {
    let read = |_: &Seed, bytes: &[u8]| npy::from_slice(bytes, &limits()).is_ok();
    replay(&files("tests/data/npy", &["npy"]), changed, modest, read);
    let read = |_: &Seed, bytes: &[u8]| npy::npz_from_slice(bytes, &limits()).is_ok();
    replay(&files("tests/data/npy", &["npz"]), changed, modest, read);
}

#[test]
fn changed_json_is_read_or_refused() {
    let mut seeds = files("tests/data", &["json"]);
    let text =
        r#"{"video0": [[1.5, -2e-3, NaN], [Infinity, 12345678901234567890, true]], "caf\u00e9": {"a": null, "b": []}}"#;
    seeds.push(Seed { name: "text".into(), bytes: text.into() });
    let read = |_: &Seed, bytes: &[u8]| tree::from_slice(bytes, "json", &limits(), &[]).is_ok();
    replay(&seeds, changed, modest, read);
}

#[test]
fn changed_message_pack_is_read_or_refused() {
    let mut seeds = files("tests/data/experts", &["mp"]);
    let array = b"\x82\xa1v\x84\xa2nd\xc3\xa4type\xa3<f4\xa5shape\x92\x01\x02\xa4data\xc4\x08\0\0\x80\x3f\0\0\0\x40\xa1w\xdc\0\x02\xcb\x3f\xf8\0\0\0\0\0\0\xc0";
    seeds.push(Seed { name: "array".into(), bytes: array.to_vec() });
    let read = |_: &Seed, bytes: &[u8]| tree::from_slice(bytes, "mp", &limits(), &[]).is_ok();
    replay(&seeds, changed, modest, read);
}

#[test]
fn changed_word_vectors_are_read_or_refused() {
    let folder = "tests/golden/relmargin/prepare/inputs";
    for (extension, kind) in [("bin", Kind::Binary), ("txt", Kind::Text)] {
        let read = |_: &Seed, bytes: &[u8]| word2vec::from_slice(bytes, kind, &limits()).is_ok();
        replay(&files(folder, &[extension]), changed, modest, read);
    }
}

#[test]
fn changed_annotations_to_prepare_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    for extension in ["csv", "pkl"] {
        let path = folder.path().join(format!("changed.{extension}"));
        let seeds = files("tests/golden/relmargin/prepare/inputs", &[extension]);
        let read = |_: &Seed, bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            [Layout::Nouns, Layout::VerbsAndNouns].map(|layout| prepared(&path, layout)).contains(&true)
        };
        replay(&seeds, changed, modest, read);
    }
}

/// Whether a frame could be read, in one way or another.
fn prepared(path: &Path, layout: Layout) -> bool {
    let read = [false, true].map(|no_class| {
        let options = FrameOptions { layout, no_class, ..FrameOptions::default() };
        let Ok(frame) = Frame::open(path, &options) else { return false };
        let _ = (sentences(&frame), relational(&frame, &Captions::tags(&frame), Parts::ALL, true));
        let files = relevancy(&frame, Parts::ALL).files;
        files.iter().for_each(|file| file.write(&mut vec![]).unwrap());
        true
    });
    let wordings = Captions::open_wordings(path, layout, Parts::ALL, &limits()).is_ok();
    read.contains(&true) | wordings | Captions::open_tags(path, layout, &limits()).is_ok()
}

#[test]
fn changed_configurations_are_read_or_refused() {
    fn read<O: Options>(bytes: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        let options = parse::<O>("options", text).is_ok_and(|options| options.check().is_ok());
        let table = Table::<O>::embedded(&[("rows", text)]);
        options || table.is_ok_and(|table| table.rows.iter().all(|row| table.checked(&row.name).is_ok()))
    }
    let mut seeds = files("tests/data/ce_run", &["ron"]);
    seeds.extend(files("paper-repros/teachtext", &["ron"]));
    replay(&seeds, changed, modest, |_, bytes| read::<ce::Options>(bytes));
    let seeds = files("paper-repros/jpose_relmargin", &["ron"]);
    replay(&seeds, changed, modest, |_, bytes| read::<relmargin::Options>(bytes));
}

#[test]
fn changed_published_configurations_are_read_or_refused() {
    let (copy, seeds) = FolderCopy::new("tests/data/ce_configs", &["json"]);
    let import = |file: &Path| ce::import_config(file, copy.path(), false).is_ok();
    replay(&seeds, changed, modest, |seed, bytes| copy.with(seed, bytes, import));
}

#[test]
fn changed_tables_of_annotations_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.csv");
    let rows =
        Annotations::open(&repository().join("tests/data/epic100/EPIC_100_retrieval_test.csv"), &limits()).unwrap();
    let read = |_: &Seed, bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let captions = rows.open_captions(&path, &limits()).is_ok();
        captions | Annotations::open(&path, &limits()).is_ok() | narration_ids(&path, &limits()).is_ok()
    };
    replay(&files("tests/data/epic100", &["csv"]), changed, modest, read);
}

#[test]
fn changed_checkpoints_of_our_own_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let tensor = |values: Vec<f32>| StateTensor { shape: vec![2, values.len() / 2], values: StateValues::F32(values) };
    let mut whole = Checkpoint { config: "(seed: 1)".into(), ..Checkpoint::default() };
    whole.model.insert("w".into(), tensor(vec![0.5; 6]));
    whole.optimizer.insert("w.m".into(), tensor(vec![-2.0; 6]));
    whole.save(&path).unwrap();
    let seed = Seed { name: "checkpoint".into(), bytes: std::fs::read(&path).unwrap() };
    let read = |_: &Seed, bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        match Checkpoint::open(&path) {
            Ok(read) => read == whole || panic!("another state was read: {read:?}"),
            // It came as far as that.
            Err(error) => matches!(error, CheckpointError::Checksum { .. }),
        }
    };
    replay(&[seed], changed, modest, read);
}
