use std::path::{Path, PathBuf};

use ron::extensions::Extensions;
use serde::Deserialize;

use super::{Options, OptionsError, Overrides};

/// Published scores of one direction: percent, mean over three seeds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedScores {
    /// R@1.
    pub r1: f64,
    /// R@5.
    pub r5: f64,
    /// R@10.
    pub r10: f64,
    /// R@50.
    pub r50: f64,
    /// Median rank.
    pub median: f64,
    /// Mean rank.
    #[serde(default)]
    pub mean: Option<f64>,
    /// Geometric mean of R@1, R@5 and R@10.
    #[serde(default)]
    pub geometric_mean: Option<f64>,
}

/// One row: a name, and what differs from the row that it is based on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRow {
    /// Name of the published configuration.
    pub name: String,
    /// The row, further up or included, that this one differs from; the default options without it.
    #[serde(default)]
    pub base: Option<String>,
    /// What differs.
    #[serde(default)]
    pub options: Overrides,
    /// Published number of parameters.
    #[serde(default)]
    pub params: Option<usize>,
    /// Published scores, videos for a text.
    #[serde(default)]
    pub t2v: Option<PublishedScores>,
    /// Published scores, texts for a video.
    #[serde(default)]
    pub v2t: Option<PublishedScores>,
}

/// The rows of a paper: each says what differs from a row before it. In RON, where `Some` may be left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Tables with further rows to base on, relative to the folder of this one.
    #[serde(default)]
    pub include: Vec<PathBuf>,
    /// The rows.
    pub rows: Vec<TableRow>,
    #[serde(skip)]
    included: Vec<TableRow>,
}

/// A table that cannot be read, or a row that it does not have.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a table, or not valid.
    #[error("{}: {error}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: Box<ron::error::SpannedError>,
    },
    /// Files include each other.
    #[error("{}: includes itself", path.display())]
    Cycle {
        /// The file.
        path: PathBuf,
    },
    /// Two rows of one name.
    #[error("row {name:?} stands twice in the table and what it includes")]
    Twice {
        /// The name.
        name: String,
    },
    /// There is no such row.
    #[error("there is no row {name:?}")]
    NoRow {
        /// The name.
        name: String,
    },
    /// A row is based on none that stands before it.
    #[error("row {name:?}: base: there is no row {base:?} before it")]
    NoBase {
        /// The row.
        name: String,
        /// What it is based on.
        base: String,
    },
    /// The options of a row contradict each other.
    #[error("row {name:?}: {source}")]
    Options {
        /// The row.
        name: String,
        /// Why.
        source: OptionsError,
    },
}

impl Table {
    /// Reads a table and those that it includes.
    ///
    /// # Errors
    /// [`TableError`]: a file that cannot be read or is not valid, tables that include each other, two rows of one name.
    pub fn read(path: &Path) -> Result<Self, TableError> {
        let table = Self::read_within(path, &mut vec![])?;
        let mut names = std::collections::BTreeSet::new();
        for row in table.included.iter().chain(&table.rows) {
            if !names.insert(&row.name) {
                return Err(TableError::Twice { name: row.name.clone() });
            }
        }
        Ok(table)
    }

    fn read_within(path: &Path, open: &mut Vec<PathBuf>) -> Result<Self, TableError> {
        let io = |source| TableError::Io { path: path.into(), source };
        let file = path.canonicalize().map_err(io)?;
        if open.contains(&file) {
            return Err(TableError::Cycle { path: path.into() });
        }
        let text = std::fs::read_to_string(path).map_err(io)?;
        let syntax = |error| TableError::Syntax { path: path.into(), error: Box::new(error) };
        let format = ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME);
        let mut table: Self = format.from_str(&text).map_err(syntax)?;
        open.push(file);
        for include in &table.include {
            let inner = Self::read_within(&path.parent().unwrap_or(Path::new("")).join(include), open)?;
            table.included.extend(inner.included.into_iter().chain(inner.rows));
        }
        open.pop();
        Ok(table)
    }

    /// The options of a row, checked.
    ///
    /// # Errors
    /// [`TableError`]: there is no such row, a row is based on none before it, options contradict each other.
    pub fn options(&self, name: &str) -> Result<Options, TableError> {
        let rows: Vec<&TableRow> = self.included.iter().chain(&self.rows).collect();
        let place = |name: &str| rows.iter().position(|row| row.name == name);
        let mut at = place(name).ok_or_else(|| TableError::NoRow { name: name.into() })?;
        let mut chain = vec![rows[at]];
        while let Some(base) = &rows[at].base {
            let none = || TableError::NoBase { name: rows[at].name.clone(), base: base.clone() };
            at = place(base).filter(|place| *place < at).ok_or_else(none)?;
            chain.push(rows[at]);
        }
        let mut options = Options::default();
        chain.iter().rev().for_each(|row| row.options.apply(&mut options));
        options.check().map_err(|source| TableError::Options { name: name.into(), source })?;
        Ok(options)
    }
}
