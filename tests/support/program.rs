use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// An example program, built once for all tests of a file.
pub fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let examples =
            ["build", "--quiet", "--example", "jpose_relmargin", "--example", "ce", "--example", "teachtext"];
        assert!(Command::new(env!("CARGO")).args(examples).status().unwrap().success(), "the examples do not build");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        target.join("debug/examples").canonicalize().unwrap()
    });
    folder.join(name)
}
