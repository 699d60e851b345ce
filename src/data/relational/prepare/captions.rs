//! Lists of captions: that of a frame of segments, or a frame of captions.

use std::path::{Path, PathBuf};

use super::frame::{self, FIRST_NOUN, Tags, Wording, firsts, sorted};
use super::{CellProblem, Frame, Layout, Output, Parts, PrepareError, Report, Result};
use crate::data::relational::table::{Cell, Place, wrong};
use crate::formats::Limits;
use crate::formats::pickle_writer::{Column, Writer};

/// What is known of each caption of a list: words, or classes.
#[derive(Debug, Clone)]
pub struct Captions<T> {
    path: PathBuf,
    places: Vec<Place>,
    /// The column of lists of nouns, or of their classes.
    nouns: &'static str,
    pub(super) layout: Layout,
    /// In the order of the list.
    pub rows: Vec<T>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl<T> Captions<T> {
    /// The error of an empty list of nouns.
    pub(super) fn no_noun(&self, row: usize) -> PrepareError {
        wrong(&self.path, self.places[row], self.nouns, CellProblem::EmptyList { what: FIRST_NOUN }).into()
    }

    fn of_frame(frame: &Frame, nouns: &'static str, what: impl Fn(&frame::Caption) -> T) -> Self {
        Self {
            path: frame.path.clone(),
            places: frame.captions.iter().map(|caption| frame.places[caption.segment]).collect(),
            nouns,
            layout: frame.layout,
            rows: frame.captions.iter().map(what).collect(),
            warnings: vec![],
        }
    }
}

impl Captions<Wording> {
    /// The words of a frame's own list.
    pub fn wordings(frame: &Frame) -> Self {
        let wordings = Self::of_frame(frame, "all_nouns", |caption| caption.wording.clone());
        Self { warnings: frame.caption_warnings.clone(), ..wordings }
    }

    /// The words of a frame of captions, official or as [`sentences`] writes it: `narration` or `sentence`, `verb` (a text, multi-VN: a list) and
    /// `nouns`. Columns of parts that are not wanted need not be there.
    ///
    /// # Errors
    /// [`PrepareError`], naming file, row and column.
    pub fn open_wordings(path: &Path, layout: Layout, parts: Parts, limits: &Limits) -> Result<Self> {
        let table = frame::open(path, limits)?;
        let mut warnings = vec![];
        let names = match layout {
            Layout::Nouns => ["narration", "sentence"],
            Layout::VerbsAndNouns => ["sentence", "narration"],
        };
        let text = names.into_iter().find_map(|name| table.find(name)).map_or_else(|| table.column(names[0]), Ok);
        let text = parts.caption.then_some(text).transpose()?;
        let verbs = parts.verb.then(|| table.column("verb")).transpose()?;
        let nouns = parts.noun.then(|| table.column("nouns")).transpose()?;
        for (name, column) in [("verb", &verbs), ("nouns", &nouns)] {
            if let Some(column) = column {
                sorted(&table, column, name, &mut warnings);
            }
        }
        let verb = |cell: &Cell| match layout {
            Layout::Nouns => Ok(vec![cell.given_text()?]),
            Layout::VerbsAndNouns => cell.texts(),
        };
        let row = |row| {
            Ok(Wording {
                text: text.map_or(Ok(String::new()), |text| text.cell(row, Cell::given_text))?,
                verbs: verbs.map_or(Ok(vec![]), |verbs| verbs.cell(row, verb))?,
                nouns: nouns.map_or(Ok(vec![]), |nouns| nouns.cell(row, Cell::texts))?,
            })
        };
        Ok(Self {
            path: path.into(),
            places: (0..table.rows()).map(|row| table.place(row)).collect(),
            nouns: "nouns",
            layout,
            rows: (0..table.rows()).map(row).collect::<Result<_>>()?,
            warnings,
        })
    }
}

impl Captions<Tags> {
    /// The classes of a frame's own list.
    pub fn tags(frame: &Frame) -> Self {
        Self::of_frame(frame, "all_noun_classes", |caption| caption.tags.clone())
    }

