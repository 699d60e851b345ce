use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::files::write_atomically;

/// A run's numbers, one JSON object per line and epoch: `{"epoch": 0, "loss": .., "action/nDCG/avg": ..}`.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    lines: Vec<String>,
}

impl MetricsLog {
    /// Opens the log and keeps the lines of the first `epochs` epochs: a resumed run writes the later ones again.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn open(path: &Path, epochs: usize) -> io::Result<Self> {
        let old = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let epoch_of = |line: &str| serde_json::from_str::<Value>(line).ok()?.get("epoch")?.as_u64();
        let kept = |line: &&str| epoch_of(line).is_some_and(|epoch| (epoch as usize) < epochs);
        Ok(Self { path: path.into(), lines: old.lines().filter(kept).map(str::to_string).collect() })
    }

    /// Adds the line of an epoch.
    ///
    /// # Errors
    /// Any error of the file system; the file is then as it was.
    pub fn append(&mut self, epoch: usize, numbers: &[(String, f64)]) -> io::Result<()> {
        let mut line = Map::from_iter([("epoch".to_string(), json!(epoch))]);
        line.extend(numbers.iter().map(|(name, value)| (name.clone(), json!(value))));
        self.lines.push(Value::Object(line).to_string());
        write_atomically(&self.path, (self.lines.join("\n") + "\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_log_drops_the_epochs_that_will_be_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = MetricsLog::open(&path, 0).unwrap();
        (0..3).for_each(|epoch| log.append(epoch, &[("loss".into(), 1.5)]).unwrap());
        MetricsLog::open(&path, 2).unwrap().append(2, &[("loss".into(), f64::NAN)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"epoch\":0,\"loss\":1.5}\n{\"epoch\":1,\"loss\":1.5}\n{\"epoch\":2,\"loss\":null}\n");
    }
}
