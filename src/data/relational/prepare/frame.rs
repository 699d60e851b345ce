//! Annotated segments, and the list of their captions.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::{CellProblem, Layout, PrepareError, Result, some, suffix};
use crate::data::relational::table::{Cell, Column, Place, Table, wrong};
use crate::formats::limits::{self, Limits};
use crate::formats::pickle::Value;

/// The name of a segment, as the index of its frame has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A text: training reads no others.
    Name(String),
    /// The number of a row, where a frame has no names.
    Number(i64),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// What the vectors of an item are made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wording {
    /// The caption.
    pub text: String,
    /// EPIC: one verb.
    pub verbs: Vec<String>,
    /// All nouns.
    pub nouns: Vec<String>,
}

/// The classes of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// `"verb_noun"`.
    pub action: String,
    /// EPIC: the verb class, or the id of the verb; multi-VN: the first verb class, or -1.
    pub verb: i64,
    /// EPIC: the class or id of the segment's noun, or of the caption's first; multi-VN: the first noun class, or -1.
    pub noun: Option<i64>,
    /// Verb classes; EPIC: one.
    pub verbs: Vec<i64>,
    /// All noun classes, with repetitions. They are classes where the others are ids of words, too.
    pub nouns: Vec<i64>,
}

/// An annotated segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its name.
    pub key: Key,
    /// Its words.
    pub wording: Wording,
    /// Its classes.
    pub tags: Tags,
}

/// A caption of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caption {
    /// The row of the segment that it is of.
    pub segment: usize,
    /// Its words; the text may be that of another segment.
    pub wording: Wording,
    /// Its classes.
    pub tags: Tags,
}

/// How to read annotations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrameOptions {
    /// EPIC or multi-VN.
    pub layout: Layout,
    /// EPIC: ids of words in the place of classes. The id of a verb is the rank of its first appearance in the column `verb`, that of a noun
    /// the rank in `noun`. The list of captions is that by classes; a caption is added for each pair of ids that it lacks, with the text of the
    /// column `sentence`, or of `narration` where there is none.
    pub no_class: bool,
    /// EPIC: captions that are added for a class have the narration of their own segment. As published they have that of the segment used just
    /// before: the last distinct narration, then the own narration of the one added before.
    pub own_text: bool,
    /// Segments are named by the column `narration_id` of a data frame, if it has one, and not by its index: as for the frame of captions.
    pub by_narration_id: bool,
    /// Budgets of the file.
    pub limits: Limits,
}

/// Annotated segments, and the list of their captions: the rows of text features, columns of relevance, and keys of the text side.
#[derive(Debug, Clone)]
pub struct Frame {
    pub(super) path: PathBuf,
    pub(super) layout: Layout,
    pub(super) no_class: bool,
    pub(super) places: Vec<Place>,
    /// In the order of the file.
    pub segments: Vec<Segment>,
    /// One for each distinct narration in the order of first appearance; EPIC: then one for each action class that no caption has.
    pub captions: Vec<Caption>,
    /// What the user should know of the segments.
    pub warnings: Vec<String>,
    /// What the user should know of the texts of captions.
    pub caption_warnings: Vec<String>,
}

impl Frame {
    /// Reads a pickled data frame, or a CSV file of the same columns.
    ///
    /// EPIC: `narration`, `verb`, `verb_class`, `noun_class`, `all_nouns`, `all_noun_classes`, with `no_class` also `noun` and, if it is there,
    /// `sentence`. Multi-VN: `narration`, `parsed_verbs`, `parsed_nouns`, `parsed_verb_classes`, `parsed_noun_classes`. The name of a segment is the
    /// index of a data frame, and in a CSV file the column `narration_id`, `clip`, `index` or the one without a name.
    ///
    /// # Errors
    /// [`PrepareError`], naming file, row and column.
    pub fn open(path: &Path, options: &FrameOptions) -> Result<Self> {
        let FrameOptions { layout, no_class, .. } = *options;
        if no_class && layout == Layout::VerbsAndNouns {
            return Err(PrepareError::Layout { what: "ids of words" });
        }
        let table = open(path, &options.limits)?;
        let mut warnings = vec![];
        let keys = keys(&table, options)?.unique(key)?;
        if keys.iter().any(|key| matches!(key, Key::Number(_))) {
            let path = path.display();
            warnings.push(format!("{path}: segments have numbers in the place of names, which training does not read"));
        }
        let rows = match layout {
            Layout::Nouns => epic(&table, &mut warnings)?,
            Layout::VerbsAndNouns => multi_vn(&table, &mut warnings)?,
        };
        let segments = keys.into_iter().zip(rows).map(|(key, (wording, tags))| Segment { key, wording, tags });
        let mut frame = Self {
            path: path.into(),
            layout,
            no_class,
            places: (0..table.rows()).map(|row| table.place(row)).collect(),
            segments: segments.collect(),
            captions: vec![],
            warnings,
            caption_warnings: vec![],
        };
        frame.list_captions(options.own_text);
        if no_class {
            frame.number_words(&table)?;
        }
        Ok(frame)
    }

