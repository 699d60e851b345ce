//! The result file of the official FIVR-200K evaluation: `{"QUERY": {"VIDEO": similarity, ..}, ..}`.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::io::{self, BufReader};
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::VideoIds;
use crate::data::{FileError, FileProblem};
use crate::files;
use crate::formats::FormatError;

/// Why results cannot be written or read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ResultProblem {
    /// A similarity that JSON has no number for.
    #[error("query {query:?}, video {video:?}: the similarity is {value}, not a finite number")]
    NotFinite {
        /// The query.
        query: String,
        /// The video.
        video: String,
        /// The similarity.
        value: f64,
    },
    /// A query that comes twice.
    #[error("query {query:?} comes twice")]
    RepeatedQuery {
        /// The query.
        query: String,
    },
}

impl From<ResultProblem> for FileProblem {
    fn from(problem: ResultProblem) -> Self {
        Self::Content(problem.into())
    }
}

/// Writes results, query by query as they come; the file is replaced when all are written.
///
/// # Errors
/// [`FileError`] with [`ResultProblem`], or with any error of the file system; what was there before stays.
pub fn write_results<'a, R>(path: &Path, queries: impl IntoIterator<Item = (&'a str, R)>) -> Result<(), FileError>
where
    R: IntoIterator<Item = (&'a str, f64)>,
{
    let mut refused = None;
    let written = files::write_with(path, |file| {
        let mut seen = HashSet::new();
        let mut refuse = |problem| {
            refused = Some(problem);
            Err(io::Error::from(io::ErrorKind::InvalidData))
        };
        write!(file, "{{")?;
        for (number, (query, results)) in queries.into_iter().enumerate() {
            if !seen.insert(query) {
                return refuse(ResultProblem::RepeatedQuery { query: query.into() });
            }
            let text = serde_json::to_string(query)?;
            write!(file, "{}{text}: {{", if number > 0 { ",\n" } else { "" })?;
            for (place, (video, value)) in results.into_iter().enumerate() {
                if !value.is_finite() {
                    return refuse(ResultProblem::NotFinite { query: query.into(), video: video.into(), value });
                }
                let (text, value) = (serde_json::to_string(video)?, serde_json::to_string(&value)?);
                write!(file, "{}{text}: {value}", if place > 0 { ", " } else { "" })?;
            }
            write!(file, "}}")?;
        }
        writeln!(file, "}}")
    });
    match (written, refused) {
        (_, Some(problem)) => Err(FileError::file(path, problem)),
        (Err(error), None) => Err(FileError::file(path, error)),
        (Ok(()), None) => Ok(()),
    }
}

/// What was read of a result file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultFile {
    /// Queries that were read.
    pub queries: usize,
    /// Queries whose ids are not known: left out, as the official script does.
    pub unknown_queries: Vec<String>,
    /// Results, of all queries, of videos whose ids are not known: left out likewise.
    pub unknown_videos: usize,
}

/// Reads a result file of any length and calls `each` with the number of a query, and numbers of videos and their similarities in the order of the
/// file. One query is in memory at a time. Of a video that comes again the last similarity counts, for `metrics::near_duplicate::Results` too.
///
/// # Errors
/// [`FileError`], with line and column where the file is no JSON of this layout (NaN and infinities are none), with [`ResultProblem`] of a query
/// that comes twice, or with the error of `each`.
pub fn read_results<E: Into<Box<dyn Error + Send + Sync>>>(
    path: &Path,
    ids: &VideoIds,
    each: impl FnMut(u32, &[(u32, f64)]) -> Result<(), E>,
) -> Result<ResultFile, FileError> {
    let (file, _) = files::open_regular(path).map_err(|error| FileError::file(path, error))?;
    let mut refused = None;
    let queries = Queries { ids, each, refused: &mut refused };
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(file));
    let read = queries.deserialize(&mut json).and_then(|read| json.end().map(|()| read));
    read.map_err(|error| FileError::file(path, refused.unwrap_or_else(|| json_problem(&error))))
}

fn json_problem(error: &serde_json::Error) -> FileProblem {
    let (line, column) = (error.line(), error.column());
    FormatError::Json { line, column, what: error.to_string() }.into()
}

/// All queries of a file.
struct Queries<'a, F> {
    ids: &'a VideoIds,
    each: F,
    /// What was wrong where it is nothing with the JSON.
    refused: &'a mut Option<FileProblem>,
}

