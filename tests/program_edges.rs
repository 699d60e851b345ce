//! A built program at the edges of its world: readers that go away, full disks, odd names, two processes, odd files, too many threads.
#![cfg(unix)]

#[path = "support/program.rs"]
mod program;

use program::program;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const MINI: &str = "tests/golden/relmargin/mini";
const MODEL: &str = "tests/golden/relmargin/mini/logs/runs/jpose/model/JPoSE_99.pth";

fn jpose(args: &[&str]) -> Command {
    let mut command = Command::new(program("jpose_relmargin"));
    command.args(args).stdin(Stdio::null());
    command
}

/// What a program says within a minute, whatever happens.
#[track_caller]
fn output(command: &mut Command) -> Output {
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it hangs: {command:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn train<'a>(out: &'a str, name: &'a str, epochs: &'a str) -> Vec<&'a str> {
    vec!["train", "--data", MINI, "--out-dir", out, "--name", name, "--num-epochs", epochs, "--batch-size", "4"]
}

#[test]
fn a_reader_that_goes_away_ends_nothing() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().to_str().unwrap();
    for args in [vec!["params"], vec!["rows"], vec!["eval", MODEL, "--data", MINI], train(out, "run", "5")] {
        let mut child = jpose(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}");
    }
    assert!(Path::new(out).join("run/summary.json").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_takes_no_more_is_an_error() {
    for args in [vec!["params"], vec!["rows"], vec!["eval", MODEL, "--data", MINI]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = jpose(&args).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("standard output: No space left"), "{said}");
    }
}

#[test]
fn a_full_disk_is_an_error_that_leaves_nothing_half_written() {
    let out = tempfile::tempdir().unwrap();
    let runs = out.path().to_str().unwrap();
    // Files of at most 100 blocks; a process is told of it by an error when the signal is ignored.
    let limited = "trap '' XFSZ; ulimit -f 100; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", limited, "sh"]).arg(program("jpose_relmargin")).args(train(runs, "run", "5"));
    let output = output(&mut command);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("File too large") && said.contains("safetensors"), "{said}");
    assert_eq!(said.matches("File too large").count(), 1, "said once: {said}");
    let left: Vec<String> = std::fs::read_dir(out.path().join("run/seed-0"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(left.iter().all(|name| name == "metrics.jsonl"), "{left:?}");
    // With room again the run goes on.
    let run = out.path().join("run");
    let resumed = jpose(&["train", "--data", MINI, "--resume", run.to_str().unwrap()]).output().unwrap();
    assert!(resumed.status.success(), "{}", text(&resumed.stderr));
}

#[test]
fn two_processes_have_one_folder() {
    for _ in 0..3 {
        let out = tempfile::tempdir().unwrap();
        let runs = out.path().to_str().unwrap();
        let start = |seed| {
            let mut command = jpose(&train(runs, "same", "30"));
            command.args(["--seed", seed]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let ended = [start("1"), start("2")].map(|child| child.wait_with_output().unwrap());
        let codes = ended.each_ref().map(|output| output.status.code());
        assert!(codes == [Some(0), Some(1)] || codes == [Some(1), Some(0)], "{codes:?}");
        let refused = ended.iter().find(|output| output.status.code() == Some(1)).unwrap();
        let said = text(&refused.stderr);
        assert!(said.contains("in use by process") || said.contains("holds a run already"), "{said}");
        let seeds = std::fs::read_dir(out.path().join("same")).unwrap();
        let seeds = seeds.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("seed-"));
        assert_eq!(seeds.count(), 1, "the files of one run");
    }
}

#[test]
fn names_stay_in_the_folder_and_may_be_odd() {
    let out = tempfile::tempdir().unwrap();
    let runs = out.path().join("mini ü 'x' \"y\" $z");
    for name in ["..", "../up", "/tmp/x", "a/b", ""] {
        let refused = jpose(&train(runs.to_str().unwrap(), name, "1")).output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{name:?}: {}", text(&refused.stderr));
    }
    assert!(!runs.exists(), "nothing is made for a name that is refused");
    let done = jpose(&train(runs.to_str().unwrap(), "läuft; ja", "1")).output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(runs.join("läuft; ja/summary.json").exists());
}

#[test]
fn what_is_not_there_is_named_before_anything_else() {
    for (name, args, says) in [
        ("ce", vec!["train", "--data", "no/such/folder"], "--data no/such/folder: there is no such folder"),
        ("ce", vec!["eval", "none.safetensors"], "none.safetensors: No such file"),
        (
            "jpose_relmargin",
            vec!["train", "--data", MINI, "--resume", "no/run"],
            "no/run: there is no run to go on with",
        ),
        ("jpose_relmargin", vec!["train", "--config", "none.ron"], "none.ron: No such file"),
    ] {
        let output = Command::new(program(name)).args(&args).output().unwrap();
        let said: String = text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(says), "{args:?}: {said}");
        assert!(said.matches("No such file").count() < 2, "{said}");
        assert!(matches!(output.status.code(), Some(1 | 2)), "{args:?}");
    }
}

#[test]
fn pipes_and_devices_are_no_input() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.safetensors");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.to_str().unwrap(), "/dev/zero"] {
        for args in [vec!["eval", path, "--data", MINI], vec!["train", "--config", path]] {
            let output = output(&mut jpose(&args));
            let said = text(&output.stderr);
            assert!(!output.status.success() && !said.contains("panicked"), "{args:?}: {said}");
        }
    }
}

#[test]
fn too_many_threads_are_fewer() {
    let output = output(jpose(&["eval", MODEL, "--data", MINI]).env("RAYON_NUM_THREADS", "100000"));
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("RAYON_NUM_THREADS=100000 is too many, 1024 threads are used"), "{said}");
}
