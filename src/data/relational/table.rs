//! Columns of a table: a CSV file, or a pickled data frame.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
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
    /// It is an empty list where the first item is asked for.
    #[error("the list is empty, and {what}")]
    EmptyList {
        /// What asks for an item.
        what: &'static str,
    },
    /// Its word is in no cell of the column that words are numbered by.
    #[error("{word:?} is in no cell of the column \"noun\", whose words are numbered")]
    NotNumbered {
        /// The word.
        word: String,
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

type CellResult<T> = std::result::Result<T, CellProblem>;

impl Cell {
    /// A text.
    pub fn text(&self) -> CellResult<String> {
        match self {
            Cell::Text(text) => Ok(text.clone()),
            Cell::Value(Value::Str(text)) => Ok(text.to_string()),
            Cell::Value(other) => Err(CellProblem::Type { expected: "text", found: other.type_name().into() }),
        }
    }

    /// A text that is there: a CSV file has nothing where a value is missing.
    pub fn given_text(&self) -> CellResult<String> {
        match self {
            Cell::Text(text) if text.is_empty() => Err(CellProblem::Type { expected: "text", found: "nothing".into() }),
            cell => cell.text(),
        }
    }

    /// An integer, or its text.
    pub fn integer(&self) -> CellResult<i64> {
        let wrong = |found: String| CellProblem::Type { expected: "an integer", found };
        match self {
            Cell::Text(text) => text.trim().parse().map_err(|_| wrong(format!("{text:?}"))),
            Cell::Value(value) => value.as_i64().map_err(|error| wrong(error.found)),
        }
    }

    /// A list of integers, or its text: `"[2, 14]"`.
    pub fn integers(&self) -> CellResult<Vec<i64>> {
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

    /// As [`Self::integers`], and of one-dimensional arrays; sets in ascending order.
    pub fn any_integers(&self) -> CellResult<Vec<i64>> {
        let wrong = |found: String| CellProblem::Type { expected: "a list of integers", found };
        match self {
            Cell::Value(Value::Array(array)) if array.shape().len() == 1 => {
                array.to_i64_vec().map_err(|_| wrong(format!("an array of {}", array.dtype())))
            }
            Cell::Value(Value::Set(items)) => {
                let items = items.iter().map(|item| item.as_i64().map_err(|error| wrong(error.found)));
                let mut items: Vec<i64> = items.collect::<CellResult<_>>()?;
                items.sort_unstable();
                Ok(items)
            }
            cell => cell.integers(),
        }
    }

    /// A list of texts, or that list as Python writes it: `"['pan', 'lid']"`. Tuples and one-dimensional arrays count as lists; sets are sorted.
    pub fn texts(&self) -> CellResult<Vec<String>> {
        let wrong = |found: String| CellProblem::Type { expected: "a list of texts", found };
        let items = |items: &[Value]| {
            let item = |item: &Value| item.as_str().map(str::to_owned).map_err(|error| wrong(error.found));
            items.iter().map(item).collect::<CellResult<Vec<_>>>()
        };
        match self {
            Cell::Text(text) => literal(text).ok_or_else(|| wrong(format!("{text:?}"))),
            Cell::Value(Value::Str(text)) => literal(text).ok_or_else(|| wrong(format!("{text:?}"))),
            Cell::Value(Value::List(list) | Value::Tuple(list)) => items(list),
            Cell::Value(Value::Set(set)) => {
                let mut items = items(set)?;
                items.sort_unstable();
                Ok(items)
            }
            Cell::Value(Value::Array(array)) if array.shape().len() == 1 => {
                array.to_strings().map_err(|_| wrong(format!("an array of {}", array.dtype())))
            }
            Cell::Value(other) => Err(wrong(other.type_name().into())),
        }
    }

    /// Whether it is a set, whose items have no order.
    pub fn is_set(&self) -> bool {
        matches!(self, Cell::Value(Value::Set(_)))
    }
}

/// The texts in a Python list of them.
fn literal(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut items = vec![];
    while !rest.is_empty() {
        let (item, behind) = quoted(rest)?;
        items.push(item);
        rest = behind.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(rest) => rest.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    Some(items)
}

/// A Python text in quotation marks, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut chars = text.chars();
    let mark = chars.next().filter(|mark| matches!(mark, '\'' | '"'))?;
    let mut item = String::new();
    loop {
        match chars.next()? {
            end if end == mark => return Some((item, chars.as_str())),
            '\\' => item.push(match chars.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'x' => code(&mut chars, 2)?,
                'u' => code(&mut chars, 4)?,
                'U' => code(&mut chars, 8)?,
                plain @ ('\\' | '\'' | '"') => plain,
                _ => return None,
            }),
            plain => item.push(plain),
        }
    }
}

/// The character of a number of so many hexadecimal digits.
fn code(chars: &mut std::str::Chars, digits: usize) -> Option<char> {
    let number = (0..digits).try_fold(0_u32, |number, _| Some(number << 4 | chars.next()?.to_digit(16)?))?;
    char::from_u32(number)
}

/// Where a row stands: `line 3` of a CSV file, `row 1` of a data frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    unit: &'static str,
    number: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.unit, self.number)
    }
}

