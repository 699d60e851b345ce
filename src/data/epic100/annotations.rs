//! Annotation files of EPIC-Kitchens-100 multi-instance retrieval (Damen et al., *Rescaling Egocentric Vision*, IJCV 2022).
//!
//! The published CSV files, or the same tables as pickled data frames: one row per video segment with its verb class, first
//! noun class and list of all noun classes, and in a second file one row per caption. A caption has the classes of the
//! segment of its `narration_id`, never of one with its text: the text of some published captions is another segment's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::data::relational::Relations;
use crate::data::relational::sampling::{ClassKey, ClassTable};
use crate::formats::limits::{self, Limits};
use crate::formats::pickle::{self, PickleError, Value};
use crate::relevance::{ClassError, Classes, Level};

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

/// One annotated video segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Its name.
    pub narration_id: String,
    /// Its caption.
    pub narration: String,
    /// Verb class.
    pub verb: i64,
    /// Class of the first noun.
    pub noun: i64,
    /// Classes of all nouns in the order of the file, with repetitions.
    pub nouns: Vec<i64>,
}

impl Annotation {
    /// Its verb and all its nouns.
    pub fn classes(&self) -> Classes {
        Classes { verbs: [self.verb].into_iter().collect(), nouns: self.nouns.iter().copied().collect() }
    }

    /// Its action class, of verb and first noun: `"3_14"`.
    pub fn action(&self) -> String {
        format!("{}_{}", self.verb, self.noun)
    }
}

/// The segments of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotations {
    path: PathBuf,
    /// One per video, in the order of the file.
    pub rows: Vec<Annotation>,
}

impl Annotations {
    /// Reads `EPIC_100_retrieval_{train,test}.csv`, or a data frame of that content in a `.pkl` file.
    ///
    /// # Errors
    /// [`AnnotationError`], naming file, line and column.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self> {
        Self::from_bytes(path, &read_file(path, limits)?, limits)
    }

    pub(crate) fn from_bytes(path: &Path, bytes: &[u8], limits: &Limits) -> Result<Self> {
        let names = ["narration_id", "narration", "verb_class", "noun_class", "all_noun_classes"];
        let table = Table::read(path, bytes, names, limits)?;
        table.unique(0)?;
        let rows = (0..table.rows.len()).map(|row| {
            Ok(Annotation {
                narration_id: table.cell(row, 0, Cell::text)?,
                narration: table.cell(row, 1, Cell::text)?,
                verb: table.cell(row, 2, Cell::integer)?,
                noun: table.cell(row, 3, Cell::integer)?,
                nouns: table.cell(row, 4, Cell::integers)?,
            })
        });
        Ok(Self { path: path.into(), rows: rows.collect::<Result<_>>()? })
    }

    /// Reads `EPIC_100_retrieval_{train,test}_sentence.csv`, or a data frame of that content: for every caption the row of
    /// the segment of its `narration_id`.
    ///
    /// # Errors
    /// [`AnnotationError`], naming file, line and column.
    pub fn open_captions(&self, path: &Path, limits: &Limits) -> Result<Vec<usize>> {
        self.captions_from_bytes(path, &read_file(path, limits)?, limits)
    }

    pub(crate) fn captions_from_bytes(&self, path: &Path, bytes: &[u8], limits: &Limits) -> Result<Vec<usize>> {
        let table = Table::read(path, bytes, ["narration_id"], limits)?;
        let ids = table.unique(0)?;
        let row_of: HashMap<&str, usize> =
            self.rows.iter().enumerate().map(|(row, annotation)| (annotation.narration_id.as_str(), row)).collect();
        let find = |(row, id): (usize, String)| {
            let known = row_of.get(id.as_str()).copied();
            let unknown = CellProblem::UnknownId { id, annotations: self.path.clone() };
            known.ok_or_else(|| table.wrong(row, 0, unknown))
        };
        ids.into_iter().enumerate().map(find).collect()
    }

    /// Verb and all nouns of every video.
    pub fn classes(&self) -> Vec<Classes> {
        self.rows.iter().map(Annotation::classes).collect()
    }

    /// What the published script makes of the annotations of videos and captions. `captions` are rows of segments; see
    /// [`dictionary`](crate::data::relational::dictionary) for the two options.
    pub fn relations(&self, captions: &[usize], level: Level, all_nouns: bool, first_noun_only: bool) -> Relations {
        let keys = |row: &Annotation| match level {
            Level::Verb => vec![ClassKey::Id(row.verb)],
            Level::Noun if all_nouns => row.nouns.iter().map(|noun| ClassKey::Id(*noun)).collect(),
            Level::Noun => vec![ClassKey::Id(row.noun)],
            Level::Caption => vec![ClassKey::Action(row.action())],
        };
        let margin = |row: &Annotation| {
            let first = || [row.noun].into_iter().collect();
            let Classes { verbs, nouns } = row.classes();
            match level {
                Level::Verb => Classes { verbs, ..Classes::default() },
                Level::Noun => Classes { nouns: if all_nouns { nouns } else { first() }, ..Classes::default() },
                Level::Caption => Classes { verbs, nouns: if all_nouns && !first_noun_only { nouns } else { first() } },
            }
        };
        let caption_rows = || captions.iter().filter_map(|row| self.rows.get(*row));
        Relations {
            video: ClassTable::from_items(self.rows.iter().map(keys).collect()),
            text: ClassTable::from_items(caption_rows().map(keys).collect()),
            video_classes: self.rows.iter().map(margin).collect(),
            text_classes: caption_rows().map(margin).collect(),
        }
    }
}

