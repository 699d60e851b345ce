//! CC_WEB_VIDEO: 24 queries, each with a set of labelled videos.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::fields::{self, Noted, Result, distinct, list_of, wrong};
use super::{RetrievalSet, VideoIds};
use crate::data::reader::{FileError, Loaded};
use crate::formats::Limits;
use crate::formats::pickle::{At, DictAt, Value};
use crate::relevance::near_duplicate::{CcWebLabel, CcWebTruth};

/// Reads `cc_web_video.pickle` of Temporal Context Aggregation (ids by `vid2index`) or of ViSiL (ids by `index`, a dict), or the JSON form
/// (lists `videos` and `video_index`); compressed files as well.
///
/// Numbers of videos that have labels and no id get numbers of their own behind all ids: a relevant video that nothing can find.
///
/// # Errors
/// [`FileError`], naming file, field, and what was expected and found.
pub fn load(path: &Path, limits: &Limits) -> std::result::Result<Loaded<RetrievalSet<CcWebTruth>>, FileError> {
    fields::load(path, limits, interpret)
}

fn interpret(value: &Value) -> Result<Noted<RetrievalSet<CcWebTruth>>> {
    let root = value.as_dict()?;
    let (mut ids, mut listed, mut number_of) = (VideoIds::default(), vec![], BTreeMap::new());
    for (id, index) in places(&root)? {
        let (number, known_by) = (ids.insert(id.as_str()?)?, index.as_i64()?);
        if let Some(first) = number_of.insert(known_by, number).filter(|first| *first != number) {
            let before = ids.id(first).unwrap_or_default();
            return Err(wrong(&index, "a number of its own", format!("{known_by}, which is that of {before:?}")));
        }
        listed.push(number);
    }
    let (database, warnings) = distinct(listed, "videos", ids.len());
    let queries = fields::numbers(&root.get("queries")?, &mut ids)?;
    let sets = list_of(&root.get("ground_truth")?, queries.len(), "sets, one for each query")?;
    let excluded = list_of(&root.get("excluded")?, queries.len(), "sets, one for each query")?;
    let mut sets: Vec<Set> = sets.iter().map(Set::labels).collect::<Result<_>>()?;
    for (set, excluded) in sets.iter_mut().zip(&excluded) {
        set.excluded = excluded.as_items()?.iter().map(|index| Ok(index.as_i64()?)).collect::<Result<_>>()?;
    }
    // Ascending, so that all forms of the file give the same numbers.
    let named: BTreeSet<i64> = sets.iter().flat_map(|set| set.labels.keys().chain(&set.excluded)).copied().collect();
    for index in named {
        if let Entry::Vacant(place) = number_of.entry(index) {
            place.insert(ids.insert_nameless()?);
        }
    }
    let truths = sets.into_iter().map(|set| set.numbered(&number_of)).collect();
    Ok((RetrievalSet { ids, queries, database, truths }, warnings))
}

/// Ids and the numbers that labels know them by, in the order of the file.
fn places<'a>(root: &DictAt<'a>) -> Result<Vec<(At<'a>, At<'a>)>> {
    if let Some(videos) = root.find("videos") {
        let videos = videos.as_list()?;
        let places = list_of(&root.get("video_index")?, videos.len(), "numbers, one for each of \"videos\"")?;
        return Ok(videos.iter().zip(places).collect());
    }
    let places = root.find("vid2index").map_or_else(|| root.get("index"), Ok)?;
    Ok(places.as_dict()?.iter().collect())
}

/// One set, in the numbers of the file.
#[derive(Default)]
struct Set {
    labels: BTreeMap<i64, CcWebLabel>,
    excluded: BTreeSet<i64>,
}

impl Set {
    fn labels(at: &At<'_>) -> Result<Self> {
        let mut labels = BTreeMap::new();
        for (index, letter) in at.as_dict()?.iter() {
            let text = letter.as_str()?;
            let label = CcWebLabel::of_letter(text);
            let label = label.ok_or_else(|| wrong(&letter, "one of E, S, V, M, L, X", format!("{text:?}")))?;
            labels.insert(number(&index)?, label);
        }
        Ok(Self { labels, ..Self::default() })
    }

    fn numbered(self, number_of: &BTreeMap<i64, u32>) -> CcWebTruth {
        let mut labels: Vec<_> =
            self.labels.iter().filter_map(|(index, label)| Some((*number_of.get(index)?, *label))).collect();
        labels.sort_unstable();
        labels.dedup_by_key(|(video, _)| *video);
        let mut excluded: Vec<u32> = self.excluded.iter().filter_map(|index| number_of.get(index)).copied().collect();
        excluded.sort_unstable();
        CcWebTruth { labels, excluded }
    }
}

/// A number, which is a text where it is a key in JSON.
fn number(key: &At<'_>) -> Result<i64> {
    match key.value() {
        Value::Str(text) => text.parse().map_err(|_| wrong(key, "a number as key", format!("{text:?}"))),
        _ => Ok(key.as_i64()?),
    }
}