    /// The name of an output.
    pub(super) fn output(&self, what: &str) -> String {
        format!("{}{what}_{}", if self.no_class { "no-class_" } else { "" }, suffix(&self.path))
    }

    fn caption(&self, segment: usize) -> Caption {
        let Segment { wording, tags, .. } = self.segments[segment].clone();
        let noun = match self.layout {
            Layout::Nouns => tags.nouns.first().copied(),
            Layout::VerbsAndNouns => tags.noun,
        };
        Caption { segment, wording, tags: Tags { noun, ..tags } }
    }

    fn list_captions(&mut self, own_text: bool) {
        let mut texts = HashSet::new();
        let first: Vec<usize> =
            (0..self.segments.len()).filter(|row| texts.insert(&self.segments[*row].wording.text)).collect();
        self.captions = first.iter().map(|row| self.caption(*row)).collect();
        if self.layout == Layout::VerbsAndNouns {
            return;
        }
        let mut actions: HashSet<String> = self.captions.iter().map(|caption| caption.tags.action.clone()).collect();
        let mut before = first.last().copied();
        let mut stale = vec![];
        for row in 0..self.segments.len() {
            if !actions.insert(self.segments[row].tags.action.clone()) {
                continue;
            }
            let mut caption = self.caption(row);
            if let Some(before) = before.replace(row).filter(|_| !own_text) {
                caption.wording.text.clone_from(&self.segments[before].wording.text);
                stale.push(format!("{} ({}): {:?}", self.captions.len(), caption.tags.action, caption.wording.text));
            }
            self.captions.push(caption);
        }
        if !stale.is_empty() {
            self.caption_warnings.push(format!(
                "{} captions are added for action classes that no other has, with the text of another segment as published: {}",
                stale.len(),
                some(&stale)
            ));
        }
    }

    /// Ids of words in the place of classes.
    fn number_words(&mut self, table: &Table) -> Result<()> {
        let nouns = table.column("noun")?;
        let sentences = table.find("sentence");
        let (mut verb_ids, mut noun_ids) = (HashMap::new(), HashMap::new());
        for (row, segment) in self.segments.iter_mut().enumerate() {
            let verb = id(&mut verb_ids, segment.wording.verbs.first().cloned().unwrap_or_default());
            let noun = id(&mut noun_ids, nouns.cell(row, Cell::given_text)?);
            segment.tags = Tags { action: format!("{verb}_{noun}"), verb, noun: Some(noun), ..segment.tags.clone() };
        }
        for caption in &mut self.captions {
            let failed = |problem| wrong(&self.path, self.places[caption.segment], "all_nouns", problem);
            let word = caption.wording.nouns.first();
            let word = word.ok_or_else(|| failed(CellProblem::EmptyList { what: FIRST_NOUN }))?;
            let noun = noun_ids.get(word).copied();
            let noun = noun.ok_or_else(|| failed(CellProblem::NotNumbered { word: word.clone() }))?;
            let verb = self.segments[caption.segment].tags.verb;
            caption.tags = Tags { action: format!("{verb}_{noun}"), verb, noun: Some(noun), ..caption.tags.clone() };
        }
        let mut actions: HashSet<String> = self.captions.iter().map(|caption| caption.tags.action.clone()).collect();
        let mut added = 0;
        for row in 0..self.segments.len() {
            let Segment { wording, tags, .. } = self.segments[row].clone();
            if !actions.insert(tags.action.clone()) {
                continue;
            }
            let text = match &sentences {
                Some(sentences) => sentences.cell(row, Cell::given_text)?,
                None => wording.text,
            };
            self.captions.push(Caption { segment: row, wording: Wording { text, ..wording }, tags });
            added += 1;
        }
        if added > 0 && sentences.is_none() {
            self.caption_warnings.push(format!(
                "{added} captions are added for pairs of words that no other has, with the text of `narration`: there is no column `sentence`"
            ));
        }
        Ok(())
    }
}

/// Why EPIC wants a noun.
pub(super) const FIRST_NOUN: &str = "its first noun is wanted";

fn id(ids: &mut HashMap<String, i64>, word: String) -> i64 {
    let next = ids.len() as i64;
    *ids.entry(word).or_insert(next)
}

