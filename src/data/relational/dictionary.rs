//! Relational dictionaries: which classes items have, and which items classes have.
//!
//! A pickled dict of dicts: `vid2class`, `class2vid`, `sent2class`, `class2sent`, and in files with all nouns also
//! `vid2classes` and `sent2classes`. Videos are keyed by name; a video's row is the position of its name in `vid2class`.
//! Captions are keyed by row. Classes are integers or lists of integers (verbs, nouns), or texts `"verb_noun"` (captions).

use std::collections::HashMap;

use rand::Rng;
use rand::seq::IndexedRandom;

use super::sampling::{ClassKey, ClassTable, SamplingError};
use super::split::Relations;
use crate::formats::ndarray::NdArray;
use crate::formats::pickle::{AccessError, At, DictAt, Key, Value};
use crate::relevance::{ClassError, Classes, Level};

/// Whose conventions a relational dictionary follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// `vid2classes` of captions lists all nouns (EPIC-Kitchens-100).
    #[default]
    Nouns,
    /// Verbs and nouns come from `vid2classes`, that of captions holds `[[verbs], [nouns]]` (YouCook2).
    VerbsAndNouns,
}

/// How to read a relational dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelationalOptions {
    /// What it relates.
    pub level: Level,
    /// Whose conventions it follows.
    pub layout: Layout,
    /// With [`Layout::Nouns`]: the nouns of a caption's margin are those of `vid2classes`, not the one of the action text.
    pub all_noun_classes: bool,
    /// The margin of captions knows the action text alone, whatever else the file holds. As published for MMEN.
    pub first_noun_only: bool,
}

/// A relational dictionary as read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Relational {
    /// Tables for sampling, classes for margins.
    pub relations: Relations,
    /// Names of the videos, in order of rows.
    pub video_ids: Vec<String>,
}

/// Why a pickle is no relational dictionary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelationalError {
    /// A part is missing or of a wrong type.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A text that names no action class.
    #[error("{path}: {problem}")]
    Class {
        /// Where, as a Python expression.
        path: String,
        /// What is wrong.
        problem: ClassError,
    },
    /// No item has verbs (nouns) that an item without could borrow.
    #[error("[{dictionary:?}]: every list of {part} is empty")]
    NothingToBorrow {
        /// Which dictionary.
        dictionary: &'static str,
        /// `verbs` or `nouns`.
        part: &'static str,
    },
    /// A class with an item that does not exist.
    #[error("[{dictionary:?}]: {problem}")]
    Sampling {
        /// Which dictionary.
        dictionary: &'static str,
        /// What is wrong.
        problem: SamplingError,
    },
}

type Result<T> = std::result::Result<T, RelationalError>;

/// Names of the dictionaries of one modality.
struct Names {
    class: &'static str,
    classes: &'static str,
    items: &'static str,
}

const VIDEOS: Names = Names { class: "vid2class", classes: "vid2classes", items: "class2vid" };
const CAPTIONS: Names = Names { class: "sent2class", classes: "sent2classes", items: "class2sent" };

/// Reads a relational dictionary.
///
/// Sampling uses the file's own two directions, `vid2class` and `class2vid`. In captions of [`Layout::VerbsAndNouns`] an empty list of verbs
/// (nouns) is replaced, once, by that of a uniformly drawn item of the same modality that has one; `rng` serves this alone.
///
/// # Errors
/// [`RelationalError`], naming dictionary and item.
pub fn read(dictionary: &Value, options: &RelationalOptions, rng: &mut impl Rng) -> Result<Relational> {
    let root = dictionary.as_dict()?;
    let videos = root.get(VIDEOS.class)?.as_dict()?;
    let ids = videos.iter().map(|(id, _)| id.as_str()).collect::<std::result::Result<Vec<_>, _>>()?;
    let row_of: HashMap<&str, usize> = ids.iter().enumerate().map(|(row, id)| (*id, row)).collect();
    let captions = root.get(CAPTIONS.class)?.as_dict()?;
    let count = captions.len();
    for (key, _) in captions.iter() {
        if !usize::try_from(key.as_i64()?).is_ok_and(|row| row < count) {
            let expected = format!("a row below {count}, the number of captions,");
            return Err(AccessError { path: key.path(), expected, found: "another number".into() }.into());
        }
    }

    let keys: Vec<Key> = ids.iter().map(|id| Key::Str(id)).collect();
    let (video, video_classes) = modality(&root, &VIDEOS, &keys, options, rng, |list| {
        let row = |id: At| {
            let name = id.as_str()?;
            let unknown = || wrong(&id, "a key of vid2class", format!("{name:?}"));
            row_of.get(name).copied().ok_or_else(unknown)
        };
        list.as_list()?.iter().map(row).collect()
    })?;
    let keys: Vec<Key> = (0..count as i64).map(Key::Int).collect();
    let (text, text_classes) = modality(&root, &CAPTIONS, &keys, options, rng, |list| {
        let row = |row: i64| usize::try_from(row).map_err(|_| wrong(&list, "row numbers", row.to_string()));
        integers(&list)?.into_iter().map(row).collect()
    })?;
    let relations = Relations { video, text, video_classes, text_classes };
    Ok(Relational { relations, video_ids: ids.into_iter().map(str::to_owned).collect() })
}