impl<'de, F, E> DeserializeSeed<'de> for Queries<'_, F>
where
    F: FnMut(u32, &[(u32, f64)]) -> Result<(), E>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Value = ResultFile;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<ResultFile, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de, F, E> Visitor<'de> for Queries<'_, F>
where
    F: FnMut(u32, &[(u32, f64)]) -> Result<(), E>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Value = ResultFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object from queries to their results")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<ResultFile, A::Error> {
        let (mut file, mut seen, mut results) = (ResultFile::default(), HashSet::new(), vec![]);
        while let Some(query) = map.next_key::<String>()? {
            let Some(number) = self.ids.number(&query) else {
                map.next_value::<IgnoredAny>()?;
                file.unknown_queries.push(query);
                continue;
            };
            if !seen.insert(number) {
                *self.refused = Some(ResultProblem::RepeatedQuery { query }.into());
                return Err(A::Error::custom("refused"));
            }
            results.clear();
            file.unknown_videos += map.next_value_seed(OneQuery { ids: self.ids, results: &mut results })?;
            if let Err(error) = (self.each)(number, &results) {
                *self.refused = Some(FileProblem::Content(error.into()));
                return Err(A::Error::custom("refused"));
            }
            file.queries += 1;
        }
        Ok(file)
    }
}

/// The results of one query; gives the number of videos that are not known.
struct OneQuery<'a> {
    ids: &'a VideoIds,
    results: &'a mut Vec<(u32, f64)>,
}

impl<'de> DeserializeSeed<'de> for OneQuery<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<usize, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneQuery<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object from videos to similarities")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        let mut unknown = 0;
        while let Some(video) = map.next_key_seed(Id(self.ids))? {
            let similarity = map.next_value::<f64>()?;
            match video {
                Some(video) => self.results.push((video, similarity)),
                None => unknown += 1,
            }
        }
        Ok(unknown)
    }
}

/// The number of an id, without a copy of it.
struct Id<'a>(&'a VideoIds);

impl<'de> DeserializeSeed<'de> for Id<'_> {
    type Value = Option<u32>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<u32>, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Id<'_> {
    type Value = Option<u32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id of a video")
    }

    fn visit_str<E>(self, id: &str) -> Result<Option<u32>, E> {
        Ok(self.0.number(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (ResultFile, Vec<(u32, Vec<(u32, f64)>)>);

    fn ids() -> VideoIds {
        let mut ids = VideoIds::default();
        for id in ["q", "ä\"", "v"] {
            ids.insert(id).unwrap();
        }
        ids
    }

    fn read(path: &Path) -> Result<Read, FileError> {
        let mut all = vec![];
        let file = read_results(path, &ids(), |query, results| {
            all.push((query, results.to_vec()));
            Ok::<_, ResultProblem>(())
        })?;
        Ok((file, all))
    }

    #[test]
    fn results_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        let first = vec![("v", 0.1), ("ä\"", -1e-300), ("other", 2.0)];
        write_results(&path, [("q", first), ("nobody", vec![("v", 0.0)]), ("v", vec![])]).unwrap();
        let (file, all) = read(&path).unwrap();
        assert_eq!(all, [(0, vec![(2, 0.1), (1, -1e-300)]), (2, vec![])]);
        assert_eq!(file, ResultFile { queries: 2, unknown_queries: vec!["nobody".into()], unknown_videos: 1 });
    }

    #[test]
    fn what_is_no_number_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        for (value, text) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let error = write_results(&path, [("q", vec![("v", 0.5), ("u", value)])]).unwrap_err().to_string();
            assert!(
                error.ends_with(&format!("query \"q\", video \"u\": the similarity is {text}, not a finite number"))
            );
        }
        let error = write_results(&path, [("q", vec![]), ("q", vec![])]).unwrap_err().to_string();
        assert!(error.ends_with("query \"q\" comes twice"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_result_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        for (text, expected) in [
            ("", "line 1, column 0"),
            ("[]", "an object from queries to their results"),
            ("{\"q\": 1}", "an object from videos to similarities"),
            ("{\"q\": {\"v\": NaN}}", "line 1, column"),
            ("{\"q\": {\"v\": 1e999}}", "number out of range"),
            ("{\"q\": {\"v\": null}}", "f64"),
            ("{\"q\": {\"v\": 1}} x", "trailing characters"),
            ("{\"q\": {}, \"q\": {}}", "query \"q\" comes twice"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        std::fs::write(&path, "{\"q\": {\"v\": 1}}").unwrap();
        let error = read_results(&path, &ids(), |_, _| Err("enough")).unwrap_err().to_string();
        assert!(error.ends_with("enough"), "{error}");
    }
}
