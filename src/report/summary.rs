use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::digest;
use crate::data::relational::EvalSplit;
use crate::files::write_atomically;

/// What a reported number rests on, written beside it: two numbers can be compared when these agree.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Version of this crate.
    pub version: String,
    /// Device of the run.
    pub device: String,
    /// Data set and split evaluated on.
    pub split: String,
    /// SHA-256 of the features evaluated on, as embedded.
    pub features_sha256: String,
    /// SHA-256 of the relevance evaluated against.
    pub relevance_sha256: String,
    /// SHA-256 of every file read.
    pub files_sha256: BTreeMap<String, String>,
    /// How tied scores were ranked.
    pub tie_policy: String,
    /// Anchors per optimizer step.
    pub effective_batch: usize,
    /// Seed.
    pub seed: u64,
    /// Configuration, as RON.
    pub config: String,
    /// Scores in [0, 1]; recalls in percent.
    pub scores: BTreeMap<String, f64>,
}

impl fmt::Display for Summary {
    /// What the numbers rest on, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (features, relevance) = (Self::short(&self.features_sha256), Self::short(&self.relevance_sha256));
        let Self { tie_policy, seed, device, version, .. } = self;
        writeln!(
            f,
            "features {features}, relevance {relevance}, ties {tie_policy}; seed {seed}, {device}, coembed {version}"
        )
    }
}

impl Summary {
    /// Digests of a split: what was embedded and what it was compared with.
    pub fn of_split(name: &str, split: &EvalSplit) -> Self {
        let mut features = Sha256::new();
        let matrices =
            [&split.features.video, &split.features.text.verb, &split.features.text.noun, &split.features.text.caption];
        for matrix in matrices {
            features.update((matrix.rows() as u64).to_le_bytes());
            features.update((matrix.cols() as u64).to_le_bytes());
            matrix.as_slice().iter().for_each(|v| features.update(v.to_le_bytes()));
        }
        let mut relevance = Sha256::new();
        for level in [&split.relevance.verb, &split.relevance.noun, &split.relevance.caption] {
            for row in 0..level.rows() {
                let (columns, values) = level.row(row);
                relevance.update((columns.len() as u64).to_le_bytes());
                columns.iter().for_each(|c| relevance.update(c.to_le_bytes()));
                values.iter().for_each(|v| relevance.update(v.to_le_bytes()));
            }
        }
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            split: name.into(),
            features_sha256: digest::hex(&features.finalize()),
            relevance_sha256: digest::hex(&relevance.finalize()),
            tie_policy: "as published: nDCG by descending index, mAP by ascending index".into(),
            ..Self::default()
        }
    }

    /// Digest shortened for a line on the terminal.
    fn short(digest: &str) -> &str {
        digest.get(..12).unwrap_or(digest)
    }

    /// Writes the summary as JSON, whole or not at all.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        write_atomically(path, text.as_bytes())
    }
}
