//! FIVR-200K and FIVR-5K (Kordopatis-Zilos et al., *FIVR: Fine-grained Incident Video Retrieval*, TMM 2019).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::fields::{self, Noted, Result, distinct, set, texts};
use super::{RetrievalSet, VideoIds};
use crate::data::reader::{FileError, FileProblem, Loaded, Reader};
use crate::formats::limits::Budget;
use crate::formats::pickle::{DictAt, Value};
use crate::formats::{Limits, packed};
use crate::relevance::near_duplicate::{FivrLabel, FivrTruth};

/// The version that files without lists have: all queries of the annotation, all listed ids.
const ALL: &str = "200k";

/// The key of the pickle that is no version.
const ANNOTATION: &str = "annotation";

/// Where the annotations are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FivrFiles {
    /// `fivr.pickle`: `annotation`, and for each version a dict of `queries` and `database`.
    Pickle(PathBuf),
    /// The files of the FIVR-200K repository.
    Lists {
        /// `annotation.json`.
        annotation: PathBuf,
        /// `youtube_ids.txt`, one id a line.
        ids: PathBuf,
        /// For other versions (`5k`) a JSON file of lists `queries` and `database`.
        versions: Vec<(String, PathBuf)>,
    },
}

/// A version that the files do not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("FIVR version {wanted:?} is not there; there is {}", if there.is_empty() { "none".into() } else { there.join(", ") })]
pub struct NoVersion {
    /// The version asked for.
    pub wanted: String,
    /// Those that are there.
    pub there: Vec<String>,
}

impl From<NoVersion> for FileProblem {
    fn from(error: NoVersion) -> Self {
        Self::Content(error.into())
    }
}

/// Reads a version, such as `5k` or `200k`, from plain or compressed files.
///
/// The database keeps the order of the file; where it is a set of a pickle, whose order in Python changes from run to run, this decides about tied
/// videos.
///
/// # Errors
/// [`FileError`], naming file, field, and what was expected and found; [`NoVersion`] of a version that is not there; a query without annotation.
pub fn load(
    files: &FivrFiles,
    version: &str,
    limits: &Limits,
) -> std::result::Result<Loaded<RetrievalSet<FivrTruth>>, FileError> {
    match files {
        FivrFiles::Pickle(path) => fields::load(path, limits, |value| from_pickle(value, version)),
        FivrFiles::Lists { annotation, ids, versions } => {
            let mut reader = Reader::new(limits);
            let labels = reader.tree(annotation, &[])?;
            let of_annotation = |problem| FileError::file(annotation, problem);
            let root = labels.as_dict().map_err(|problem| of_annotation(problem.into()))?;
            let (mut set, warnings) = match versions.iter().find(|(name, _)| name == version) {
                Some((_, path)) => {
                    let lists = reader.tree(path, &[])?;
                    lists
                        .as_dict()
                        .map_err(FileProblem::from)
                        .and_then(|lists| fields::lists(&lists))
                        .map_err(|problem| FileError::file(path, problem))?
                }
                None if version == ALL => all(&root, &text(&mut reader, ids)?).map_err(of_annotation)?,
                None => {
                    let mut there: Vec<String> = versions.iter().map(|(name, _)| name.clone()).collect();
                    there.push(ALL.into());
                    return Err(of_annotation(NoVersion { wanted: version.into(), there }.into()));
                }
            };
            reader.warnings.extend(warnings);
            let unknown = annotate(&mut set, &root).map_err(of_annotation)?;
            reader.warnings.extend(unknown);
            Ok(reader.loaded(set))
        }
    }
}

fn from_pickle(value: &Value, version: &str) -> Result<Noted<RetrievalSet<FivrTruth>>> {
    let root = value.as_dict()?;
    let annotation = root.get(ANNOTATION)?.as_dict()?;
    let names = root.dict().entries().iter().filter_map(|(name, _)| name.as_str().ok());
    let there: Vec<String> = names.filter(|name| *name != ANNOTATION).map(String::from).collect();
    let lists = root.find(version).filter(|_| version != ANNOTATION);
    let lists = lists.ok_or(NoVersion { wanted: version.into(), there })?;
    let (mut set, mut warnings) = fields::lists(&lists.as_dict()?)?;
    warnings.extend(annotate(&mut set, &annotation)?);
    Ok((set, warnings))
}

/// Queries in the order of the annotation, the database in that of the lines.
fn all(annotation: &DictAt<'_>, lines: &str) -> Result<Noted<RetrievalSet<FivrTruth>>> {
    let mut ids = VideoIds::default();
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let listed = lines.map(|id| ids.insert(id)).collect::<Result<Vec<_>>>()?;
    let (database, warnings) = distinct(listed, "list of ids", ids.len());
    let queries = annotation.iter().map(|(query, _)| ids.insert(query.as_str()?)).collect::<Result<Vec<_>>>()?;
    Ok((RetrievalSet { ids, queries, database, truths: vec![] }, warnings))
}

/// The truths of all queries of a set; a warning of labels that are not known.
fn annotate(of: &mut RetrievalSet<FivrTruth>, annotation: &DictAt<'_>) -> Result<Option<String>> {
    let mut unknown = BTreeSet::new();
    for index in 0..of.queries.len() {
        let id = of.ids.id(of.queries[index]).unwrap_or_default().to_string();
        let labels = annotation.get(id.as_str())?.as_dict()?;
        let mut truth = FivrTruth::default();
        for (name, videos) in labels.iter() {
            let name = name.as_str()?;
            match FivrLabel::ALL.into_iter().find(|label| label.name() == name) {
                Some(label) => truth.add(label, set(texts(&videos)?, &mut of.ids)?),
                None => drop(unknown.insert(name)),
            }
        }
        of.truths.push(truth);
    }
    let names: Vec<&str> = unknown.into_iter().collect();
    Ok((!names.is_empty()).then(|| format!("{ANNOTATION}: labels that no task counts: {}", names.join(", "))))
}

/// The text of a plain or compressed file.
fn text(reader: &mut Reader<'_>, path: &Path) -> std::result::Result<String, FileError> {
    let bytes = reader.bytes(path)?;
    let read = || {
        let mut budget = Budget::new(reader.limits, bytes.len());
        let text = packed::contents(&bytes, &mut budget).map_err(crate::formats::FormatError::from)?;
        String::from_utf8(text.into_owned()).map_err(|_| FileProblem::Content("the list of ids is not UTF-8".into()))
    };
    read().map_err(|problem| FileError::file(path, problem))
}
