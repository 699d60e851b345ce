use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::{Changes, Checked, ConfigError, Options, OptionsError, nearest, parse};
use crate::files::read_text;

/// The deepest inclusion.
const GENERATIONS: usize = 64;

/// One row: a name, and what differs from the row that it is based on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, bound = "O: Options")]
pub struct Row<O: Options> {
    /// Name of the published configuration.
    pub name: String,
    /// The row, further up or included, that this one differs from; the default options without it.
    #[serde(default)]
    pub base: Option<String>,
    /// What differs.
    #[serde(default)]
    pub options: O::Changes,
    /// Published number of parameters.
    #[serde(default)]
    pub params: Option<usize>,
    /// Published scores, by the names and in the units of ours.
    #[serde(default)]
    pub scores: BTreeMap<String, f64>,
    /// Their published deviations over the seeds.
    #[serde(default)]
    pub deviations: BTreeMap<String, f64>,
}

/// The rows of a paper: each says what differs from a row before it. In RON, where `Some` may be left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, bound = "O: Options")]
pub struct Table<O: Options> {
    /// Tables with further rows to base on, relative to the folder of this one.
    #[serde(default)]
    pub include: Vec<PathBuf>,
    /// The rows.
    pub rows: Vec<Row<O>>,
    #[serde(skip)]
    included: Vec<Row<O>>,
}

/// A table that cannot be read, or a row that it does not have.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A file cannot be read, or is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Files include each other, or too many levels of them.
    #[error("{}: includes itself, or is included over more than {GENERATIONS} levels", path.display())]
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
    #[error("there is no row {name:?}{}", listed(near))]
    NoRow {
        /// The name.
        name: String,
        /// The nearest names.
        near: Vec<String>,
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

fn listed(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; the nearest are {}", near.join(", ")) }
}

/// Where tables come from.
trait Shelf {
    /// The text of a file.
    fn text(&self, path: &Path) -> std::io::Result<String>;

    /// One name for every file.
    fn identity(&self, path: &Path) -> std::io::Result<PathBuf>;
}

struct Disk;

impl Shelf for Disk {
    fn text(&self, path: &Path) -> std::io::Result<String> {
        read_text(path)
    }

    fn identity(&self, path: &Path) -> std::io::Result<PathBuf> {
        path.canonicalize()
    }
}

/// Files that a program brings, by path.
struct Embedded<'a>(&'a [(&'a str, &'a str)]);

impl Shelf for Embedded<'_> {
    fn text(&self, path: &Path) -> std::io::Result<String> {
        let path = self.identity(path)?;
        let found = self.0.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| text.to_string()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }

    fn identity(&self, path: &Path) -> std::io::Result<PathBuf> {
        let mut plain = PathBuf::new();
        for part in path.components() {
            match part {
                Component::ParentDir => _ = plain.pop(),
                part => plain.push(part),
            }
        }
        Ok(plain)
    }
}

impl<O: Options> Default for Table<O> {
    /// Without any row.
    fn default() -> Self {
        Self { include: vec![], rows: vec![], included: vec![] }
    }
}

impl<O: Options> Table<O> {
    /// Reads a table and those that it includes, each once.
    ///
    /// # Errors
    /// [`TableError`]: a file that cannot be read or is not valid, tables that include each other, two rows of one name.
    pub fn read(path: &Path) -> Result<Self, TableError> {
        Self::on(&Disk, path)
    }

    /// Reads the last of some files that a program brings, by path, and those that it includes.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn embedded(files: &[(&str, &str)]) -> Result<Self, TableError> {
        let path = files.last().map_or("", |(path, _)| *path);
        Self::on(&Embedded(files), Path::new(path))
    }

    fn on(shelf: &dyn Shelf, path: &Path) -> Result<Self, TableError> {
        let table = Self::read_within(shelf, path, &mut vec![], &mut BTreeSet::new())?;
        let mut names = BTreeSet::new();
        let twice = table.all().find(|row| !names.insert(&row.name)).map(|row| row.name.clone());
        twice.map_or(Ok(table), |name| Err(TableError::Twice { name }))
    }

    fn read_within(
        shelf: &dyn Shelf,
        path: &Path,
        open: &mut Vec<PathBuf>,
        read: &mut BTreeSet<PathBuf>,
    ) -> Result<Self, TableError> {
        let io = |source| ConfigError::Io { path: path.into(), source };
        let file = shelf.identity(path).map_err(io)?;
        if open.contains(&file) || open.len() >= GENERATIONS {
            return Err(TableError::Cycle { path: path.into() });
        }
        if !read.insert(file.clone()) {
            return Ok(Self::default());
        }
        let mut table: Self = parse(&path.display().to_string(), &shelf.text(path).map_err(io)?)?;
        open.push(file);
        for include in &table.include {
            let include = path.parent().unwrap_or(Path::new("")).join(include);
            let inner = Self::read_within(shelf, &include, open, read)?;
            table.included.extend(inner.included.into_iter().chain(inner.rows));
        }
        open.pop();
        Ok(table)
    }

    /// All rows, those of included tables first.
    fn all(&self) -> impl Iterator<Item = &Row<O>> {
        self.included.iter().chain(&self.rows)
    }

    /// A row, of this table or an included one.
    ///
    /// # Errors
    /// [`TableError::NoRow`].
    pub fn row(&self, name: &str) -> Result<&Row<O>, TableError> {
        self.all().find(|row| row.name == name).ok_or_else(|| {
            let near = nearest(name, self.all().map(|row| row.name.as_str()));
            TableError::NoRow { name: name.into(), near: near.into_iter().map(str::to_string).collect() }
        })
    }

    /// The options of a row, not yet checked.
    ///
    /// # Errors
    /// [`TableError`]: there is no such row, or it is based on none before it.
    pub fn options(&self, name: &str) -> Result<O, TableError> {
        let rows: Vec<&Row<O>> = self.all().collect();
        let place = |name: &str| rows.iter().position(|row| row.name == name);
        let mut chain = vec![self.row(name)?];
        let mut at = place(name).unwrap_or_default();
        while let Some(base) = &rows[at].base {
            let none = || TableError::NoBase { name: rows[at].name.clone(), base: base.clone() };
            at = place(base).filter(|place| *place < at).ok_or_else(none)?;
            chain.push(rows[at]);
        }
        let mut options = O::default();
        chain.iter().rev().for_each(|row| row.options.apply(&mut options));
        Ok(options)
    }

    /// The options of a row, checked.
    ///
    /// # Errors
    /// [`TableError`], as [`Table::options`], or when options contradict each other.
    pub fn checked(&self, name: &str) -> Result<Checked<O>, TableError> {
        self.options(name)?.check().map_err(|source| TableError::Options { name: name.into(), source })
    }

    /// The row whose options are these, where `same` says what must agree.
    pub fn find(&self, same: impl Fn(&O) -> bool) -> Option<&Row<O>> {
        self.rows.iter().find(|row| self.options(&row.name).is_ok_and(|options| same(&options)))
    }
}
