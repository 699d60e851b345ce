//! The program of Collaborative Experts as its users meet it, on a small folder in the authors' layout.

#[path = "support/program.rs"]
mod program;

#[path = "support/expert_folder.rs"]
#[allow(dead_code)]
mod expert_folder;

use expert_folder::{features, sentences, text, write};
use program::program;
use std::path::Path;
use std::process::{Command, Output};

const DATA: &str = "tests/data/ce_run";
const CONFIG: &str = "tests/data/ce_run/ce.ron";

fn run(args: &[&str]) -> Output {
    Command::new(program("ce")).args(args).output().unwrap()
}

#[track_caller]
fn succeed(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The lines of scores, without the progress before them.
fn scores(output: &str) -> Vec<&str> {
    output.lines().filter(|line| line.starts_with("| t2v/") || line.starts_with("| v2t/")).collect()
}

#[test]
fn a_run_is_trained_evaluated_and_predicted() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let train = ["train", "--config", CONFIG, "--data", DATA, "--out-dir", folder, "--seeds", "3"];
    let trained = succeed(&train);
    assert_eq!(scores(&trained).len(), 14, "{trained}");
    let run_folder = std::fs::read_dir(out.path()).unwrap().next().unwrap().unwrap().path().join("seed-3");
    let best = run_folder.join("best.safetensors");
    let predictions = out.path().join("top10.csv");
    let eval = ["eval", best.to_str().unwrap(), "--config", CONFIG, "--data", DATA];
    let evaluated = succeed(&[&eval[..], &["--predictions", predictions.to_str().unwrap()]].concat());
    assert_eq!(scores(&trained), scores(&evaluated), "the best epoch was tested");
    let lines = std::fs::read_to_string(predictions).unwrap();
    assert_eq!((lines.lines().count(), lines.lines().next().unwrap().split(',').count()), (5, 5));

    let again = run(&train);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("holds a run"));
    // A finished run that is resumed is only tested.
    let resumed = succeed(&["train", "--data", DATA, "--resume", run_folder.parent().unwrap().to_str().unwrap()]);
    assert_eq!(scores(&resumed), scores(&trained));
    // Our checkpoints say their options.
    assert_eq!(scores(&succeed(&["eval", best.to_str().unwrap(), "--data", DATA])), scores(&trained));
}

#[test]
fn published_counts_are_printed() {
    let count = |config: &str, row| succeed(&["params", "--config", config, "--row", row]);
    assert_eq!(count("paper-repros/ce/rows.ron", "msrvtt-train-full-ce"), "183448607\n");
    let taught = count("paper-repros/teachtext/rows.ron", "msrvtt-train-gpt2-xl-finetuned-mte-adam");
    assert_eq!(taught, "262731071\n");
}

#[test]
fn mistakes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.ron");
    for (change, named) in [
        (("\"face\": (width: 32", "\"face\": (width: 33"), "33"),
        (("experts: [\"audio\", \"face\"]", "experts: [\"audio\", \"smell\"]"), "smell"),
        (("margin: 0.2", "margins: 0.2"), "margins"),
    ] {
        std::fs::write(&path, std::fs::read_to_string(CONFIG).unwrap().replace(change.0, change.1)).unwrap();
        let out = folder.path().join("runs");
        let config = path.to_str().unwrap();
        let output = run(&["train", "--config", config, "--data", DATA, "--out-dir", out.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(named), "{said}");
    }
}