/// The `narration_id`s of a CSV file or a pickled data frame, in order.
///
/// # Errors
/// [`AnnotationError`], naming file, line and column.
pub fn narration_ids(path: &Path, limits: &Limits) -> Result<Vec<String>> {
    ids_from_bytes(path, &read_file(path, limits)?, limits)
}

pub(crate) fn ids_from_bytes(path: &Path, bytes: &[u8], limits: &Limits) -> Result<Vec<String>> {
    Table::read(path, bytes, ["narration_id"], limits)?.unique(0)
}

fn read_file(path: &Path, limits: &Limits) -> Result<Vec<u8>> {
    let failed = |problem| AnnotationError::Io { path: path.into(), problem };
    limits::read_file(path, limits).map_err(failed)?.map_err(|limit| failed(std::io::Error::other(limit)))
}

enum Cell {
    Text(String),
    Value(Value),
}

impl Cell {
    fn text(&self) -> std::result::Result<String, CellProblem> {
        match self {
            Cell::Text(text) => Ok(text.clone()),
            Cell::Value(Value::Str(text)) => Ok(text.to_string()),
            Cell::Value(other) => Err(CellProblem::Type { expected: "text", found: other.type_name().into() }),
        }
    }

    fn integer(&self) -> std::result::Result<i64, CellProblem> {
        let wrong = |found: String| CellProblem::Type { expected: "an integer", found };
        match self {
            Cell::Text(text) => text.trim().parse().map_err(|_| wrong(format!("{text:?}"))),
            Cell::Value(value) => value.as_i64().map_err(|error| wrong(error.found)),
        }
    }

    /// A list of integers, or its text: `"[2, 14]"`.
    fn integers(&self) -> std::result::Result<Vec<i64>, CellProblem> {
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
struct Table<const N: usize> {
    path: PathBuf,
    names: [&'static str; N],
    /// `line` or `row`.
    unit: &'static str,
    rows: Vec<(u64, [Cell; N])>,
}

impl<const N: usize> Table<N> {
    fn read(path: &Path, bytes: &[u8], names: [&'static str; N], limits: &Limits) -> Result<Self> {
        let pickled = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pkl"));
        let (unit, rows) = if pickled {
            ("row", Self::from_frame(path, bytes, names, limits)?)
        } else {
            ("line", Self::from_csv(path, bytes, names)?)
        };
        Ok(Self { path: path.into(), names, unit, rows })
    }

    fn from_csv(path: &Path, bytes: &[u8], names: [&'static str; N]) -> Result<Vec<(u64, [Cell; N])>> {
        let failed = |problem| AnnotationError::Csv { path: path.into(), problem };
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
        let value = pickle::Options::inert(limits).from_slice(bytes).map_err(failed)?;
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

    fn cell<T>(
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

    fn wrong(&self, row: usize, column: usize, problem: CellProblem) -> AnnotationError {
        AnnotationError::Cell { path: self.path.clone(), place: self.place(row), column: self.names[column], problem }
    }

    /// The texts of a column of ids, each of which must be its own.
    fn unique(&self, column: usize) -> Result<Vec<String>> {
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