/// Those columns of a file that are asked for and there.
pub struct Table {
    path: PathBuf,
    places: Vec<Place>,
    /// Names of all columns.
    found: Vec<String>,
    columns: Vec<(&'static str, Vec<Cell>)>,
    /// Labels of the rows of a data frame.
    index: Option<Vec<Cell>>,
}

/// A column of a table.
#[derive(Clone, Copy)]
pub struct Column<'t> {
    table: &'t Table,
    name: &'static str,
    cells: &'t [Cell],
}

impl Table {
    /// Reads the columns of these names, as far as they are there; the extension says what kind of file it is.
    pub fn read(path: &Path, bytes: &[u8], names: &[&'static str], limits: &Limits) -> Result<Self> {
        let pickled = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pkl"));
        if pickled { Self::from_frame(path, bytes, names, limits) } else { Self::from_csv(path, bytes, names, limits) }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.places.len()
    }

    fn from_csv(path: &Path, bytes: &[u8], names: &[&'static str], limits: &Limits) -> Result<Self> {
        let failed = |problem| AnnotationError::Csv { path: path.into(), problem };
        let too_much = |limit| AnnotationError::Io { path: path.into(), problem: std::io::Error::other(limit) };
        let mut budget = Budget::new(limits, bytes.len());
        let mut reader = csv::Reader::from_reader(bytes);
        let header = reader.headers().map_err(failed)?.clone();
        let position = |name: &&'static str| Some((*name, header.iter().position(|found| found == *name)?));
        let positions: Vec<_> = names.iter().filter_map(position).collect();
        let mut columns: Vec<_> = positions.iter().map(|(name, _)| (*name, vec![])).collect();
        let mut places = vec![];
        for record in reader.records() {
            let record = record.map_err(failed)?;
            budget.nodes(1 + positions.len()).map_err(too_much)?;
            places.push(Place { unit: "line", number: record.position().map_or(0, csv::Position::line) });
            for ((_, at), (_, cells)) in positions.iter().zip(&mut columns) {
                cells.push(Cell::Text(record.get(*at).unwrap_or_default().to_owned()));
            }
        }
        let found = header.iter().map(str::to_owned).collect();
        Ok(Self { path: path.into(), places, found, columns, index: None })
    }

    fn from_frame(path: &Path, bytes: &[u8], names: &[&'static str], limits: &Limits) -> Result<Self> {
        let failed = |problem| AnnotationError::Pickle { path: path.into(), problem };
        // Objects in columns that nobody asks for may be of any class.
        let value = pickle::PickleOptions::inert(limits).from_slice(bytes).map_err(failed)?;
        let frame = value.as_data_frame().map_err(|error| failed(error.into()))?;
        let cells = |values: &[Value]| {
            let cell = |row| Cell::Value(values.get(row).cloned().unwrap_or(Value::None));
            (0..frame.rows()).map(cell).collect::<Vec<_>>()
        };
        let column = |name: &&'static str| Some((*name, cells(frame.column(name)?)));
        let name = |(label, _): &(Value, _)| match label {
            Value::Str(name) => name.to_string(),
            other => other.type_name().into(),
        };
        Ok(Self {
            path: path.into(),
            places: (0..frame.rows()).map(|row| Place { unit: "row", number: row as u64 }).collect(),
            found: frame.columns.iter().map(name).collect(),
            columns: names.iter().filter_map(column).collect(),
            index: Some(cells(&frame.index.labels)),
        })
    }

    /// A column that was asked for, if it is there.
    pub fn find(&self, name: &str) -> Option<Column<'_>> {
        let (name, cells) = self.columns.iter().find(|(known, _)| *known == name)?;
        Some(Column { table: self, name, cells })
    }

    /// A column that was asked for.
    pub fn column(&self, name: &'static str) -> Result<Column<'_>> {
        let missing = || AnnotationError::Column { path: self.path.clone(), column: name, found: self.found.clone() };
        self.find(name).ok_or_else(missing)
    }

    /// The labels of the rows of a data frame, under the name of the column that they stand for.
    pub fn index(&self, name: &'static str) -> Option<Column<'_>> {
        Some(Column { table: self, name, cells: self.index.as_deref()? })
    }

    /// The column `narration_id`, which the index of a data frame stands for.
    pub fn narration_ids(&self) -> Result<Column<'_>> {
        const NAME: &str = "narration_id";
        self.find(NAME).or_else(|| self.index(NAME)).map_or_else(|| self.column(NAME), Ok)
    }

    /// Where a row stands.
    pub fn place(&self, row: usize) -> Place {
        self.places[row]
    }
}

impl<'t> Column<'t> {
    /// Its cells.
    pub fn cells(&self) -> &'t [Cell] {
        self.cells
    }

    /// A cell, counted from 0, as `read` reads it.
    pub fn cell<T>(&self, row: usize, read: impl Fn(&Cell) -> CellResult<T>) -> Result<T> {
        read(&self.cells[row]).map_err(|problem| self.wrong(row, problem))
    }

    /// The error of a cell.
    pub fn wrong(&self, row: usize, problem: CellProblem) -> AnnotationError {
        wrong(&self.table.path, self.table.place(row), self.name, problem)
    }

    /// Its ids, each of which must be its own.
    pub fn unique<T: Eq + Hash + Clone + fmt::Display>(&self, read: impl Fn(&Cell) -> CellResult<T>) -> Result<Vec<T>> {
        let ids = (0..self.cells.len()).map(|row| self.cell(row, &read)).collect::<Result<Vec<_>>>()?;
        let mut first = HashMap::new();
        for (row, id) in ids.iter().enumerate() {
            if let Some(before) = first.insert(id, row) {
                let first = self.table.place(before).to_string();
                return Err(self.wrong(row, CellProblem::Duplicate { id: id.to_string(), first }));
            }
        }
        Ok(ids)
    }
}

/// The error of a cell.
pub fn wrong(path: &Path, place: Place, column: &'static str, problem: CellProblem) -> AnnotationError {
    AnnotationError::Cell { path: path.into(), place: place.to_string(), column, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_texts_are_read_as_python_writes_them() {
        let read = |text: &str| Cell::Text(text.into()).texts();
        assert_eq!(read("[]").unwrap(), Vec::<String>::new());
        let items = r#" ['bowl:salad', "don't" , 'a\'b\\', 'cr\xeape', '\u00e9\U0001f600\t', 'x',] "#;
        assert_eq!(read(items).unwrap(), ["bowl:salad", "don't", "a'b\\", "crêpe", "é\u{1f600}\t", "x"]);
        let refused = [
            "",
            "pan",
            "['pan'",
            "pan']",
            "[pan]",
            "['pan' 'lid']",
            "['pan\"]",
            "[,]",
            r"['\q']",
            r"['\ud800']",
            r"['\Uffffffff']",
            "[1]",
        ];
        for text in refused {
            assert_eq!(read(text).unwrap_err().to_string(), format!("a list of texts expected, found {text:?}"));
        }
    }
}
