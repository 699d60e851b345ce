//! The authors' JSON configurations. Those in `tests/data/ce_configs` were written for these tests.

use std::path::{Path, PathBuf};

use coembed::models::Design;
use coembed::recipes::ce::{Options, import_config};
use coembed::run::Imported;
use coembed::train::OptimizerConfig;

const ROOT: &str = "tests/data/ce_configs";

fn import(name: &str) -> Imported<Options> {
    import_config(&Path::new(ROOT).join("configs").join(name), Path::new(ROOT), false).unwrap()
}

/// A configuration of its own that inherits from `ce.json`.
fn error(json: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.json");
    std::fs::write(&path, json).unwrap();
    import_config(&path, Path::new(ROOT), false).unwrap_err().to_string()
}

#[test]
fn the_published_network_is_imported_through_three_files() {
    let Imported { options, ignored, .. } = import("ce.json");
    let counted = coembed::options::Options::check(options.clone()).unwrap().num_parameters();
    assert_eq!(counted.unwrap(), 183_448_607);
    assert_eq!(options.margin, 0.093_811_62);
    assert_eq!((options.test_split.as_deref(), options.captions(true)), (Some("full-test"), 20));
    assert_eq!(options.max_words, 37, "max_tokens is merged, not replaced");
    assert!(options.features["face"].flaky && !options.experts.contains(&"trn.moments-trn.0".to_string()));
    assert!(ignored.contains(&"visualizer".to_string()) && ignored.contains(&"experts.text_dim".to_string()));
    let ron = ron::to_string(&options).unwrap();
    assert_eq!(ron::from_str::<Options>(&ron).unwrap(), options);
}

#[test]
fn later_parents_and_the_file_itself_win() {
    let Imported { options, .. } = import("taught.json");
    let OptimizerConfig::RAdam(radam) = &options.optimizer else { panic!("{:?}", options.optimizer) };
    assert_eq!((radam.learning_rate, radam.weight_decay), (0.001, 1e-5));
    assert_eq!(options.design, Design::Projected);
    assert_eq!(options.teachers, ["teachers/w2v.pkl", "teachers/gpt2-xl.pkl"].map(PathBuf::from));
    assert_eq!(options.test_split, None);
}

#[test]
fn what_is_not_known_is_named() {
    let inheriting = |rest: &str| error(&format!(r#"{{"inherit_from": "configs/ce.json", {rest}}}"#));
    for (rest, named) in [
        (r#""arch": {"args": {"use_cee": 1}}"#, "own.json: arch.args.use_cee: unknown"),
        (r#""arch": {"args": {"mimic_ce_dims": 1}}"#, "arch.args.mimic_ce_dims: not together with use_ce"),
        (r#""arch": {"args": {"use_ce": "pairs"}}"#, "arch.args.use_ce: a relation that is not known: \"pairs\""),
        (r#""arch": {"args": {"l2renorm": true}}"#, "arch.args.l2renorm: not supported"),
        (r#""experts": {"modalities": ["smell"]}"#, "smell"),
        (r#""trainer": {"epochs": "many"}"#, "trainer.epochs: a whole number expected, found \"many\""),
        (
            r#""experts": {"drop_feats": "face,i3d.i3d.0,imagenet.senet154.0,imagenet.resnext101_32x48d.0,r2p1d.r2p1d-ig65m.0,audio,speech,ocr,trn.moments-trn.0"}"#,
            "own.json",
        ),
    ] {
        let message = inheriting(rest);
        assert!(message.contains(named), "{message}");
    }
    assert!(error(r#"{"inherit_from": "configs/none.json"}"#).contains("none.json"));
    let cycle = import_config(&Path::new(ROOT).join("configs/cycle.json"), Path::new(ROOT), false).unwrap_err();
    assert!(cycle.to_string().contains("inherits from itself"), "{cycle}");
    assert!(error("{").contains("own.json"));
}

#[test]
fn a_parent_that_is_named_many_times_is_merged_once() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let root = Path::new(ROOT).canonicalize().unwrap();
    let import = |path: String| import_config(Path::new(&path), &root, false).unwrap();
    let entries: Vec<String> = (0..50_000).map(|i| format!("\"entry{i}\": {i}")).collect();
    let large = format!(
        r#"{{"inherit_from": "configs/ce.json", "visualizer": {{{}}}, "loss": {{"args": {{"margin": 2}}}}}}"#,
        entries.join(",")
    );
    let large = write("large.json", large);
    let other = write("other.json", r#"{"loss": {"args": {"margin": 3}}, "caption_masks": "masks.pkl"}"#.into());
    let inherit = |parents: &[&str]| write("own.json", format!(r#"{{"inherit_from": "{}"}}"#, parents.join(",")));
    let begun = std::time::Instant::now();
    let many = import(inherit(&[large.as_str(); 2000]));
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(many, import(large.clone()));
    // The last time counts, and nothing of what stands between is lost.
    let between = import(inherit(&[&large, &other, &large])).options;
    assert_eq!((between.margin, between.caption_masks), (2.0, Some("masks.pkl".into())));
    assert_eq!(import(inherit(&[&other, &large, &other])).options.margin, 3.0);
}

#[test]
fn files_that_are_inherited_over_many_ways_are_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: usize, text: String| std::fs::write(folder.path().join(format!("{name}.json")), text).unwrap();
    let root = Path::new(ROOT).canonicalize().unwrap();
    // 2^40 ways from the first to the last.
    for name in 0..40 {
        write(name, format!(r#"{{"inherit_from": "{0}/{1}.json,{0}/{1}.json"}}"#, folder.path().display(), name + 1));
    }
    write(40, format!(r#"{{"inherit_from": "{}/configs/ce.json"}}"#, root.display()));
    let one = import_config(&folder.path().join("0.json"), &root, false).unwrap();
    assert_eq!(one.options, import_config(&root.join("configs/ce.json"), &root, false).unwrap().options);
    for name in 0..100 {
        write(name, format!(r#"{{"inherit_from": "{}/{}.json"}}"#, folder.path().display(), name + 1));
    }
    write(100, "{}".into());
    let error = import_config(&folder.path().join("0.json"), &root, false).unwrap_err();
    assert!(error.to_string().contains("more than 64 generations"), "{error}");
}
