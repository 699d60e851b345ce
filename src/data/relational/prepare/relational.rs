//! Relational dictionaries.

use std::collections::HashMap;

use super::frame::Tags;
use super::{Captions, Frame, Key, Layout, Output, Parts, Report, Result, some};
use crate::data::relational::file_name;
use crate::formats::pickle_writer::Writer;
use crate::relevance::Level;

/// A class, or those of an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Class {
    Action(String),
    Id(i64),
    List(Vec<i64>),
    /// Verbs and nouns.
    Lists([Vec<i64>; 2]),
}

impl Class {
    fn write(&self, writer: &mut Writer) {
        let list = |writer: &mut Writer, list: &[i64]| writer.list(|items| list.iter().for_each(|id| items.int(*id)));
        match self {
            Self::Action(action) => writer.str(action),
            Self::Id(id) => writer.int(*id),
            Self::List(ids) => list(writer, ids),
            Self::Lists(both) => writer.list(|items| both.iter().for_each(|ids| list(items, ids))),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Action(action) => action.clone(),
            Self::Id(id) => id.to_string(),
            Self::List(ids) => format!("{ids:?}"),
            Self::Lists(both) => format!("{both:?}"),
        }
    }
}

/// What the dictionaries say of one item.
struct Item {
    class: Class,
    /// The classes that it is filed under; one that a list repeats files it twice.
    filed: Vec<Class>,
    classes: Option<Class>,
}

/// One side of a file: segments or captions.
struct Side {
    keys: Vec<Key>,
    items: Vec<Item>,
}

impl Side {
    fn classes(&self, writer: &mut Writer, of: impl Fn(&Item) -> Option<&Class>) {
        writer.dict(|entries| {
            for (key, item) in self.keys.iter().zip(&self.items) {
                if let Some(class) = of(item) {
                    key.write(entries);
                    class.write(entries);
                }
            }
        });
    }

    /// The items of each class, in order of first appearance.
    fn members(&self) -> Vec<(&Class, Vec<&Key>)> {
        let (mut members, mut place): (Vec<(&Class, Vec<&Key>)>, _) = (vec![], HashMap::new());
        for (key, item) in self.keys.iter().zip(&self.items) {
            for class in &item.filed {
                let at = *place.entry(class).or_insert(members.len());
                if at == members.len() {
                    members.push((class, vec![]));
                }
                members[at].1.push(key);
            }
        }
        members
    }

    fn write_members(&self, writer: &mut Writer) {
        writer.dict(|entries| {
            for (class, keys) in self.members() {
                class.write(entries);
                entries.list(|items| keys.iter().for_each(|key| key.write(items)));
            }
        });
    }

    /// Classes that this side has and another has not.
    fn alone(&self, other: &Side) -> Vec<String> {
        let there: HashMap<_, _> = other.members().into_iter().collect();
        let missing = self.members().into_iter().filter(|(class, _)| !there.contains_key(class));
        missing.map(|(class, _)| class.shown()).collect()
    }
}

