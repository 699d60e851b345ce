//! EVVE: videos of 13 events (Revaud et al., *Event Retrieval in Large Video Collections with Circulant Temporal Encoding*, CVPR 2013).

use std::collections::HashMap;
use std::path::Path;

use super::RetrievalSet;
use super::fields::{self, Noted, Result, array_of, set, texts, wrong};
use crate::data::reader::{FileError, Loaded};
use crate::formats::Limits;
use crate::formats::pickle::{At, Value};

/// Annotations of EVVE.
#[derive(Debug, Clone, PartialEq)]
pub struct Evve {
    /// Queries and database; a query's truth is the number of its event.
    pub set: RetrievalSet<usize>,
    /// The events, by name.
    pub events: Vec<EvveEvent>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvveEvent {
    /// Its name.
    pub name: String,
    /// Videos that show it: ascending.
    pub positives: Vec<u32>,
    /// Videos that are known not to: ascending; none in the published file.
    pub negatives: Vec<u32>,
}

impl Evve {
    /// The event of each query, in the order of the queries.
    pub fn event_of(&self, query: usize) -> Option<&EvveEvent> {
        self.events.get(*self.set.truths.get(query)?)
    }
}

/// Reads `evve.pickle` (`annotation`: for each event a tuple of three sets), or the JSON form (`events`: for each a dict of three lists);
/// compressed files as well.
///
/// # Errors
/// [`FileError`], naming file, field, and what was expected and found; a query that belongs to no event, or to two.
pub fn load(path: &Path, limits: &Limits) -> std::result::Result<Loaded<Evve>, FileError> {
    fields::load(path, limits, interpret)
}

/// Queries, positives and negatives of an event.
struct Lists<'a> {
    name: &'a str,
    queries: At<'a>,
    positives: At<'a>,
    negatives: At<'a>,
}

impl<'a> Lists<'a> {
    fn of(name: &At<'a>, lists: &At<'a>) -> Result<Self> {
        let name = name.as_str()?;
        if let Ok(lists) = lists.as_dict() {
            let [queries, positives, negatives] = ["queries", "positives", "negatives"].map(|key| lists.get(key));
            return Ok(Self { name, queries: queries?, positives: positives?, negatives: negatives? });
        }
        let [queries, positives, negatives] = array_of(lists, "sets: queries, positives, negatives")?;
        Ok(Self { name, queries, positives, negatives })
    }
}

fn interpret(value: &Value) -> Result<Noted<Evve>> {
    let root = value.as_dict()?;
    let (mut set_of_all, warnings) = fields::lists(&root)?;
    let events = root.find("annotation").map_or_else(|| root.get("events"), Ok)?;
    let mut lists =
        events.as_dict()?.iter().map(|(name, lists)| Lists::of(&name, &lists)).collect::<Result<Vec<_>>>()?;
    lists.sort_by_key(|lists| lists.name);
    let mut event_of: HashMap<&str, usize> = HashMap::new();
    let mut found = vec![];
    for (event, Lists { name, queries, positives, negatives }) in lists.iter().enumerate() {
        for query in texts(queries)? {
            if let Some(other) = event_of.insert(query, event).filter(|other| *other != event) {
                let both = format!("{query:?}, which is one of {:?} too", lists[other].name);
                return Err(wrong(queries, "queries of this event alone", both));
            }
        }
        let ids = &mut set_of_all.ids;
        let positives = set(texts(positives)?, ids)?;
        found.push(EvveEvent { name: (*name).into(), positives, negatives: set(texts(negatives)?, ids)? });
    }
    for query in root.get("queries")?.as_items()?.iter() {
        let id = query.as_str()?;
        let event = event_of.get(id).ok_or_else(|| wrong(&query, "a query of an event", format!("{id:?}")))?;
        set_of_all.truths.push(*event);
    }
    Ok((Evve { set: set_of_all, events: found }, warnings))
}
