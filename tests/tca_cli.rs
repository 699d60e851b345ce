//! The program `tca` with the authors' files.

#[path = "support/program.rs"]
mod program;

use std::process::Command;

use program::program;

const MINI: &str = "tests/golden/tca/mini";

fn eval(checkpoint: &str, options: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(program("tca"));
    command.args(["eval", &format!("{MINI}/{checkpoint}"), "--data", MINI, "--padding-size", "15"]).args(options);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn published_checkpoints_are_evaluated_with_the_published_options() {
    for (checkpoint, metric, dsvr) in [
        ("model.pth", ["--metric", "chamfer"], "DSVR: 0.5297"),
        ("model_zip.pth", ["--metric", "symmetric_chamfer"], "DSVR: 0.5533"),
        ("model.pth", ["--metric", "cosine"], "DSVR: 0.5231"),
    ] {
        let (code, said, errors) = eval(checkpoint, &[&["--dataset", "FIVR-5K"], &metric[..]].concat());
        assert_eq!(code, Some(0), "{errors}");
        assert!(said.contains(dsvr) && said.contains("queries: 5 of "), "{said}");
    }
}

#[test]
fn unknown_names_are_refused() {
    for (options, named) in [
        (["--dataset", "COCO"], "FIVR-200K"),
        (["--metric", "manhattan"], "SymmetricChamfer"),
        (["--dataset", "FIVR-9K"], "5k, 200k"),
        (["--pca-components", "24"], "24"),
    ] {
        let (code, said, errors) = eval("model.pth", &options);
        assert!(matches!(code, Some(1 | 2)) && said.is_empty(), "{options:?}: {code:?} {said}");
        let words = errors.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(words.contains(named), "{options:?}: {words}");
    }
}
