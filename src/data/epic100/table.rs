//! Some columns of a table: a CSV file, or a pickled data frame.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::formats::limits::{Budget, Limits};
use crate::formats::pickle::{self, PickleError, Value};
use crate::relevance::ClassError;

/// Why an annotation file was refused.
#[derive(Debug, thiserror::Error)]
pub enum AnnotationError {
    /// The file cannot be read.
    #[error("{}: {problem}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: std::io::Error,
    },
    /// It is no CSV file, or not of equal rows.
    #[error("{}: {problem}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Why, with the line.
        problem: csv::Error,
    },
    /// It is no pickled data frame.
    #[error("{}: {problem}", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: PickleError,
    },
    /// A column is missing.
    #[error("{}: column {column:?} expected, found {found:?}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// The columns there are.
        found: Vec<String>,
    },
    /// A cell cannot be used.
    #[error("{}: {place}, column {column:?}: {problem}", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// `line 3` of a CSV file, `row 1` of a data frame.
        place: String,
        /// The column.
        column: &'static str,
        /// What is wrong.
        problem: CellProblem,
    },
}

/// What is wrong with a cell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CellProblem {
    /// It is of another type.
    #[error("{expected} expected, found {found}")]
    Type {
        /// What was expected.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// It is no list of classes.
    #[error(transparent)]
    List(#[from] ClassError),
    /// Its id occurs above.
    #[error("{id:?} occurs before, at {first}")]
    Duplicate {
        /// The id.
        id: String,
        /// Where it occurs first.
        first: String,
    },
    /// Its id is not in the file of segments.
    #[error("{id:?} is not in {}", annotations.display())]
    UnknownId {
        /// The id.
        id: String,
        /// The file of segments.
        annotations: PathBuf,
    },
}

type Result<T> = std::result::Result<T, AnnotationError>;

/// What stands in a row and column: text, or a value of a data frame.
pub enum Cell {
    /// Of a CSV file.
    Text(String),
    /// Of a data frame.
    Value(Value),
}

impl Cell {
    /// A text.
    pub fn text(&self) -> std::result::Result<String, CellProblem> {
        match self {
            Cell::Text(text) => Ok(text.clone()),
            Cell::Value(Value::Str(text)) => Ok(text.to_string()),
            Cell::Value(other) => Err(CellProblem::Type { expected: "text", found: other.type_name().into() }),
        }
    }

    /// An integer, or its text.
    pub fn integer(&self) -> std::result::Result<i64, CellProblem> {
        let wrong = |found: String| CellProblem::Type { expected: "an integer", found };
        match self {
            Cell::Text(text) => text.trim().parse().map_err(|_| wrong(format!("{text:?}"))),
            Cell::Value(value) => value.as_i64().map_err(|error| wrong(error.found)),
        }
    }

    /// A list of integers, or its text: `"[2, 14]"`.
    pub fn integers(&self) -> std::result::Result<Vec<i64>, CellProblem> {
        let text = match self {
            Cell::Text(text) => text.as_str(),
            Cell::Value(Value::Str(text)) => text,
            Cell::Value(value) => {
                let wrong = |found: String| CellProblem::Type { expected: "a list of integers", found };
                let items = value.as_list().map_err(|error| wrong(error.found))?;
                return items.iter().map(|item| item.as_i64().map_err(|error| wrong(error.found))).collect();
            }
        };
        let inner = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let inner = inner.ok_or_else(|| ClassError::NotAList { text: text.into() })?;
        if inner.trim().is_empty() {
            return Ok(vec![]);
        }
        let integer = |part: &str| {
            let wrong = |_| ClassError::NotAnInteger { text: text.into(), part: part.into() };
            Ok(part.trim().parse().map_err(wrong)?)
        };
        inner.split(',').map(integer).collect()
    }
}

/// Some columns of a file.
pub struct CsvTable<const N: usize> {
    path: PathBuf,
    names: [&'static str; N],
    /// `line` or `row`.
    unit: &'static str,
    rows: Vec<(u64, [Cell; N])>,
}

impl<const N: usize> CsvTable<N> {
    /// Reads the columns of these names; the extension says what kind of file it is.
    pub fn read(path: &Path, bytes: &[u8], names: [&'static str; N], limits: &Limits) -> Result<Self> {
        let pickled = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pkl"));
        let (unit, rows) = if pickled {
            ("row", Self::from_frame(path, bytes, names, limits)?)
        } else {
            ("line", Self::from_csv(path, bytes, names, limits)?)
        };
        Ok(Self { path: path.into(), names, unit, rows })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    fn from_csv(path: &Path, bytes: &[u8], names: [&'static str; N], limits: &Limits) -> Result<Vec<(u64, [Cell; N])>> {
        let failed = |problem| AnnotationError::Csv { path: path.into(), problem };
        let too_much = |limit| AnnotationError::Io { path: path.into(), problem: std::io::Error::other(limit) };
        let mut budget = Budget::new(limits, bytes.len());
        let mut reader = csv::Reader::from_reader(bytes);
        let header = reader.headers().map_err(failed)?.clone();
        let found = || header.iter().map(str::to_owned).collect();
        let mut positions = [0; N];
        for (position, column) in positions.iter_mut().zip(names) {
            let missing = || AnnotationError::Column { path: path.into(), column, found: found() };
            *position = header.iter().position(|name| name == column).ok_or_else(missing)?;
        }
        let row = |record: csv::Result<csv::StringRecord>| {
            let record = record.map_err(failed)?;
            budget.nodes(1 + N).map_err(too_much)?;
            let line = record.position().map_or(0, csv::Position::line);
            Ok((line, positions.map(|at| Cell::Text(record.get(at).unwrap_or_default().to_owned()))))
        };
        reader.records().map(row).collect()
    }

    /// The index stands for a column `narration_id` that the frame does not have.
    fn from_frame(
        path: &Path,
        bytes: &[u8],
        names: [&'static str; N],
        limits: &Limits,
    ) -> Result<Vec<(u64, [Cell; N])>> {
        let failed = |problem| AnnotationError::Pickle { path: path.into(), problem };
        // Objects in columns that nobody asks for may be of any class.
        let value = pickle::PickleOptions::inert(limits).from_slice(bytes).map_err(failed)?;
        let frame = value.as_data_frame().map_err(|error| failed(error.into()))?;
        let mut columns = vec![];
        for column in names {
            let values = match frame.column(column) {
                None if column == "narration_id" => Some(frame.index.labels.as_slice()),
                values => values,
            };
            let found = || {
                let name = |(label, _): &(Value, _)| match label {
                    Value::Str(name) => name.to_string(),
                    other => other.type_name().into(),
                };
                frame.columns.iter().map(name).collect()
            };
            columns.push(values.ok_or_else(|| AnnotationError::Column {
                path: path.into(),
                column,
                found: found(),
            })?);
        }
        let cell = |column: usize, row: usize| Cell::Value(columns[column].get(row).cloned().unwrap_or(Value::None));
        Ok((0..frame.rows()).map(|row| (row as u64, std::array::from_fn(|column| cell(column, row)))).collect())
    }

    /// A cell, counted from 0, as `read` reads it.
    pub fn cell<T>(
        &self,
        row: usize,
        column: usize,
        read: impl Fn(&Cell) -> std::result::Result<T, CellProblem>,
    ) -> Result<T> {
        read(&self.rows[row].1[column]).map_err(|problem| self.wrong(row, column, problem))
    }

    fn place(&self, row: usize) -> String {
        format!("{} {}", self.unit, self.rows[row].0)
    }

    /// The error of a cell.
    pub fn wrong(&self, row: usize, column: usize, problem: CellProblem) -> AnnotationError {
        AnnotationError::Cell { path: self.path.clone(), place: self.place(row), column: self.names[column], problem }
    }

    /// The texts of a column of ids, each of which must be its own.
    pub fn unique(&self, column: usize) -> Result<Vec<String>> {
        let ids = (0..self.rows.len()).map(|row| self.cell(row, column, Cell::text)).collect::<Result<Vec<_>>>()?;
        let mut first = HashMap::new();
        for (row, id) in ids.iter().enumerate() {
            if let Some(before) = first.insert(id.as_str(), row) {
                let problem = CellProblem::Duplicate { id: id.clone(), first: self.place(before) };
                return Err(self.wrong(row, column, problem));
            }
        }
        Ok(ids)
    }
}
