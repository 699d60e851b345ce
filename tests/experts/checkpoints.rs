//! Published checkpoints.

use std::path::{Path, PathBuf};

use coembed::data::experts::{Skipped, load_checkpoint};
use coembed::formats::Limits;
use coembed::train::{StateValues, from_torch};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/experts").join(name)
}

#[test]
fn parallel_and_single_checkpoints_hold_the_same_model() {
    let parallel = load_checkpoint(&file("trained_model.pth"), &Limits::default()).unwrap();
    let single = load_checkpoint(&file("checkpoint-epoch42.pth"), &Limits::default()).unwrap();
    assert_eq!(parallel.state, single.state);
    assert_eq!(
        (parallel.arch.as_deref(), parallel.epoch, parallel.monitor_best),
        (Some("CENet"), Some(42), Some(29.5))
    );
    let state = from_torch(&parallel.state).unwrap();
    let names: Vec<&str> = state.keys().map(String::as_str).collect();
    assert_eq!(names, ["ce.moe_fc.weight", "text_pooling.batch_norm.num_batches_tracked"]);
    assert_eq!(state[names[0]].shape, [2, 3]);
    assert_eq!(state[names[0]].values, StateValues::F32(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
    assert_eq!((&state[names[1]].shape[..], &state[names[1]].values), (&[][..], &StateValues::I64(vec![7])));
}

#[test]
fn what_was_left_out_is_named() {
    let checkpoint = load_checkpoint(&file("checkpoint-epoch42.pth"), &Limits::default()).unwrap();
    let deprecated = ["ce.moe_fc_bottleneck1.weight", "ce.moe_cg.fc.bias", "ce.moe_fc_proj.bias"];
    let mut expected = deprecated.map(|name| Skipped::Deprecated(name.into())).to_vec();
    let class = |class: &str| Skipped::Class("config".into(), class.into());
    // This one is no whole configuration.
    expected.extend(["optimizer", "config"].map(|entry| Skipped::Entry(entry.into())));
    expected.extend(["parse_config.ConfigParser", "pathlib.PurePosixPath"].map(class));
    assert_eq!(checkpoint.skipped, expected);
    assert_eq!(checkpoint.skipped[5].to_string(), "class parse_config.ConfigParser in entry config");
}

#[test]
fn files_without_a_model_are_named() {
    let error = load_checkpoint(&file("no_tensors.pth"), &Limits::default()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.to_string().ends_with("no_tensors.pth") && cause.starts_with("no state dict under"), "{cause}");
    let bytes = std::fs::read(file("trained_model.pth")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for length in (0..bytes.len()).step_by(61) {
        let path = folder.path().join("cut.pth");
        std::fs::write(&path, &bytes[..length]).unwrap();
        load_checkpoint(&path, &Limits::default()).unwrap_err();
    }
}
