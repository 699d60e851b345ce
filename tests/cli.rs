//! The example program as its users meet it: training, resuming after a kill, evaluation, options, bad input.

#[path = "support/program.rs"]
mod program;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use coembed::options::{Field, Options as _};
use coembed::recipes::relmargin::Options;
use coembed::train::{Checkpoint, StateDict};
use program::program;

const MINI: &str = "tests/golden/relmargin/mini";

fn run(args: &[&str]) -> Output {
    Command::new(program("jpose_relmargin")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn succeed(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Fails with this exit code, and says all of these things.
#[track_caller]
fn fail(args: &[&str], code: i32, says: &[&str]) {
    let output = run(args);
    // Messages are wrapped to the width of a terminal.
    let said: String =
        text(&output.stderr).split_whitespace().filter(|word| !matches!(*word, "│" | "×" | "╰─▶" | "├─▶")).collect();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    for what in says {
        let what: String = what.split_whitespace().collect();
        assert!(said.contains(&what), "{args:?} says\n{}\nand not {what}", text(&output.stderr));
    }
}

/// A short training on the tiny folder.
fn train_args<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args =
        vec!["train", "--data", MINI, "--out-dir", out, "--name", "run", "--embedding-size", "10", "--batch-size", "4"];
    args.extend(more);
    args
}

fn checkpoint(out: &Path) -> Vec<u8> {
    std::fs::read(out.join("run/seed-0/last.safetensors")).unwrap()
}

#[test]
fn training_writes_checkpoints_log_and_summary_that_evaluation_reads() {
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().to_str().unwrap();
    succeed(&train_args(dir, &["--rel-margin", "--all-noun-classes", "--num-epochs", "3", "--checkpoint-rate", "2"]));
    let files = |folder: &str| {
        let entries = std::fs::read_dir(out.path().join(folder)).unwrap();
        let mut files: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        files
    };
    assert_eq!(files("run"), [".lock", "config.ron", "data.json", "seed-0", "summary.json"]);
    let want = [
        "JPoSE_0.safetensors",
        "JPoSE_2.safetensors",
        "best.safetensors",
        "last.safetensors",
        "metrics.jsonl",
        "ranks_t2v.npy",
        "ranks_v2t.npy",
    ];
    assert_eq!(files("run/seed-0"), want);
    let log = std::fs::read_to_string(out.path().join("run/seed-0/metrics.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 3);
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.path().join("run/summary.json")).unwrap()).unwrap();
    for field in ["version", "device", "split", "features_sha256", "relevance_sha256", "tie_policy", "config"] {
        assert!(!summary[field].as_str().unwrap().is_empty(), "{field}");
    }
    assert_eq!(summary["effective_batch"], 4);
    assert!(summary["files_sha256"].as_object().unwrap().len() > 10);
    let ours = out.path().join("run/seed-0/last.safetensors");
    let said = succeed(&["eval", ours.to_str().unwrap(), "--data", MINI]);
    let ndcg = summary["scores"]["action/nDCG/avg"]["mean"].as_f64().unwrap();
    assert!(said.contains(&format!("{ndcg:.3}").replace('.', ",")), "{said} without {ndcg}");
}

#[test]
fn the_authors_checkpoints_give_the_authors_output() {
    for name in ["JPoSE_99", "JPoSE_99_legacy"] {
        let said = succeed(&["eval", &format!("{MINI}/logs/runs/jpose/model/{name}.pth"), "--data", MINI]);
        let printed = "nDCG: VT:0.570 TV:0.481 AVG:0.525\nmAP: VT:0.503 TV:0.407 AVG:0.455\n\
                       0,00; 100,00; 11,11; 100,00; 0,570; 0,481; 0,525; 0,503; 0,407; 0,455\n";
        assert!(said.ends_with(printed), "{said}");
        assert!(!said.contains("| published"), "the published row belongs to other data");
    }
    for name in ["MMEN_99", "MMEN_99_legacy"] {
        let said = succeed(&["eval", &format!("{MINI}/logs/runs/mmen/model/{name}.pth"), "--data", MINI]);
        assert!(said.contains("0,568; 0,556; 0,562; 0,502; 0,555; 0,529"), "{said}");
    }
}

#[test]
fn a_killed_run_resumes_to_the_same_bits() {
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = [
        "--rel-margin",
        "--all-noun-classes",
        "--comb-func",
        "fc",
        "--num-epochs",
        "60",
        "--triplet-sampling-rate",
        "7",
    ];
    succeed(&train_args(whole.path().to_str().unwrap(), &options));

    let mut child = Command::new(program("jpose_relmargin"))
        .args(train_args(killed.path().to_str().unwrap(), &options))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let log = killed.path().join("run/seed-0/metrics.jsonl");
    let begun = Instant::now();
    // Checkpoints are written meanwhile, and come after their lines.
    let state = log.with_file_name("last.safetensors");
    while std::fs::read_to_string(&log).unwrap_or_default().lines().count() < 3 || !state.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the run does not get going");
        std::thread::sleep(Duration::from_millis(1));
    }
    // SIGKILL: no handler runs.
    child.kill().unwrap();
    child.wait().unwrap();
    let done = std::fs::read_to_string(&log).unwrap().lines().count();
    assert!(done < 60, "killed too late to test anything");

    let run = killed.path().join("run");
    let run = run.to_str().unwrap();
    fail(
        &["train", "--data", MINI, "--resume", run, "--learning-rate", "5"],
        2,
        &["--resume goes on with the options"],
    );
    let again = train_args(killed.path().to_str().unwrap(), &options);
    fail(&again, 1, &["holds a run already"]);
    let other = killed.path().join("other");
    copy(Path::new(MINI), &other);
    let features = other.join("data/text_features");
    let of = |split: &str| features.join(format!("EPIC_100_retrieval_verb_text_features_{split}.pkl"));
    std::fs::copy(of("train").with_file_name("EPIC_100_retrieval_noun_text_features_train.pkl"), of("train")).unwrap();
    fail(
        &["train", "--data", other.to_str().unwrap(), "--resume", run],
        1,
        &["are not those that the run was trained on"],
    );
    succeed(&["train", "--data", MINI, "--resume", run]);
    assert!(
        checkpoint(whole.path()) == checkpoint(killed.path()),
        "the resumed run differs from the uninterrupted one"
    );
    let best = |out: &Path| std::fs::read(out.join("run/seed-0/best.safetensors")).unwrap();
    assert!(best(whole.path()) == best(killed.path()), "the best checkpoints differ");
}

#[test]
fn a_run_stopped_before_its_first_step_can_be_resumed() {
    let out = tempfile::tempdir().unwrap();
    succeed(&train_args(out.path().to_str().unwrap(), &["--num-epochs", "1"]));
    let last = out.path().join("run/seed-0/last.safetensors");
    let trained = Checkpoint::open(&last).unwrap();
    let stopped = Checkpoint { optimizer: Default::default(), progress: Default::default(), ..trained };
    stopped.save(&last).unwrap();
    succeed(&["train", "--data", MINI, "--resume", out.path().join("run").to_str().unwrap()]);
    assert_eq!(Checkpoint::open(&last).unwrap().progress.epochs, 1);
}

/// An option, what it acts under, and a change of it.
const EFFECTS: [(&str, &[&str], &[&str]); 26] = [
    ("model", &[], &["--model", "mmen"]),
    ("rel_margin", &["--all-noun-classes"], &["--rel-margin"]),
    ("all_noun_classes", &[], &["--all-noun-classes"]),
    ("cosine", &["--margin", "0.2"], &["--cosine"]),
    ("margin", &[], &["--margin", "0.3"]),
    ("tt_weight", &[], &["--tt-weight", "0"]),
    ("tt_weight", &["--vv-weight", "0"], &["--tt-weight", "0"]),
    ("tv_weight", &[], &["--tv-weight", "0"]),
    ("vt_weight", &[], &["--vt-weight", "0"]),
    ("vv_weight", &[], &["--vv-weight", "0"]),
    ("action_weight", &[], &["--action-weight", "0"]),
    ("verb_weight", &[], &["--verb-weight", "0"]),
    ("noun_weight", &[], &["--noun-weight", "0"]),
    ("comb_func", &[], &["--comb-func", "fc"]),
    ("comb_func_start", &["--comb-func", "fc"], &["--comb-func-start", "1"]),
    ("caption_type", &["--model", "mmen"], &["--caption-type", "verb"]),
    ("caption_type", &["--model", "mmen"], &["--caption-type", "noun"]),
    ("batch_size", &[], &["--batch-size", "2"]),
    ("num_triplets", &[], &["--num-triplets", "3"]),
    ("triplet_sampling_rate", &[], &["--triplet-sampling-rate", "1"]),
    ("num_epochs", &[], &["--num-epochs", "3"]),
    ("learning_rate", &[], &["--learning-rate", "0.1"]),
    ("momentum", &[], &["--momentum", "0"]),
    ("schedule", &[], &["--cosine-schedule"]),
    ("embedding_size", &[], &["--embedding-size", "12"]),
    ("checkpoint_rate", &["--num-epochs", "3"], &["--checkpoint-rate", "1"]),
];

/// Those whose effect is no other training on the tiny folder: other data, other widths, another folder within that of the run.
const EFFECTS_ELSEWHERE: [&str; 3] = ["dataset", "modalities", "seeds"];

/// Weights and steps of checkpoints, by path.
type Checkpoints = BTreeMap<String, (StateDict, u64)>;

/// Every checkpoint of a short training.
fn trained(more: &[&str]) -> Checkpoints {
    let out = tempfile::tempdir().unwrap();
    let mut args = train_args(out.path().to_str().unwrap(), &["--num-epochs", "2"]);
    // Options given twice are an error; these replace those of `train_args`.
    for flag in more.iter().filter(|flag| flag.starts_with("--")) {
        if let Some(at) = args.iter().position(|arg| arg == flag) {
            args.drain(at..at + 2);
        }
    }
    args.extend(more);
    succeed(&args);
    let seeds = std::fs::read_dir(out.path().join("run")).unwrap().map(|entry| entry.unwrap().path());
    let files = seeds.filter(|path| path.is_dir()).flat_map(|seed| std::fs::read_dir(seed).unwrap());
    let paths = files.map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    let read = |path: PathBuf| {
        let Checkpoint { model, progress, .. } = Checkpoint::open(&path).unwrap();
        (path.strip_prefix(out.path()).unwrap().display().to_string(), (model, progress.steps))
    };
    paths.map(read).collect()
}

#[test]
fn every_option_has_its_effect() {
    for Field { name, .. } in Options::FIELDS {
        let known = EFFECTS.iter().any(|(option, ..)| option == name) || EFFECTS_ELSEWHERE.contains(name);
        assert!(known, "nothing says what {name} changes");
    }
    let plain = trained(&[]);
    assert!(plain == trained(&[]), "the same options give the same run");
    for (option, context, change) in EFFECTS {
        let before = if context.is_empty() { plain.clone() } else { trained(context) };
        assert!(trained(&[context, change].concat()) != before, "{option}: {change:?} changes nothing");
    }
    let last = |of: &Checkpoints, seed| of[&format!("run/seed-{seed}/last.safetensors")].clone();
    assert!(last(&trained(&["--seed", "1"]), 1) != last(&plain, 0), "--seed changes the folder alone");
    assert_ne!(succeed(&["params", "--rgb"]), succeed(&["params"]));
    let out = tempfile::tempdir().unwrap();
    let youcook2 = train_args(out.path().to_str().unwrap(), &["--dataset", "youcook2"]);
    fail(&youcook2, 1, &["public_split_yc2/trn_names.npy"]);
}

#[test]
fn published_ways_to_say_an_option_are_known() {
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().to_str().unwrap();
    let mut args = train_args(dir, &["--num-epochs", "2"]);
    args.splice(0..1, ["mmen", "noun"]);
    succeed(&args);
    let subcommand = Checkpoint::open(&out.path().join("run/seed-0/last.safetensors")).unwrap().model;
    let option = &trained(&["--model", "mmen", "--caption-type", "noun"])["run/seed-0/last.safetensors"];
    assert!(subcommand == option.0, "mmen is train --model mmen");
    // Any non-empty subset of the pairs.
    for subset in 1..16u32 {
        let weight = |pair: u32| if subset >> pair & 1 == 1 { "1" } else { "0" };
        trained(&[
            "--tt-weight",
            weight(0),
            "--tv-weight",
            weight(1),
            "--vt-weight",
            weight(2),
            "--vv-weight",
            weight(3),
        ]);
    }
    // Accepted and without effect, as published.
    assert!(trained(&["--num-layers", "3", "--optimiser", "Adam", "--gpu", "False"]) == trained(&[]));
}

#[test]
fn parameters_are_counted_without_building() {
    assert_eq!(succeed(&["params"]).trim(), "1890304");
    assert_eq!(succeed(&["params", "--comb-func", "fc", "--text-width", "200"]).trim(), "2073344");
    assert_eq!(succeed(&["params", "--rgb"]).trim(), "841728");
    assert_eq!(succeed(&["params", "--rgb-flow", "--rgb"]).trim(), "841728", "--rgb wins");
    assert_eq!(succeed(&["params", "--rgb-flow"]).trim(), "1366016");
    assert_eq!(succeed(&["params", "--model", "mmen"]).trim(), "945152");
    assert_eq!(succeed(&["params", "--row", "epic_jpose_rgb"]).trim(), "841728");
    let table = "paper-repros/jpose_relmargin/rows.ron";
    assert_eq!(
        succeed(&["params", "--config", table, "--row", "epic_jpose_rgb", "--set", "comb_func=fc"]).trim(),
        "973568"
    );
    fail(&["params", "--config", table], 2, &["is a table: choose a --row of epic_mmen, epic_mmen_relmargin"]);
    let rows = succeed(&["rows"]);
    assert!(
        rows.lines().any(|row| row == "epic_jpose_relmargin  action/mAP/avg 0.458  action/nDCG/avg 0.562"),
        "{rows}"
    );
}

#[test]
fn a_submission_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("mini");
    copy(Path::new(MINI), &data);
    std::fs::create_dir_all(data.join("data/dataframes")).unwrap();
    let videos: String = (0..9).map(|i| format!("P01_{i},take cup,take,0,cup,1,['cup'],[1]\n")).collect();
    let header = "narration_id,narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes\n";
    std::fs::write(data.join("data/dataframes/EPIC_100_retrieval_test.csv"), format!("{header}{videos}")).unwrap();
    let captions: String = (0..7).map(|i| format!("P01_{i},take cup\n")).collect();
    std::fs::write(
        data.join("data/dataframes/EPIC_100_retrieval_test_sentence.csv"),
        format!("narration_id,narration\n{captions}"),
    )
    .unwrap();
    let out = folder.path().join("test.pkl");
    let model = format!("{MINI}/logs/runs/jpose/model/JPoSE_99.pth");
    succeed(&["eval", &model, "--data", data.to_str().unwrap(), "--challenge-submission", out.to_str().unwrap()]);
    let read = coembed::formats::pickle::from_path(&out, &Default::default()).unwrap();
    let matrix = read.as_dict().unwrap().get("sim_mat").unwrap().as_array().unwrap().to_f32_matrix().unwrap();
    assert_eq!((matrix.rows(), matrix.cols()), (9, 7));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            _ = std::fs::copy(entry.path(), target).unwrap()
        }
    }
}

