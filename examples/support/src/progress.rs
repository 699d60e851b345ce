//! A progress bar for the training loop.

use std::io::Write;
use std::path::Path;

use coembed::train::Observer;
use indicatif::{ProgressBar, ProgressStyle};

/// One bar per epoch on a terminal, one line per epoch elsewhere.
pub struct Bar {
    bar: ProgressBar,
    epochs: usize,
    shown: Option<String>,
}

impl Bar {
    /// `shown` names the score on the line of an epoch.
    pub fn new(epochs: usize, shown: Option<String>) -> Self {
        let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg} {eta}");
        let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, epochs, shown }
    }

    fn line(&self, line: &str) {
        if self.bar.is_hidden() {
            let _ = writeln!(std::io::stderr(), "{line}");
        } else {
            self.bar.println(line)
        }
    }

    fn numbers(&self, numbers: &[(String, f64)]) -> String {
        let shown = ["loss"].into_iter().chain(self.shown.as_deref());
        let value = |name| numbers.iter().find(|(n, _)| n == name).map(|(_, v)| format!("{name} {v:.4}"));
        shown.filter_map(value).collect::<Vec<_>>().join("  ")
    }
}

impl Observer for Bar {
    fn run_begins(&mut self, seed: u64, parameters: usize, folder: &Path) {
        self.line(&format!("seed {seed}: {parameters} parameters; run folder {}", folder.display()));
    }

    fn epoch_begins(&mut self, epoch: usize, batches: usize) {
        self.bar.reset();
        self.bar.set_length(batches as u64);
        self.bar.set_prefix(format!("epoch {}/{}", epoch + 1, self.epochs));
    }

    fn batch_ends(&mut self, batch: usize, loss: f64) {
        self.bar.set_position(batch as u64 + 1);
        self.bar.set_message(format!("loss {loss:.4}"));
    }

    fn validated(&mut self, step: u64, scores: &[(String, f64)]) {
        self.line(&format!("step {step}  {}", self.numbers(scores)));
    }

    fn epoch_ends(&mut self, epoch: usize, numbers: &[(String, f64)]) {
        self.line(&format!("epoch {}/{}  {}", epoch + 1, self.epochs, self.numbers(numbers)));
        if epoch + 1 == self.epochs {
            self.bar.finish_and_clear();
        }
    }
}
