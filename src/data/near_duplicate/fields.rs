//! What the readers of annotations share.

use std::path::Path;

use super::{RetrievalSet, VideoIds};
use crate::data::reader::{FileError, FileProblem, Loaded, Reader};
use crate::formats::Limits;
use crate::formats::pickle::{AccessError, At, DictAt, Value};

pub(super) type Result<T> = std::result::Result<T, FileProblem>;

/// What was made of a file, and what the user should know of it.
pub(super) type Noted<T> = (T, Vec<String>);

/// Reads one file and makes something of it.
pub(super) fn load<T>(
    path: &Path,
    limits: &Limits,
    interpret: impl FnOnce(&Value) -> Result<Noted<T>>,
) -> std::result::Result<Loaded<T>, FileError> {
    let mut reader = Reader::new(limits);
    let value = reader.tree(path, &[])?;
    let (content, warnings) = interpret(&value).map_err(|problem| FileError::file(path, problem))?;
    reader.warnings.extend(warnings);
    Ok(reader.loaded(content))
}

/// That something else stands in a place.
pub(super) fn wrong(at: &At<'_>, expected: impl Into<String>, found: impl Into<String>) -> FileProblem {
    AccessError { path: at.path(), expected: expected.into(), found: found.into() }.into()
}

/// The items of a list of an exact length.
pub(super) fn list_of<'a>(at: &At<'a>, length: usize, what: &str) -> Result<Vec<At<'a>>> {
    let items: Vec<At<'a>> = at.as_list()?.iter().collect();
    match items.len() {
        found if found == length => Ok(items),
        found => Err(wrong(at, format!("{length} {what}"), found.to_string())),
    }
}

/// The items of a list of `N`.
pub(super) fn array_of<'a, const N: usize>(at: &At<'a>, what: &str) -> Result<[At<'a>; N]> {
    let items = list_of(at, N, what)?;
    items.try_into().map_err(|items: Vec<_>| wrong(at, format!("{N} {what}"), items.len().to_string()))
}

/// The numbers of listed ids, those that are new included.
pub(super) fn numbers(at: &At<'_>, ids: &mut VideoIds) -> Result<Vec<u32>> {
    at.as_items()?.iter().map(|id| ids.insert(id.as_str()?)).collect()
}

/// The ids of a list or set.
pub(super) fn texts<'a>(at: &At<'a>) -> Result<Vec<&'a str>> {
    at.as_items()?.iter().map(|id| Ok(id.as_str()?)).collect()
}

/// The numbers of a set of ids: ascending, each once. Those that are new get their numbers in alphabetical order, since sets have none of their own.
pub(super) fn set(mut texts: Vec<&str>, ids: &mut VideoIds) -> Result<Vec<u32>> {
    texts.sort_unstable();
    let mut numbers = texts.into_iter().map(|id| ids.insert(id)).collect::<Result<Vec<_>>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Queries and database of a data set that lists both by id; the database may be a set.
pub(super) fn lists<T>(root: &DictAt<'_>) -> Result<Noted<RetrievalSet<T>>> {
    let mut ids = VideoIds::default();
    let listed = numbers(&root.get("database")?, &mut ids)?;
    let (database, warnings) = distinct(listed, "database", ids.len());
    let queries = numbers(&root.get("queries")?, &mut ids)?;
    Ok((RetrievalSet { ids, queries, database, truths: vec![] }, warnings))
}

/// Each number at its first place, and a warning where some come again. `videos`: how many numbers there are.
pub(super) fn distinct(listed: Vec<u32>, field: &str, videos: usize) -> Noted<Vec<u32>> {
    let mut seen = vec![false; videos];
    let before = listed.len();
    let mut distinct = listed;
    distinct.retain(|video| !std::mem::replace(&mut seen[*video as usize], true));
    let repeated = before - distinct.len();
    let warning = format!("{field}: {repeated} of {before} ids are listed before; each video counts once");
    (distinct, if repeated > 0 { vec![warning] } else { vec![] })
}
