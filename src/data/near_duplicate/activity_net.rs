//! ActivityNet as a data set of retrieval: every video is a query and an item.

use std::path::Path;

use super::fields::{self, Noted, Result, distinct, list_of, set, texts};
use super::{RetrievalSet, VideoIds};
use crate::data::reader::{FileError, Loaded};
use crate::formats::Limits;
use crate::formats::pickle::{At, Value};

/// Reads `activity_net.pickle` of ViSiL (a dict from query to the set of its relevant videos), or the JSON form (parallel lists `queries` and
/// `relevant`); compressed files as well. The relevant videos of a query are ascending.
///
/// # Errors
/// [`FileError`], naming file, field, and what was expected and found.
pub fn load(path: &Path, limits: &Limits) -> std::result::Result<Loaded<RetrievalSet<Vec<u32>>>, FileError> {
    fields::load(path, limits, interpret)
}

fn interpret(value: &Value) -> Result<Noted<RetrievalSet<Vec<u32>>>> {
    let root = value.as_dict()?;
    let entries: Vec<(At<'_>, At<'_>)> = match (root.find("queries"), root.find("relevant")) {
        (Some(queries), Some(relevant)) => {
            let queries = queries.as_list()?;
            queries.iter().zip(list_of(&relevant, queries.len(), "lists, one for each query")?).collect()
        }
        _ => root.iter().collect(),
    };
    let mut ids = VideoIds::default();
    let queries = entries.iter().map(|(query, _)| ids.insert(query.as_str()?)).collect::<Result<Vec<_>>>()?;
    let relevant = entries.iter().map(|(_, relevant)| set(texts(relevant)?, &mut ids)).collect::<Result<Vec<_>>>()?;
    let (database, warnings) = distinct(queries.clone(), "queries", ids.len());
    Ok((RetrievalSet { ids, queries, database, truths: relevant }, warnings))
}
