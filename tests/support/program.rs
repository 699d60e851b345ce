use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// An example program, built once for all tests of a file.
pub fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let examples = ["jpose_relmargin", "ce", "teachtext", "tca"].into_iter().flat_map(|name| ["--example", name]);
        let build = ["build", "--quiet"].into_iter().chain(examples);
        assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success(), "the examples do not build");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        target.join("debug/examples").canonicalize().unwrap()
    });
    folder.join(name)
}
