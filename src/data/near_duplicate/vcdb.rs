//! VCDB: copies among 528 videos, and 100,000 others (Jiang, Jiang & Wang, *VCDB: A Large-Scale Database for Partial Copy Detection in Videos*,
//! ECCV 2014).

use std::path::Path;

use super::fields::{self, Noted, Result, array_of, distinct, wrong};
use super::{RetrievalSet, VideoIds};
use crate::data::reader::{FileError, Loaded};
use crate::formats::Limits;
use crate::formats::pickle::{At, DictAt, Value};

/// How many videos at the head of the list are queries.
pub const QUERIES: usize = 528;

/// Annotations of VCDB, for evaluation and for training.
#[derive(Debug, Clone, PartialEq)]
pub struct Vcdb {
    /// For evaluation. Relevant to a query are itself and its partners in pairs, ascending.
    pub set: RetrievalSet<Vec<u32>>,
    /// Annotated copies, in the order of the file: what is trained on.
    pub pairs: Vec<VcdbPair>,
    /// Videos that are copies of nothing, in the order of the file, those included that it lists twice: what negatives are drawn from.
    pub negatives: Vec<u32>,
}

/// Two videos that share scenes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VcdbPair {
    /// The videos.
    pub videos: [u32; 2],
    /// The share of each that is in the other.
    pub overlap: [f64; 2],
}

/// Reads `vcdb.pickle`, or the JSON form (`n_queries`, positions in `index` instead of ids, `negs_runs`); compressed files as well.
///
/// # Errors
/// [`FileError`], naming file, field, and what was expected and found.
pub fn load(path: &Path, limits: &Limits) -> std::result::Result<Loaded<Vcdb>, FileError> {
    fields::load(path, limits, interpret)
}

fn interpret(value: &Value) -> Result<Noted<Vcdb>> {
    let root = value.as_dict()?;
    let mut ids = VideoIds::default();
    let index = fields::numbers(&root.get("index")?, &mut ids)?;
    let (pairs, negatives) = match root.find("negs") {
        Some(negatives) => (by_id(&root, &mut ids)?, fields::numbers(&negatives, &mut ids)?),
        None => (by_position(&root, &index)?, runs(&root, &index)?),
    };
    let queries = match root.find("n_queries") {
        Some(number) => position(&number, index.len().saturating_add(1))?,
        None => QUERIES.min(index.len()),
    };
    let (database, warnings) = distinct(index.clone(), "index", ids.len());
    let (queries, _) = distinct(index[..queries].to_vec(), "index", ids.len());
    let truths = relevant(&queries, &pairs, ids.len());
    Ok((Vcdb { set: RetrievalSet { ids, queries, database, truths }, pairs, negatives }, warnings))
}

/// For every query itself and its partners: ascending, each once.
fn relevant(queries: &[u32], pairs: &[VcdbPair], videos: usize) -> Vec<Vec<u32>> {
    let mut partners = vec![vec![]; videos];
    for &VcdbPair { videos: [first, second], .. } in pairs {
        partners[first as usize].push(second);
        partners[second as usize].push(first);
    }
    let relevant = |&query: &u32| {
        let mut relevant = std::mem::take(&mut partners[query as usize]);
        relevant.push(query);
        relevant.sort_unstable();
        relevant.dedup();
        relevant
    };
    queries.iter().map(relevant).collect()
}

/// Pairs of the pickle.
fn by_id(root: &DictAt<'_>, ids: &mut VideoIds) -> Result<Vec<VcdbPair>> {
    let of = |entry: At<'_>| {
        let entry = entry.as_dict()?;
        let [first, second] = array_of(&entry.get("videos")?, "ids")?;
        let videos = [ids.insert(first.as_str()?)?, ids.insert(second.as_str()?)?];
        let [first, second] = array_of(&entry.get("overlap")?, "shares")?;
        Ok(VcdbPair { videos, overlap: [first.as_f64()?, second.as_f64()?] })
    };
    root.get("video_pairs")?.as_list()?.iter().map(of).collect()
}

/// Pairs of the JSON form: two positions and two shares.
fn by_position(root: &DictAt<'_>, index: &[u32]) -> Result<Vec<VcdbPair>> {
    let of = |entry: At<'_>| {
        let [first, second, of_first, of_second] = array_of(&entry, "numbers")?;
        let videos = [index[position(&first, index.len())?], index[position(&second, index.len())?]];
        Ok(VcdbPair { videos, overlap: [of_first.as_f64()?, of_second.as_f64()?] })
    };
    root.get("video_pairs")?.as_list()?.iter().map(of).collect()
}

/// Negatives of the JSON form: runs of positions.
fn runs(root: &DictAt<'_>, index: &[u32]) -> Result<Vec<u32>> {
    let mut negatives = vec![];
    for run in root.get("negs_runs")?.as_list()?.iter() {
        let [start, length] = array_of(&run, "numbers: start and length")?;
        let start_at = position(&start, index.len().saturating_add(1))?;
        let left = index.len() - start_at;
        let length = position(&length, left.saturating_add(1))?;
        // Runs that overlap could describe lists without end.
        if negatives.len() + length > index.len() {
            return Err(wrong(&run, format!("at most {} negatives", index.len()), "more"));
        }
        negatives.extend_from_slice(&index[start_at..start_at + length]);
    }
    Ok(negatives)
}

/// A number below a bound.
fn position(at: &At<'_>, below: usize) -> Result<usize> {
    let number = at.as_i64()?;
    let position = usize::try_from(number).ok().filter(|number| *number < below);
    position.ok_or_else(|| wrong(at, format!("a number below {below}"), number.to_string()))
}
