//! A progress bar for the training loop.

use coembed::train::Observer;
use indicatif::{ProgressBar, ProgressStyle};

/// One bar per epoch on a terminal, one line per epoch elsewhere.
pub struct Bar {
    bar: ProgressBar,
    epochs: usize,
    shown: Vec<String>,
}

impl Bar {
    /// `shown` names the scores on the line of an epoch.
    pub fn new<const N: usize>(epochs: usize, shown: [String; N]) -> Self {
        let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg} {eta}");
        let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, epochs, shown: shown.into() }
    }
}

impl Observer for Bar {
    fn epoch_begins(&mut self, epoch: usize, batches: usize) {
        self.bar.reset();
        self.bar.set_length(batches as u64);
        self.bar.set_prefix(format!("epoch {}/{}", epoch + 1, self.epochs));
    }

    fn batch_ends(&mut self, batch: usize, loss: f64) {
        self.bar.set_position(batch as u64 + 1);
        self.bar.set_message(format!("loss {loss:.4}"));
    }

    fn epoch_ends(&mut self, epoch: usize, numbers: &[(String, f64)]) {
        let value = |name: &String| numbers.iter().find(|(n, _)| n == name).map(|(_, v)| format!("{name} {v:.4}"));
        let line: Vec<String> =
            std::iter::once("loss".to_string()).chain(self.shown.clone()).filter_map(|n| value(&n)).collect();
        let line = format!("epoch {}/{}  {}", epoch + 1, self.epochs, line.join("  "));
        if self.bar.is_hidden() {
            eprintln!("{line}")
        } else {
            self.bar.println(line)
        }
        if epoch + 1 == self.epochs {
            self.bar.finish_and_clear();
        }
    }
}
