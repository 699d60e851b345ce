use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Deviation;
use crate::files::{read_text, write_atomically};
use crate::options::{Options, Row};
use crate::report::{MeanStd, TextTable};

/// What a run gave and what it rests on: two runs can be compared where these agree.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The recipe.
    pub recipe: String,
    /// Version of this crate.
    pub version: String,
    /// Kind of device.
    pub device: String,
    /// The machine's processor.
    pub cpu: String,
    /// Data set and split evaluated on.
    pub split: String,
    /// SHA-256 of every file read.
    pub files_sha256: BTreeMap<String, String>,
    /// Further facts of the recipe: digests, policies.
    #[serde(flatten)]
    pub facts: BTreeMap<String, String>,
    /// Examples per optimizer step.
    pub effective_batch: usize,
    /// Number of trained values.
    pub parameters: usize,
    /// Configuration, as RON.
    pub config: String,
    /// One for each seed.
    pub seeds: Vec<SeedScores>,
    /// Over the seeds.
    pub scores: BTreeMap<String, ScoreOverSeeds>,
    /// The published row with the same options, where there is one and the split is that of the paper.
    pub published: Option<String>,
}

/// The scores of one seed, in the units of the recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedScores {
    /// The seed; none for a checkpoint from elsewhere.
    pub seed: Option<u64>,
    /// Epochs that the tested parameters were trained for, where that is known.
    pub epochs: Option<usize>,
    /// Scores by name.
    pub scores: BTreeMap<String, f64>,
}

/// One score over the seeds of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScoreOverSeeds {
    /// Mean.
    pub mean: f64,
    /// Standard deviation, as the published tables give it; none of a single seed.
    pub deviation: Option<f64>,
    /// The published mean.
    pub published: Option<f64>,
    /// The published deviation.
    #[serde(default)]
    pub published_deviation: Option<f64>,
}

impl Summary {
    /// Means and deviations of the scores of all seeds, beside those of a published row.
    pub(super) fn add_up<O: Options>(&mut self, published: Option<&Row<O>>, deviation: impl Fn(&str) -> Deviation) {
        let names = self.seeds.iter().flat_map(|seed| seed.scores.keys().cloned());
        let score = |name: String| {
            let values: Vec<f64> = self.seeds.iter().filter_map(|seed| seed.scores.get(&name).copied()).collect();
            let over = match deviation(&name) {
                Deviation::Sample => MeanStd::of(&values)?,
                Deviation::Population => MeanStd::of_population(&values)?,
            };
            let deviation = (values.len() > 1).then_some(over.std);
            let published_deviation = published.and_then(|row| row.deviations.get(&name).copied());
            let published = published.and_then(|row| row.scores.get(&name).copied());
            Some((name, ScoreOverSeeds { mean: over.mean, deviation, published, published_deviation }))
        };
        self.scores = names.filter_map(score).collect();
    }

    /// Writes the summary as JSON, whole or not at all.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        write_atomically(path, text.as_bytes())
    }

    /// Reads what [`Summary::save`] wrote.
    ///
    /// # Errors
    /// Any error of the file system, and of a file that is no summary.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_str(&read_text(path)?)?)
    }
}

impl fmt::Display for Summary {
    /// The scores, beside the published ones, and what they rest on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let published = self.published.as_deref().unwrap_or_default();
        let runs = if self.seeds.len() > 1 { format!("{} seeds", self.seeds.len()) } else { String::new() };
        let mut table = match published {
            "" => TextTable::new([self.split.as_str(), &runs]),
            name => TextTable::new([self.split.as_str(), &runs, &format!("published {name}")]),
        };
        // Shares of one have more decimals than percent and ranks.
        let number = |value: f64| if value.abs() <= 1.0 { format!("{value:.3}") } else { format!("{value:.2}") };
        for (name, score) in &self.scores {
            let deviation = score.deviation.map(|deviation| format!(" ± {}", number(deviation))).unwrap_or_default();
            let mut row = vec![name.clone(), number(score.mean) + &deviation];
            if !published.is_empty() {
                let deviation = score.published_deviation.map(|deviation| format!(" ± {}", number(deviation)));
                row.push(score.published.map(number).unwrap_or_default() + &deviation.unwrap_or_default());
            }
            table.row(row);
        }
        writeln!(f, "{table}")?;
        for (name, fact) in &self.facts {
            writeln!(f, "{name}: {}", if name.ends_with("sha256") { fact.get(..12).unwrap_or(fact) } else { fact })?;
        }
        let seeds: Vec<String> = self.seeds.iter().filter_map(|run| Some(run.seed?.to_string())).collect();
        let seeds = if seeds.is_empty() { String::new() } else { format!("seeds {}; ", seeds.join(", ")) };
        write!(f, "{seeds}{} ({}), coembed {}", self.device, self.cpu, self.version)
    }
}