/// All columns that are ever asked for.
const COLUMNS: [&str; 19] = [
    "narration_id",
    "clip",
    "index",
    "",
    "narration",
    "sentence",
    "verb",
    "verb_class",
    "noun",
    "nouns",
    "noun_class",
    "noun_classes",
    "all_nouns",
    "all_noun_classes",
    "action_class",
    "parsed_verbs",
    "parsed_nouns",
    "parsed_verb_classes",
    "parsed_noun_classes",
];

/// Reads a table that has rows.
pub(super) fn open(path: &Path, limits: &Limits) -> Result<Table> {
    let failed = |problem| super::AnnotationError::Io { path: path.into(), problem };
    let bytes = limits::read_file(path, limits).map_err(failed)?;
    let bytes = bytes.map_err(|limit| failed(std::io::Error::other(limit)))?;
    let table = Table::read(path, &bytes, &COLUMNS, limits)?;
    if table.rows() == 0 { Err(PrepareError::Empty { path: path.into() }) } else { Ok(table) }
}

fn keys<'t>(table: &'t Table, options: &FrameOptions) -> Result<Column<'t>> {
    let name = if options.layout == Layout::Nouns { "narration_id" } else { "clip" };
    let by_id = options.by_narration_id.then(|| table.find("narration_id")).flatten();
    if let Some(column) = by_id.or_else(|| table.index(name)) {
        return Ok(column);
    }
    let found = [name, "narration_id", "clip", "index", ""].into_iter().find_map(|name| table.find(name));
    Ok(found.map_or_else(|| table.column(name), Ok)?)
}

fn key(cell: &Cell) -> std::result::Result<Key, CellProblem> {
    match cell {
        Cell::Value(Value::Int(number)) => Ok(Key::Number(*number)),
        cell => Ok(Key::Name(cell.given_text()?)),
    }
}

/// Warns of sets, whose order is not that of any file.
pub(super) fn sorted(table: &Table, column: &Column, name: &str, warnings: &mut Vec<String>) {
    let sets = column.cells().iter().filter(|cell| cell.is_set()).count();
    if sets > 0 {
        let path = table.path().display();
        warnings.push(format!("{path}, column {name:?}: {sets} cells are sets, which have no order, and were sorted"));
    }
}

fn lists<'t>(table: &'t Table, name: &'static str, warnings: &mut Vec<String>) -> Result<Column<'t>> {
    let column = table.column(name)?;
    sorted(table, &column, name, warnings);
    Ok(column)
}

type Rows = Vec<(Wording, Tags)>;

fn epic(table: &Table, warnings: &mut Vec<String>) -> Result<Rows> {
    let [text, verb, verb_class, noun_class] =
        ["narration", "verb", "verb_class", "noun_class"].map(|name| table.column(name));
    let (text, verb, verb_class, noun_class) = (text?, verb?, verb_class?, noun_class?);
    let nouns = lists(table, "all_nouns", warnings)?;
    let noun_classes = lists(table, "all_noun_classes", warnings)?;
    let row = |row| {
        let wording = Wording {
            text: text.cell(row, Cell::given_text)?,
            verbs: vec![verb.cell(row, Cell::given_text)?],
            nouns: nouns.cell(row, Cell::texts)?,
        };
        let (verb, noun) = (verb_class.cell(row, Cell::integer)?, noun_class.cell(row, Cell::integer)?);
        let nouns = noun_classes.cell(row, Cell::any_integers)?;
        Ok((wording, Tags { action: format!("{verb}_{noun}"), verb, noun: Some(noun), verbs: vec![verb], nouns }))
    };
    (0..table.rows()).map(row).collect()
}

fn multi_vn(table: &Table, warnings: &mut Vec<String>) -> Result<Rows> {
    let text = table.column("narration")?;
    let mut list = |name| lists(table, name, warnings);
    let (verbs, nouns) = (list("parsed_verbs")?, list("parsed_nouns")?);
    let (verb_classes, noun_classes) = (list("parsed_verb_classes")?, list("parsed_noun_classes")?);
    let row = |row| {
        let wording = Wording {
            text: text.cell(row, Cell::given_text)?,
            verbs: verbs.cell(row, Cell::texts)?,
            nouns: nouns.cell(row, Cell::texts)?,
        };
        let (verbs, nouns) = (verb_classes.cell(row, Cell::any_integers)?, noun_classes.cell(row, Cell::any_integers)?);
        Ok((wording, firsts(verbs, nouns)))
    };
    (0..table.rows()).map(row).collect()
}

/// Tags of the first classes, or -1.
pub(super) fn firsts(verbs: Vec<i64>, nouns: Vec<i64>) -> Tags {
    let first = |list: &[i64]| list.first().copied().unwrap_or(-1);
    let (verb, noun) = (first(&verbs), first(&nouns));
    Tags { action: format!("{verb}_{noun}"), verb, noun: Some(noun), verbs, nouns }
}
