//! Annotation files of EPIC-Kitchens-100 multi-instance retrieval (Damen et al., *Rescaling Egocentric Vision*, IJCV 2022).
//!
//! The published CSV files, or the same tables as pickled data frames: one row per video segment with its verb class, first
//! noun class and list of all noun classes, and in a second file one row per caption. A caption has the classes of the
//! segment of its `narration_id`, never of one with its text: the text of some published captions is another segment's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub use crate::data::relational::table::{AnnotationError, CellProblem};

use crate::data::relational::Relations;
use crate::data::relational::sampling::{ClassKey, ClassTable};
use crate::data::relational::table::{Cell, Table};
use crate::formats::limits::{self, Limits};
use crate::relevance::{Classes, Level};

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
        let table = Table::read(path, bytes, &names, limits)?;
        let narration_ids = table.narration_ids()?;
        let [narration, verb, noun, nouns] = [names[1], names[2], names[3], names[4]].map(|name| table.column(name));
        let (narration, verb, noun, nouns) = (narration?, verb?, noun?, nouns?);
        let ids = narration_ids.unique(Cell::text)?;
        let rows = ids.into_iter().enumerate().map(|(row, narration_id)| {
            Ok(Annotation {
                narration_id,
                narration: narration.cell(row, Cell::text)?,
                verb: verb.cell(row, Cell::integer)?,
                noun: noun.cell(row, Cell::integer)?,
                nouns: nouns.cell(row, Cell::integers)?,
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
        let table = Table::read(path, bytes, &["narration_id"], limits)?;
        let narration_ids = table.narration_ids()?;
        let ids = narration_ids.unique(Cell::text)?;
        let row_of: HashMap<&str, usize> =
            self.rows.iter().enumerate().map(|(row, annotation)| (annotation.narration_id.as_str(), row)).collect();
        let find = |(row, id): (usize, String)| {
            let known = row_of.get(id.as_str()).copied();
            let unknown = CellProblem::UnknownId { id, annotations: self.path.clone() };
            known.ok_or_else(|| narration_ids.wrong(row, unknown))
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
            Level::Action => vec![ClassKey::Action(row.action())],
        };
        let margin = |row: &Annotation| {
            let first = || [row.noun].into_iter().collect();
            let Classes { verbs, nouns } = row.classes();
            match level {
                Level::Verb => Classes { verbs, ..Classes::default() },
                Level::Noun => Classes { nouns: if all_nouns { nouns } else { first() }, ..Classes::default() },
                Level::Action => Classes { verbs, nouns: if all_nouns && !first_noun_only { nouns } else { first() } },
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
    Table::read(path, bytes, &["narration_id"], limits)?.narration_ids()?.unique(Cell::text)
}

fn read_file(path: &Path, limits: &Limits) -> Result<Vec<u8>> {
    let failed = |problem| AnnotationError::Io { path: path.into(), problem };
    limits::read_file(path, limits).map_err(failed)?.map_err(|limit| failed(std::io::Error::other(limit)))
}
