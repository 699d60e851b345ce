use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::files::{read_log, write_atomically};

/// One line of a [`MetricsLog`].
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Optimizer steps taken.
    pub step: u64,
    /// Learning rate of the last of them.
    pub learning_rate: f32,
    /// Since the program began or resumed the run.
    pub seconds: f64,
    /// On average since then.
    pub steps_per_second: f64,
    /// Loss, shares, scores.
    pub numbers: &'a [(String, f64)],
}

/// A run's numbers, one JSON object per line and event, an epoch's end or a validation: `{"epoch": 0, "step": 17, "learning_rate": ..,
/// "seconds": .., "steps_per_second": .., "loss": .., "action/nDCG/avg": ..}`.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
}

impl MetricsLog {
    /// Opens the log and keeps its first lines: a resumed run writes the later ones again.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn open(path: &Path, lines: usize) -> io::Result<Self> {
        match read_log(path) {
            Ok(old) => {
                let kept: String = old.split_inclusive('\n').take(lines).collect();
                write_atomically(path, kept.as_bytes())?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Self { path: path.into() })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn append(&mut self, line: &Line<'_>) -> io::Result<()> {
        let Line { epoch, step, learning_rate, seconds, steps_per_second, numbers } = line;
        let rounded = |value: f64| (value * 1e3).round() / 1e3;
        let mut object = Map::from_iter([
            ("epoch".to_string(), json!(epoch)),
            ("step".to_string(), json!(step)),
            ("learning_rate".to_string(), json!(learning_rate)),
            ("seconds".to_string(), json!(rounded(*seconds))),
            ("steps_per_second".to_string(), json!(rounded(*steps_per_second))),
        ]);
        object.extend(numbers.iter().map(|(name, value)| (name.clone(), json!(value))));
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::File::options().create(true).append(true).open(&self.path)?;
        file.write_all(format!("{}\n", Value::Object(object)).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_log_drops_what_will_be_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let numbers = [("loss".to_string(), f64::NAN)];
        let line =
            |step| Line { epoch: 0, step, learning_rate: 0.5, seconds: 1.25, steps_per_second: 8.0, numbers: &numbers };
        let mut log = MetricsLog::open(&path, 0).unwrap();
        [10, 20, 30].iter().for_each(|step| log.append(&line(*step)).unwrap());
        MetricsLog::open(&path, 2).unwrap().append(&line(25)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let steps: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(steps.iter().map(|line| line["step"].as_u64().unwrap()).collect::<Vec<_>>(), [10, 20, 25]);
        let first = text.lines().next().unwrap();
        let want = r#"{"epoch":0,"step":10,"learning_rate":0.5,"seconds":1.25,"steps_per_second":8.0,"loss":null}"#;
        assert_eq!(first, want);
    }
}