/// Relational dictionaries of segments and captions: `create_relational_files`, `create_multiVNs_relational_files`.
///
/// EPIC: `{caption,verb,noun}_relational_FRAME`, the noun of a segment being `noun_class` and that of a caption the first of its list; with `all_nouns`
/// `{caption,noun}_allnouns_relational_FRAME`, where nouns are lists, and the verb file as before. Multi-VN: `{caption,verb,noun}_allnouns_relational_FRAME`;
/// the published script ends after the first. Items are filed under each class of a list, and twice if the list repeats it.
///
/// Classes that only segments or only captions have are reported: sampling fails where an anchor draws an item of the other side.
///
/// # Errors
/// [`PrepareError`](super::PrepareError) where the first noun of an empty list is wanted.
pub fn relational(frame: &Frame, captions: &Captions<Tags>, parts: Parts, all_nouns: bool) -> Result<Report> {
    let layout = frame.layout;
    let all_nouns = all_nouns || layout == Layout::VerbsAndNouns;
    let mut report = Report::default();
    for level in parts.levels() {
        let item = |tags: &Tags| item(tags, level, layout, all_nouns);
        // The noun of a segment is always known.
        let segments = frame.segments.iter().filter_map(|segment| item(&segment.tags)).collect();
        let video = Side { keys: frame.segments.iter().map(|segment| segment.key.clone()).collect(), items: segments };
        let of_caption = |(row, tags): (usize, &Tags)| item(tags).ok_or_else(|| captions.no_noun(row));
        let texts = captions.rows.iter().enumerate().map(of_caption).collect::<Result<_>>()?;
        let text = Side { keys: (0..captions.rows.len() as i64).map(Key::Number).collect(), items: texts };

        let flavour =
            if all_nouns && (layout == Layout::VerbsAndNouns || level != Level::Verb) { "_allnouns" } else { "" };
        let name = frame.output(&format!("{}{flavour}_relational", file_name(level)));
        for (alone, side, other) in
            [(video.alone(&text), "segments", "captions"), (text.alone(&video), "captions", "segments")]
        {
            if !alone.is_empty() {
                let classes = some(&alone);
                report.warnings.push(format!("{name}: classes of {side} that no {other} have: {classes}"));
            }
        }
        report.files.push(Output::new(name, dictionary(layout, &video, &text)));
    }
    Ok(report)
}

/// `None` where there is no first noun.
fn item(tags: &Tags, level: Level, layout: Layout, all_nouns: bool) -> Option<Item> {
    let ids = |list: &[i64]| list.iter().map(|id| Class::Id(*id)).collect();
    let one = |class: Class| Item { filed: vec![class.clone()], class, classes: None };
    let (verbs, nouns) = (Class::List(tags.verbs.clone()), Class::List(tags.nouns.clone()));
    Some(match (level, layout) {
        (Level::Action, Layout::Nouns) => {
            Item { classes: all_nouns.then_some(nouns), ..one(Class::Action(tags.action.clone())) }
        }
        (Level::Verb, Layout::Nouns) => one(Class::Id(tags.verb)),
        (Level::Noun, Layout::Nouns) if all_nouns => Item { filed: ids(&tags.nouns), class: nouns, classes: None },
        (Level::Noun, Layout::Nouns) => one(Class::Id(tags.noun?)),
        (Level::Action, Layout::VerbsAndNouns) => {
            let classes = Some(Class::Lists([tags.verbs.clone(), tags.nouns.clone()]));
            Item { classes, ..one(Class::Action(tags.action.clone())) }
        }
        (Level::Verb, Layout::VerbsAndNouns) => {
            Item { class: Class::Id(tags.verb), filed: ids(&tags.verbs), classes: Some(verbs) }
        }
        (Level::Noun, Layout::VerbsAndNouns) => {
            Item { class: Class::Id(tags.noun?), filed: ids(&tags.nouns), classes: Some(nouns) }
        }
    })
}

/// The dictionary of both sides; the keys are in the order of the published files.
fn dictionary(layout: Layout, video: &Side, text: &Side) -> Vec<u8> {
    const ORDERS: [[&str; 6]; 2] = [
        ["vid2class", "class2vid", "sent2class", "class2sent", "vid2classes", "sent2classes"],
        ["class2vid", "class2sent", "vid2class", "vid2classes", "sent2class", "sent2classes"],
    ];
    let lists = video.items.iter().chain(&text.items).any(|item| item.classes.is_some());
    let mut writer = Writer::new();
    writer.dict(|entries| {
        for name in ORDERS[usize::from(layout == Layout::VerbsAndNouns)] {
            let side = if name.contains("vid") { video } else { text };
            match name {
                "vid2classes" | "sent2classes" if !lists => continue,
                name => entries.str(name),
            }
            match name {
                "vid2class" | "sent2class" => side.classes(entries, |item| Some(&item.class)),
                "vid2classes" | "sent2classes" => side.classes(entries, |item| item.classes.as_ref()),
                _ => side.write_members(entries),
            }
        }
    });
    writer.finish()
}
