//! From annotations and word vectors to the files that training reads: what the file-creating scripts of the relevance margin do.
//!
//! [`Frame`] reads annotations and makes the list of captions; [`features`] and [`allwords`] make vectors of texts, [`relational`] the relational
//! dictionaries, [`relevancy`] the relevance of every caption to every segment, [`sentences`] the list of captions as a data frame. Each gives
//! [`Output`]s: names and contents, nothing of which is written before all of it could be made.
//!
//! One code serves both layouts: [`Layout::Nouns`] is what the scripts `create_*_files` do for EPIC-Kitchens-100, [`Layout::VerbsAndNouns`] what
//! `create_multiVNs_*_files` do for YouCook2. Where the published scripts end in an error, draw without a seed or are silently wrong:
//!
//! - captions that are added for a class come in the order in which the classes first appear, not in that of a Python set;
//! - one list of captions serves all files, and captions are numbered from 0, whatever the index of their frame is;
//! - the text of a caption is `narration` or, where there is none, `sentence` (multi-VN: the other way round);
//! - action classes are computed where a frame does not have them, and all three multi-VN relational dictionaries are written;
//! - the relevance of two empty sets is 0;
//! - refused, by row and column: names of segments that occur twice, text that is no list, and empty lists where EPIC wants a first noun.

mod captions;
mod features;
mod frame;
mod relational;
mod relevancy;

use std::io;
use std::path::{Path, PathBuf};

pub use captions::{Captions, sentences};
pub use features::{Features, Words, allwords, features};
pub use frame::{Caption, Frame, FrameOptions, Key, Segment, Tags, Wording};
pub use relational::relational;
pub use relevancy::relevancy;

pub use super::dictionary::Layout;
pub use super::table::{AnnotationError, CellProblem};
use crate::formats::pickle_writer::write_matrix;
use crate::relevance::{Classes, EmptyUnion, Level, relevance};

/// Why nothing was prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A frame cannot be used.
    #[error(transparent)]
    Annotation(Box<AnnotationError>),
    /// A frame has no rows.
    #[error("{}: no rows", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Word ids are those of one verb and one noun.
    #[error("{what} know the EPIC layout alone")]
    Layout {
        /// What was asked for.
        what: &'static str,
    },
}

impl From<AnnotationError> for PrepareError {
    fn from(error: AnnotationError) -> Self {
        Self::Annotation(Box::new(error))
    }
}

type Result<T> = std::result::Result<T, PrepareError>;

/// Which files are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// That of captions, or actions.
    pub caption: bool,
    /// That of verbs.
    pub verb: bool,
    /// That of nouns.
    pub noun: bool,
}

impl Parts {
    /// All of them.
    pub const ALL: Self = Self { caption: true, verb: true, noun: true };

    fn levels(self) -> impl Iterator<Item = Level> {
        let wanted = [(self.caption, Level::Action), (self.verb, Level::Verb), (self.noun, Level::Noun)];
        wanted.into_iter().filter_map(|(wanted, level)| wanted.then_some(level))
    }
}

/// A file to be written.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its name, which ends in that of the frame.
    pub name: String,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Bytes(Vec<u8>),
    /// The relevance of columns to rows, computed while it is written: for the training split it takes more than 8 GB.
    Relevance {
        rows: Vec<Classes>,
        columns: Vec<Classes>,
        level: Level,
    },
}

impl Output {
    fn new(name: String, bytes: Vec<u8>) -> Self {
        Self { name, content: Content::Bytes(bytes) }
    }

    /// Writes its bytes, a pickle of protocol 4.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        match &self.content {
            Content::Bytes(bytes) => out.write_all(bytes),
            Content::Relevance { rows, columns, level } => write_matrix(out, [rows.len(), columns.len()], |row| {
                columns.iter().map(|column| relevance(&rows[row], column, *level, EmptyUnion::Zero)).collect()
            }),
        }
    }
}

/// Files, and what the user should know of them.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// In the order in which they are to be written.
    pub files: Vec<Output>,
    /// What is not as it may be expected.
    pub warnings: Vec<String>,
}

/// The name of a frame within that of an output: as it is, but for the ending of a CSV file.
fn suffix(path: &Path) -> String {
    let csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let path = if csv { path.with_extension("pkl") } else { path.to_path_buf() };
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Some names for a message, and how many more there are.
fn some(names: &[String]) -> String {
    const MOST: usize = 20;
    let more = names.len().saturating_sub(MOST);
    let shown = names[..names.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