/// The sampling table and the margin's classes of one modality.
fn modality<'a>(
    root: &DictAt<'a>,
    names: &Names,
    keys: &[Key],
    options: &RelationalOptions,
    rng: &mut impl Rng,
    rows: impl Fn(At<'a>) -> Result<Vec<usize>>,
) -> Result<(ClassTable, Vec<Classes>)> {
    let class = root.get(names.class)?.as_dict()?;
    let (of_item, classes) = match options.level {
        Level::Action => {
            let texts = keys.iter().map(|key| class.get(*key)).collect::<std::result::Result<Vec<_>, _>>()?;
            let classes = caption_classes(root, names, keys, &texts, options, rng)?;
            let action = |text: &At| Ok(vec![ClassKey::Action(text.as_str()?.into())]);
            (texts.iter().map(action).collect::<Result<_>>()?, classes)
        }
        level => {
            let lists = match root.find(names.classes) {
                Some(lists) if options.layout == Layout::VerbsAndNouns => lists.as_dict()?,
                _ => class,
            };
            let ids = keys.iter().map(|key| integers(&lists.get(*key)?)).collect::<Result<Vec<_>>>()?;
            let classes = ids.iter().map(|ids| {
                let ids = ids.iter().copied().collect();
                if level == Level::Verb {
                    Classes { verbs: ids, ..Classes::default() }
                } else {
                    Classes { nouns: ids, ..Classes::default() }
                }
            });
            let classes = classes.collect();
            (ids.into_iter().map(|ids| ids.into_iter().map(ClassKey::Id).collect()).collect(), classes)
        }
    };
    let items_of_class = root.get(names.items)?.as_dict()?;
    let items_of_class = items_of_class.iter().map(|(key, items)| {
        let class = match options.level {
            Level::Action => ClassKey::Action(key.as_str()?.into()),
            _ => ClassKey::Id(key.as_i64()?),
        };
        Ok((class, rows(items)?))
    });
    let items_of_class = items_of_class.collect::<Result<Vec<_>>>()?;
    let sampling = |problem| RelationalError::Sampling { dictionary: names.items, problem };
    Ok((ClassTable::new(of_item, items_of_class).map_err(sampling)?, classes))
}

fn caption_classes(
    root: &DictAt,
    names: &Names,
    keys: &[Key],
    texts: &[At],
    options: &RelationalOptions,
    rng: &mut impl Rng,
) -> Result<Vec<Classes>> {
    let parse = |at: &At| {
        let parsed = at.as_str()?.parse::<Classes>();
        parsed.map_err(|problem| RelationalError::Class { path: at.path(), problem })
    };
    let first = texts.iter().map(parse).collect::<Result<Vec<_>>>()?;
    let all_nouns = options.all_noun_classes || options.layout == Layout::VerbsAndNouns;
    if options.first_noun_only || !all_nouns {
        return Ok(first);
    }
    let lists = root.get(names.classes)?.as_dict()?;
    if options.layout == Layout::Nouns {
        let classes = first.into_iter().zip(keys).map(|(first, key)| {
            let nouns = integers(&lists.get(*key)?)?.into_iter().collect();
            Ok(Classes { nouns, ..first })
        });
        return classes.collect();
    }
    let (mut verbs, mut nouns) = (vec![], vec![]);
    for key in keys {
        let at = lists.get(*key)?;
        let mut parts = at.as_list()?.iter().collect::<Vec<_>>().into_iter();
        let (Some(verb), Some(noun), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong(&at, "[[verbs], [nouns]]", format!("a list of {} items", at.as_list()?.len())));
        };
        verbs.push(integers(&verb)?);
        nouns.push(integers(&noun)?);
    }
    fill(&mut verbs, rng).ok_or(RelationalError::NothingToBorrow { dictionary: names.classes, part: "verbs" })?;
    fill(&mut nouns, rng).ok_or(RelationalError::NothingToBorrow { dictionary: names.classes, part: "nouns" })?;
    let classes = verbs.into_iter().zip(nouns);
    Ok(classes
        .map(|(verbs, nouns)| Classes { verbs: verbs.into_iter().collect(), nouns: nouns.into_iter().collect() })
        .collect())
}

/// Replaces empty lists by others, drawn uniformly from those the file has. `None` if it has none.
fn fill(lists: &mut [Vec<i64>], rng: &mut impl Rng) -> Option<()> {
    let full: Vec<usize> = (0..lists.len()).filter(|&i| !lists[i].is_empty()).collect();
    for i in 0..lists.len() {
        if lists[i].is_empty() {
            // Drawing until a list is not empty is drawing among those that are not.
            lists[i] = lists[*full.choose(rng)?].clone();
        }
    }
    Some(())
}

/// An integer, or a list or array of integers.
fn integers(at: &At) -> Result<Vec<i64>> {
    let from_array = |array: &NdArray| array.to_i64_vec().map_err(|problem| wrong(at, "integers", problem.to_string()));
    match at.value() {
        Value::Array(array) if array.shape().len() == 1 => from_array(array),
        Value::List(_) | Value::Tuple(_) => at.as_list()?.iter().map(|item| Ok(item.as_i64()?)).collect(),
        _ => Ok(vec![at.as_i64()?]),
    }
}

fn wrong(at: &At, expected: &str, found: String) -> RelationalError {
    AccessError { path: at.path(), expected: expected.into(), found }.into()
}
