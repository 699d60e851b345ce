//! The program of Collaborative Experts as its users meet it, on a small folder in the authors' layout.

#[path = "support/program.rs"]
mod program;

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
