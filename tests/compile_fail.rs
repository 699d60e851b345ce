//! Wrong compositions do not compile, and the compiler says what is wrong.

/// The messages are those of this compiler; others word them differently.
const COMPILER: &str = "rustc 1.95.";

/// Lines of the longest message.
const LONGEST: usize = 15;

#[test]
fn wrong_compositions_do_not_compile() {
    let version = std::process::Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into()))
        .arg("--version")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    if !version.starts_with(COMPILER) {
        eprintln!("skipped: the messages are pinned for {COMPILER}*, this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

#[test]
fn no_message_is_long() {
    for entry in std::fs::read_dir("tests/compile_fail").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "stderr") {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= LONGEST, "{}: {lines} lines, at most {LONGEST}", path.display());
        }
    }
}