#[test]
fn what_would_be_fetched_is_printed() {
    let said = succeed(&["fetch", "--dataset", "MSVD", "--release", "features-v2", "--root", "project", "--dry-run"]);
    let address = "http://www.robots.ox.ac.uk/~vgg/research/collaborative-experts/data/features-v2/MSVD-experts.tar.gz";
    for expected in
        [address, "1.3 GiB", "999ef6e34c9d9ffe15363ade90400741bae5cb34", "project/data/MSVD/structured-symlinks"]
    {
        assert!(said.contains(expected), "{said}");
    }
    assert!(!Path::new("project").exists());
    let coded = ["fetch", "--dataset", "LSMDC", "--access-code", "abc", "--from", "http://h/x", "--dry-run"];
    assert!(succeed(&coded).contains("http://h/x/features-v2/ba7816bf8f-LSMDC-experts.tar.gz"));
    for (args, expected) in [
        (&["--dataset", "LSMDC"][..], "given out with an access code"),
        (&["--dataset", "LSMDC", "--release", "high-quality", "--access-code", "abc"], "no address of it is published"),
        (&["--dataset", "YouCook2"], "of YouCook2 there are challenge-release-1, challenge-release-2, no features-v2"),
    ] {
        let output = run(&[&["fetch"], args, &["--dry-run"]].concat());
        let said = String::from_utf8_lossy(&output.stderr).replace("\n  │ ", " ");
        assert!(output.status.code() == Some(2) && said.contains(expected), "{said}");
    }
    #[cfg(not(feature = "download"))]
    {
        let output = run(&["fetch", "--dataset", "MSVD", "--root", "project"]);
        let said = String::from_utf8_lossy(&output.stderr).replace("\n  │ ", " ");
        assert!(!output.status.success() && said.contains("--features download"), "{said}");
        assert!(!Path::new("project").exists());
    }
}

#[test]
fn predictions_are_packed_for_the_challenge() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let csv = |name: &str, lines: usize| std::fs::write(at(name), "0,1,2,3,4,5,6,7,8,9\n".repeat(lines)).unwrap();
    csv("MSVD.csv", 4290);
    csv("ActivityNet.csv", 1001);
    let packed = at("packed");
    let given = [format!("MSVD={}", at("MSVD.csv")), format!("ActivityNet={}", at("ActivityNet.csv"))];
    let ours = ["submission", "--predictions", &given[0], "--predictions", &given[1], "--dest-dir", &packed];
    let said = succeed(&ours);
    let path = said.trim().strip_prefix("written: ").unwrap();
    assert!(path.starts_with(&format!("{packed}/public_server_val-")) && Path::new(path).is_file(), "{said}");
    assert_eq!(succeed(&ours), format!("unchanged: {path}; --refresh packs the files as they are now\n"));

    // The published options: the same paths are the same submission.
    let list = [("MSVD", at("MSVD.csv")), ("ActivityNet", at("ActivityNet.csv"))]
        .map(|(dataset, file)| format!("\"{dataset}\": {{\"public_server_val\": \"{file}\"}}"));
    std::fs::write(at("list.json"), format!("{{{}}}", list.join(", "))).unwrap();
    let (list, phase) = (at("list.json"), ["--challenge_phase", "public_server_val"]);
    let published = [&["submission", "--predictions_path", &list, "--dest_dir", &packed][..], &phase].concat();
    assert_eq!(succeed(&published), succeed(&ours));
    assert!(succeed(&[&published[..], &["--refresh"]].concat()).starts_with("written: "));

    csv("MSVD.csv", 4289);
    let refused = run(&published);
    let said = String::from_utf8_lossy(&refused.stderr).replace("\n  │ ", " ");
    assert!(refused.status.code() == Some(1) && said.contains("found 4289"), "{said}");
    succeed(&[&published[..], &["--validate", "0", "--refresh"]].concat());
    for (args, expected) in [
        (&["--predictions", "MSVD"][..], "DATASET=FILE expected"),
        (&["--predictions", "Vine=a"], "one of MSRVTT, LSMDC, YouCook2, MSVD, DiDeMo, ActivityNet expected"),
        (&["--predictions", "MSVD=a", "--challenge-phase", "val"], "public_server_test"),
        (&["--predictions", "MSVD=a", "--predictions-path", "b"], "cannot be used with"),
        (&[], "--predictions"),
    ] {
        let output = run(&[&["submission"], args].concat());
        let said = String::from_utf8_lossy(&output.stderr).replace("\n  │ ", " ");
        assert!(output.status.code() == Some(2) && said.contains(expected), "{said}");
    }
}

