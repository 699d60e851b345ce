//! Compressed files, files that are something else than their names say, and JSON as Python writes it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use coembed::formats::pickle::{self, Value};
use coembed::formats::{Limits, npy, torch};

fn packed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/packed").join(name)
}

/// An error with all its causes.
fn message(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(|error| error.to_string()).collect::<Vec<_>>().join(": ")
}

fn refused(bytes: &[u8]) -> String {
    message(&pickle::from_slice(bytes, &Limits::default()).unwrap_err())
}

#[test]
fn compressed_pickles_are_read_through() {
    for name in ["x.pkl.gz", "two.pkl.gz", "x.pkl.bz2", "x.pkl.xz", "x.pkl.z", "x.pkl.zip"] {
        let value = pickle::from_path(&packed(name), &Limits::default());
        let value = value.unwrap_or_else(|error| panic!("{name}: {}", message(&error)));
        let dict = value.as_dict().unwrap();
        assert_eq!(dict.get("text").unwrap().as_str().unwrap(), "hé", "{name}");
        assert_eq!(dict.get("video0").unwrap().as_list().unwrap().len(), 2, "{name}");
    }
}

#[test]
fn damaged_compressed_pickles_are_named() {
    for (name, kind) in [("x.pkl.gz", "gzip"), ("x.pkl.bz2", "bzip2"), ("x.pkl.xz", "xz"), ("x.pkl.z", "zlib")] {
        let whole = std::fs::read(packed(name)).unwrap();
        for end in 10..whole.len() {
            assert!(pickle::from_slice(&whole[..end], &Limits::default()).is_err(), "{name} cut at {end}");
        }
        assert!(refused(&whole[..whole.len() / 2]).contains(&format!("{kind} data")), "{name}");
    }
}

#[test]
fn bombs_are_refused_at_little_cost() {
    use std::io::Write;
    let zeros = vec![0; 1 << 20];
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    (0..256).for_each(|_| gzip.write_all(&zeros).unwrap());
    let bomb = gzip.finish().unwrap();
    let begun = Instant::now();
    assert!(refused(&bomb).contains("bytes unpacked"), "{}", refused(&bomb));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn files_of_other_kinds_are_named() {
    let npz = std::fs::read("tests/data/npy/stored.npz").unwrap();
    let npy = std::fs::read("tests/data/npy/f4.npy").unwrap();
    let checkpoint = std::fs::read("tests/golden/relmargin/mini/logs/runs/jpose/model/JPoSE_99.pth").unwrap();
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    for (bytes, kind) in [
        (npz.as_slice(), "an .npz archive"),
        (&npy, "an .npy file"),
        (&checkpoint, "a PyTorch checkpoint"),
        (lfs, "a pointer of Git LFS"),
        (b"<!DOCTYPE html>\n<html><body>Sign in", "an HTML page"),
        (b"\n\n  <html lang=\"en\">", "an HTML page"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (&std::fs::read(packed("crlf.pkl")).unwrap(), "a pickle whose line ends were changed"),
    ] {
        assert_eq!(refused(bytes).matches(kind).count(), 1, "{} without {kind}", refused(bytes));
        let as_npy = npy::from_slice(bytes, &Limits::default());
        assert!(as_npy.is_ok() == kind.ends_with(".npy file"), "{kind}");
    }
    let error = npy::from_slice(lfs, &Limits::default()).unwrap_err();
    assert!(message(&error).contains("a pointer of Git LFS"), "{}", message(&error));
}

#[test]
fn names_of_python_2_are_known() {
    // defaultdict(int), range(1, 7, 2) and a set, as Python 3 writes them for Python 2.
    let value = pickle::from_slice(
        b"\x80\x02ccollections\ndefaultdict\nc__builtin__\nlong\n\x85R(X\x01\0\0\0aK\x01u.",
        &Limits::default(),
    );
    assert_eq!(value.unwrap().as_dict().unwrap().get("a").unwrap().as_i64(), Ok(1));
    let value = pickle::from_slice(b"\x80\x02c__builtin__\nxrange\nK\x01K\x07K\x02\x87R.", &Limits::default());
    assert_eq!(value.unwrap(), Value::List([1, 3, 5].map(Value::Int).into()));
    for name in ["unicode", "str", "long", "int", "float", "object"] {
        let bytes = format!("c__builtin__\n{name}\n.");
        assert!(pickle::from_slice(bytes.as_bytes(), &Limits::default()).is_ok(), "{name}");
    }
}

#[test]
fn tensors_within_pickles_are_arrays() {
    for version in ["t1.0.1", "t1.4.0", "t1.7.1", "t1.12.1"] {
        let file = |rest: &str| PathBuf::from(format!("tests/data/tensors/{version}.{rest}"));
        let checkpoint =
            torch::load(&file("pth"), &pickle::PickleOptions::default()).unwrap().state_dict(None).unwrap();
        for protocol in ["p2.pkl", "p4.pkl"] {
            let value = pickle::from_path(&file(protocol), &Limits::default());
            let value = value.unwrap_or_else(|error| panic!("{version}: {}", message(&error)));
            assert_eq!(value.as_dict().unwrap().get("name").unwrap().as_str(), Ok("x"));
            let tensors = value.as_dict().unwrap().get("tensors").unwrap().as_dict().unwrap();
            let array = |name: &str| tensors.get(name).unwrap().as_array().unwrap().clone();
            let values = |name: &str| (array(name).shape().to_vec(), array(name).to_f32_vec().unwrap());
            for name in ["float", "half", "double", "parameter"] {
                assert_eq!(values(name), (vec![2, 3], vec![0., 1., 2., 3., 4., 5.]), "{version}: {name}");
            }
            assert_eq!(values("turned"), (vec![3, 2], vec![0., 3., 1., 4., 2., 5.]), "{version}");
            assert_eq!(values("part"), (vec![1, 2], vec![4., 5.]), "{version}");
            assert_eq!(values("repeated"), (vec![2, 3], vec![1.; 6]), "{version}");
            assert_eq!(values("empty"), (vec![0, 3], vec![]), "{version}");
            assert_eq!(values("scalar"), (vec![], vec![2.5]), "{version}");
            assert_eq!(array("long").to_i64_vec().unwrap(), [0, 1, 2, 3, 4, 5], "{version}");
            // `torch.save` of the same.
            for (name, tensor) in &checkpoint.tensors {
                assert!(tensor == &array(name), "{version}: {name}");
            }
            assert_eq!(checkpoint.tensors.len(), tensors.len());
        }
    }
}

#[test]
fn files_within_files_within_files_end() {
    // A storage is a file with a pickle, which may have storages.
    let mut file = b"N.".to_vec();
    for _ in 0..50 {
        let length = (file.len() as u32).to_le_bytes();
        file = [b"ctorch.storage\n_load_from_bytes\n(B", length.as_slice(), &file, b"tR."].concat();
    }
    assert!(pickle::from_slice(&file, &Limits::default()).is_err());
}