#[test]
fn bad_input_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("runs");
    let out = out.to_str().unwrap();
    let broken = |change: &dyn Fn(&Path)| {
        let data = folder.path().join("broken");
        let _ = std::fs::remove_dir_all(&data);
        copy(Path::new(MINI), &data);
        change(&data.join("data"));
        data.to_str().unwrap().to_string()
    };
    let train = |data: &str, code, says: &[&str]| {
        fail(&["train", "--data", data, "--out-dir", out], code, says);
        assert!(!Path::new(out).exists(), "something was written");
    };
    let features = "video_features/EPIC_100_retrieval_train_features_mean.pkl";
    let text = "text_features/EPIC_100_retrieval_verb_text_features_train.pkl";
    train("no/such/folder", 1, &["no/such/folder"]);
    train(
        &broken(&|d| std::fs::remove_file(d.join(features)).unwrap()),
        1,
        &["EPIC_100_retrieval_train_features_mean.pkl"],
    );
    let truncated = |d: &Path| {
        let bytes = std::fs::read(d.join(features)).unwrap();
        std::fs::write(d.join(features), &bytes[..bytes.len() / 2]).unwrap();
    };
    train(&broken(&truncated), 1, &["EPIC_100_retrieval_train_features_mean.pkl"]);
    let other_split = "text_features/EPIC_100_retrieval_verb_text_features_test.pkl";
    train(&broken(&|d| _ = std::fs::copy(d.join(other_split), d.join(text)).unwrap()), 1, &["7", "4"]);

    // A learned combination has no statistics of a single row: found by the first step, and nothing is written either.
    let single =
        ["train", "--data", MINI, "--out-dir", out, "--comb-func", "fc", "--batch-size", "1", "--num-triplets", "1"];
    fail(&single, 1, &["batch norm: too few rows for a variance: 1, at least 2 needed"]);
    assert!(!Path::new(out).exists(), "something was written");

    // Options.
    fail(&["train", "--data", MINI, "--rel-margin"], 2, &["all_noun_classes"]);
    fail(&["train", "--data", MINI, "--batch-size", "0"], 2, &["batch_size: 0"]);
    fail(&["train", "--data", MINI, "--margin", "wide"], 2, &["margin: \"wide\" is not a value of it"]);
    fail(
        &["train", "--data", MINI, "--set", "margn=1"],
        2,
        &["margn: there is no such option; the nearest are margin"],
    );
    fail(&["train", "--data", MINI, "--row", "epic_jpos"], 2, &["no row \"epic_jpos\"; the nearest are epic_jpose"]);
    for name in ["..", "../up", "a/b"] {
        fail(&["train", "--data", MINI, "--out-dir", out, "--name", name], 1, &["would leave the folder of runs"]);
    }
    fail(&["train", "--data", MINI, "--resume", out], 1, &["there is no run to go on with"]);
    fail(&["train", "--data", MINI, "--threads", "100000"], 2, &["--threads"]);
    fail(&["train", "--data", MINI, "--no-such-option"], 2, &["--no-such-option"]);
    fail(&["train", "--data", MINI, "--model", "mmen", "--comb-func", "fc"], 2, &["comb_func: only Jpose has it"]);
    fail(&["train", "--data", MINI, "--caption-type", "verb"], 2, &["caption_type: only Mmen has it"]);
    fail(&["params", "--video-width", "18446744073709551615"], 2, &["--video-width"]);
    fail(&["train", "--data", MINI, "--dataset", "youcook2", "--rgb-flow"], 2, &["modalities"]);
    fail(&["train", "--dataset", "youcook2"], 2, &["--data"]);
    fail(&["train", "--rgb"], 2, &["modalities"]);
    fail(&["train", "--data", MINI, "--embedding-size", "1000000000"], 2, &["embedding_size"]);

    // Configuration files.
    let config = folder.path().join("run.ron");
    let configured = |text: &str, says: &[&str]| {
        std::fs::write(&config, text).unwrap();
        fail(&["train", "--data", MINI, "--config", config.to_str().unwrap()], 1, says);
    };
    configured("(\n    learning_rat: 0.1,\n)", &["run.ron, line 2", "learning_rat", "learning_rat: 0.1"]);
    configured("(batch_size: -1)", &["run.ron, line 1"]);
    configured("(", &["run.ron"]);
    fail(&["train", "--config", "no/such.ron"], 1, &["no/such.ron"]);

    // Checkpoints.
    let model = |name: &str| format!("{MINI}/logs/runs/{name}.pth");
    fail(&["eval", "no/such.pth", "--data", MINI], 1, &["args.txt"]);
    fail(&["eval", "no/such.safetensors", "--data", MINI], 1, &["no/such.safetensors"]);
    let runs = folder.path().join("logs/run");
    std::fs::create_dir_all(runs.join("model")).unwrap();
    std::fs::copy(format!("{MINI}/logs/runs/jpose/args.txt"), runs.join("args.txt")).unwrap();
    std::fs::copy(model("mmen/model/MMEN_99"), runs.join("model/JPoSE_99.pth")).unwrap();
    let other = runs.join("model/JPoSE_99.pth");
    fail(
        &["eval", other.to_str().unwrap(), "--data", MINI],
        1,
        &["missing", "MMENs.verb.SMEs.t.fc.weight", "unexpected"],
    );
    std::fs::write(&other, b"not a checkpoint").unwrap();
    fail(&["eval", other.to_str().unwrap(), "--data", MINI], 1, &["JPoSE_99.pth"]);
    std::fs::write(runs.join("args.txt"), "import os").unwrap();
    fail(&["eval", other.to_str().unwrap(), "--data", MINI], 1, &["args.txt"]);
}

#[test]
fn a_signal_stops_a_run_that_the_printed_command_goes_on_with() {
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let (whole, stopped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let odd = stopped.path().join("it's a run");
        let options = ["--num-epochs", "60", "--triplet-sampling-rate", "7"];
        succeed(&train_args(whole.path().to_str().unwrap(), &options));
        let mut child = Command::new(program("jpose_relmargin"))
            .args(train_args(odd.to_str().unwrap(), &options))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (log, begun) = (odd.join("run/seed-0/metrics.jsonl"), Instant::now());
        while std::fs::read_to_string(&log).unwrap_or_default().lines().count() < 3 {
            assert!(begun.elapsed() < Duration::from_secs(60), "the run does not get going");
            std::thread::sleep(Duration::from_millis(1));
        }
        let kill = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let mut said = String::new();
        std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{said}");
        let (_, command) = said.split_once("stopped; go on with:\n").unwrap_or_else(|| panic!("{said}"));
        let resumed = Command::new("sh").args(["-c", command.trim()]).output().unwrap();
        assert!(resumed.status.success(), "{command}: {}", text(&resumed.stderr));
        assert!(checkpoint(whole.path()) == checkpoint(&odd), "{signal}: the resumed run differs");
    }
}