/// The folder of features that the checkpoints of `tests/data/ce_checkpoint` are of.
fn published_layout(root: &Path) {
    let videos = ["a", "b", "c", "d", "e", "f", "g"];
    let list = |name: &str, videos: &[&str]| write(&root.join(name), &expert_folder::list(videos, ""));
    list("val_list.txt", &videos[..4]);
    list("test_list.txt", &videos[2..]);
    for (seed, file) in
        [(0, "aggregated_imagenet_{}/senet154-avg.pickle"), (50, "aggregated_scene_{}/densenet161-avg.pickle")]
    {
        let file = file.replace("{}", "25fps_256px_stride1_offset0");
        write(&root.join(file), &features(&videos, &[4], seed));
    }
    write(&root.join("text_embeddings/w2v.pkl"), &text(&videos, [1, 2, 300]));
    write(&root.join("structured-symlinks/raw_captions_combined_filtered.pkl"), &sentences(&videos, 1));
}

#[test]
fn published_checkpoints_say_their_options() {
    let folder = tempfile::tempdir().unwrap();
    published_layout(folder.path());
    let data = folder.path().to_str().unwrap();
    let eval = |checkpoint: &str, more: &[&str]| {
        let file = format!("tests/data/ce_checkpoint/{checkpoint}");
        run(&[&["eval", &file, "--data", data], more].concat())
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let pickled = eval("trained_model.pth", &[]);
    let out = said(&pickled);
    assert!(pickled.status.success() && scores(&out).len() == 14, "{}", String::from_utf8_lossy(&pickled.stderr));
    assert!(out.contains("QuerYD test"), "{out}");
    assert_eq!(scores(&said(&eval("beside/trained_model.pth", &[]))), scores(&out), "that of config.json");
    // The same as the options that are imported from the configuration.
    let config = folder.path().join("c.ron");
    let config = config.to_str().unwrap();
    // As a file of a project it would inherit.
    let refused = run(&["import-config", "tests/data/ce_checkpoint/beside/config.json", "--out", config]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("none.json"));
    let merged = std::fs::read_to_string("tests/data/ce_checkpoint/beside/config.json").unwrap();
    let json = folder.path().join("c.json");
    std::fs::write(&json, merged.replace("\"inherit_from\": \"configs/queryd/templates/none.json\",", "")).unwrap();
    succeed(&["import-config", json.to_str().unwrap(), "--out", config]);
    assert_eq!(scores(&said(&eval("trained_model.pth", &["--config", config]))), scores(&out));
    // Options that are given count.
    let chosen = said(&eval("trained_model.pth", &["--test-split", "val"]));
    assert!(chosen.contains("QuerYD val") && scores(&chosen) != scores(&out), "{chosen}");
    // What the published program does unless it is told to take the settings of the test.
    let validation = said(&eval("trained_model.pth", &["--validation"]));
    assert_eq!(scores(&validation), scores(&chosen));
    assert_eq!(run(&["eval", "tests/data/ce_checkpoint/trained_model.pth", "--validation"]).status.code(), Some(1));
}

#[test]
fn a_checkpoint_of_unknown_options_says_why() {
    let folder = tempfile::tempdir().unwrap();
    published_layout(folder.path());
    let data = folder.path().to_str().unwrap();
    let alone = folder.path().join("trained_model.pth");
    std::fs::copy("tests/data/ce_checkpoint/beside/trained_model.pth", &alone).unwrap();
    let eval = || String::from_utf8_lossy(&run(&["eval", alone.to_str().unwrap(), "--data", data]).stderr).into_owned();
    assert!(eval().contains("does not say its options"), "{}", eval());
    let json = std::fs::read_to_string("tests/data/ce_checkpoint/beside/config.json").unwrap();
    std::fs::write(folder.path().join("config.json"), json.replace("\"CENet\"", "\"Other\"")).unwrap();
    assert!(eval().contains("config.json: arch.type: CENet or MNNet expected"), "{}", eval());
    std::fs::write(folder.path().join("config.json"), "[").unwrap();
    assert!(eval().contains("config.json: "), "{}", eval());
}