    /// The classes of a frame of captions: `verb_class` (multi-VN: a list), lists of nouns as `noun_class` ([`sentences`]) or `noun_classes` (official
    /// frames), and `action_class`, which is made of the first classes where it is not there.
    ///
    /// # Errors
    /// [`PrepareError`], naming file, row and column.
    pub fn open_tags(path: &Path, layout: Layout, limits: &Limits) -> Result<Self> {
        let table = frame::open(path, limits)?;
        let mut warnings = vec![];
        let verbs = table.column("verb_class")?;
        let nouns = if table.find("noun_class").is_none() && table.find("noun_classes").is_some() {
            "noun_classes"
        } else {
            "noun_class"
        };
        let (noun_column, actions) = (table.column(nouns)?, table.find("action_class"));
        sorted(&table, &verbs, "verb_class", &mut warnings);
        sorted(&table, &noun_column, nouns, &mut warnings);
        let row = |row| {
            let verbs = match layout {
                Layout::Nouns => vec![verbs.cell(row, Cell::integer)?],
                Layout::VerbsAndNouns => verbs.cell(row, Cell::any_integers)?,
            };
            let tags = firsts(verbs, noun_column.cell(row, Cell::any_integers)?);
            let noun = match layout {
                Layout::Nouns => tags.nouns.first().copied(),
                Layout::VerbsAndNouns => tags.noun,
            };
            let action = match &actions {
                Some(actions) => actions.cell(row, Cell::given_text)?,
                None if noun.is_none() => {
                    return Err(noun_column.wrong(row, CellProblem::EmptyList { what: FIRST_NOUN }).into());
                }
                None => tags.action,
            };
            Ok(Tags { action, noun, ..tags })
        };
        Ok(Self {
            path: path.into(),
            places: (0..table.rows()).map(|row| table.place(row)).collect(),
            nouns,
            layout,
            rows: (0..table.rows()).map(row).collect::<Result<_>>()?,
            warnings,
        })
    }
}

/// The list of captions as a data frame, `sentence_FRAME`: `create_sentence_df`.
///
/// Its columns are `sentence`, `action_class`, `index` (of the segment), `verb_class`, `noun_class` (the list), `verb`, `nouns` (the list) and `noun` (the
/// first). Published files are of pickle protocol 5, ours of 4, which older Pythons read as well.
///
/// # Errors
/// [`PrepareError`] for a multi-VN frame, and for an empty list of nouns.
pub fn sentences(frame: &Frame) -> Result<Report> {
    if frame.layout == Layout::VerbsAndNouns {
        return Err(PrepareError::Layout { what: "frames of captions" });
    }
    let words = Captions::wordings(frame);
    let first = |row: usize| words.rows[row].nouns.first().ok_or_else(|| words.no_noun(row));
    let nouns = (0..words.rows.len()).map(first).collect::<Result<Vec<_>>>()?;
    let captions = &frame.captions;
    let sentence = |writer: &mut Writer, row: usize| writer.str(&captions[row].wording.text);
    let action = |writer: &mut Writer, row: usize| writer.str(&captions[row].tags.action);
    let index = |writer: &mut Writer, row: usize| frame.segments[captions[row].segment].key.write(writer);
    let noun_class = |writer: &mut Writer, row: usize| {
        writer.list(|items| captions[row].tags.nouns.iter().for_each(|class| items.int(*class)));
    };
    let verb = |writer: &mut Writer, row: usize| {
        captions[row].wording.verbs.iter().take(1).for_each(|verb| writer.str(verb));
    };
    let all_nouns = |writer: &mut Writer, row: usize| {
        writer.list(|items| captions[row].wording.nouns.iter().for_each(|noun| items.str(noun)));
    };
    let noun = |writer: &mut Writer, row: usize| writer.str(nouns[row]);
    let columns = [
        ("sentence", Column::Objects(&sentence)),
        ("action_class", Column::Objects(&action)),
        ("index", Column::Objects(&index)),
        ("verb_class", Column::Ints(captions.iter().map(|caption| caption.tags.verb).collect())),
        ("noun_class", Column::Objects(&noun_class)),
        ("verb", Column::Objects(&verb)),
        ("nouns", Column::Objects(&all_nouns)),
        ("noun", Column::Objects(&noun)),
    ];
    let mut writer = Writer::new();
    writer.data_frame(captions.len(), &columns);
    Ok(Report { files: vec![Output::new(frame.output("sentence"), writer.finish())], warnings: words.warnings })
}

impl frame::Key {
    pub(super) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Name(name) => writer.str(name),
            Self::Number(number) => writer.int(*number),
        }
    }
}
