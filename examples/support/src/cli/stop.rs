//! Being asked to stop: Ctrl-C, and what a cluster or a terminal sends.

use std::cell::Cell;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Set by the first signal once it listens; a second one ends the program at once.
#[derive(Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
    obeyed: Cell<bool>,
}

impl Stop {
    /// From now on a signal asks to stop; before, it ends the program as ever.
    pub fn listen(&self) -> &Self {
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // What cannot be registered ends the program as it always did.
            let _ = flag::register_conditional_shutdown(signal, 128 + signal, self.asked.clone());
            let _ = flag::register_usize(signal, self.signal.clone(), signal as usize);
            let _ = flag::register(signal, self.asked.clone());
        }
        self
    }

    pub fn flag(&self) -> &AtomicBool {
        &self.asked
    }

    /// The program stops because it was asked to.
    pub fn obeyed(&self) {
        self.obeyed.set(true);
    }

    /// Success, or what a shell says of a program that a signal ended.
    pub fn exit_code(&self) -> ExitCode {
        match self.signal.load(Ordering::Relaxed) {
            signal if self.obeyed.get() => ExitCode::from(128 + signal as u8),
            _ => ExitCode::SUCCESS,
        }
    }
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "_-./=:,+@%".contains(c);
    if !path.is_empty() && path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_can_be_pasted() {
        let of = |path: &str| quoted(Path::new(path));
        assert_eq!(of("logs/runs/a-1"), "logs/runs/a-1");
        assert_eq!(of("my runs/it's"), r"'my runs/it'\''s'");
        assert_eq!(of(""), "''");
    }
}
