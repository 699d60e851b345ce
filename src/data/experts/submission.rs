//! Submissions to the challenge on video retrieval (CVPR 2020): the predictions of several data sets in one zip archive.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zip::write::{SimpleFileOptions, ZipWriter};

use super::folder::Dataset;
use crate::data::{FileError, FileProblem};
use crate::formats::{Limits, limits};
use crate::{digest, files};

/// Videos named for each query.
const COLUMNS: usize = 10;

/// The longest file of predictions; the longest of the challenge has 60 thousand lines, less than 4 MB.
const LONGEST: u64 = 16 << 20;

/// Queries of every data set of the challenge, by phase: captions that are there of all videos.
const QUERIES: [(&str, [usize; 2]); 6] = [
    ("MSRVTT", [9940, 59_794]),
    ("LSMDC", [7408, 1000]),
    ("YouCook2", [969, 3310]),
    ("MSVD", [4290, 27_763]),
    ("DiDeMo", [1065, 1004]),
    ("ActivityNet", [1001, 4917]),
];

/// A part of the challenge, named as the split that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChallengePhase {
    /// `public_server_val`.
    #[default]
    Val,
    /// `public_server_test`.
    Test,
}

impl ChallengePhase {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Val, Self::Test];

    /// Its name in the published program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Val => "public_server_val",
            Self::Test => "public_server_test",
        }
    }
}

impl fmt::Display for ChallengePhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ChallengePhase {
    type Err = SubmissionError;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|phase| phase.name() == name);
        found.ok_or_else(|| SubmissionError::UnknownPhase { found: name.into() })
    }
}

/// Why a submission was refused.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum SubmissionError {
    /// A name that is no phase's.
    #[error("one of public_server_val, public_server_test expected as the phase of the challenge, got {found:?}")]
    UnknownPhase { found: String },
    /// A data set that has no part in the challenge.
    #[error("one of {} expected as a data set of the challenge, got {found:?}", known())]
    UnknownDataset { found: String },
    /// A data set with several predictions.
    #[error("{dataset}: its predictions are given twice, {} and {}", first.display(), second.display())]
    Twice { dataset: &'static str, first: PathBuf, second: PathBuf },
    /// No data set at all.
    #[error("no predictions are given: a submission has those of at least one data set")]
    Nothing,
    /// A list of predictions without the phase.
    #[error("{}: {dataset} has no predictions of {phase}, there are {found}", path.display())]
    NoPhase { path: PathBuf, dataset: String, phase: ChallengePhase, found: String },
    /// Predictions of another number of queries.
    #[error("{}: {expected} lines expected for {dataset} {phase}, one for each query, found {found}", path.display())]
    Rows { path: PathBuf, dataset: &'static str, phase: ChallengePhase, expected: usize, found: usize },
    /// A query with another number of videos.
    #[error("{}: line {line}: {expected} columns expected, found {found}", path.display())]
    Columns { path: PathBuf, line: u64, expected: usize, found: usize },
    /// An entry that is none of the videos.
    #[error("{}: line {line}, column {column}: the number of a video, 0 to {last}, expected, found {found:?}", path.display())]
    Entry { path: PathBuf, line: u64, column: usize, last: usize, found: String },
    /// Files that would have one name in the archive.
    #[error("{} and {} would both be {name:?} in the archive: rename one", first.display(), second.display())]
    SameName { name: String, first: PathBuf, second: PathBuf },
    /// A path that ends in no name, or in one that is no text.
    #[error("{}: it has no name to be stored under", path.display())]
    NoName { path: PathBuf },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

type Result<T, E = SubmissionError> = std::result::Result<T, E>;

fn known() -> String {
    QUERIES.map(|(name, _)| name).join(", ")
}

/// Where the archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// It was written.
    Written(PathBuf),
    /// One of this phase and these paths was there before and is unchanged, whatever the files hold now.
    Kept(PathBuf),
}

/// The predictions of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Predictions {
    dataset: &'static str,
    queries: usize,
    /// How many videos there are to choose from.
    videos: usize,
    path: PathBuf,
    /// Its name in the archive.
    name: String,
}

/// Predictions to submit: for each data set a CSV file without header, for every query a line of the ten best videos, which are numbered from 0 in
/// the order of the list (`report::predictions`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    phase: ChallengePhase,
    predictions: Vec<Predictions>,
    /// Whether the files are held to what the challenge asks for: a line per query, ten columns, numbers of videos. `--validate 0` of the
    /// published program leaves it out.
    pub validate: bool,
    /// Whether an archive is written where there is one of this phase and these paths.
    pub refresh: bool,
}

impl Submission {
    /// The files of some data sets, by their names. Nothing is read yet.
    ///
    /// # Errors
    /// A data set that is not part of the challenge, or is given twice; no data set; files of one base name, under which the published
    /// program would store both.
    pub fn new(
        phase: ChallengePhase,
        predictions: impl IntoIterator<Item = (String, PathBuf)>,
    ) -> Result<Self, SubmissionError> {
        let mut given: Vec<Predictions> = vec![];
        for (dataset, path) in predictions {
            let new = Predictions::new(phase, &dataset, path)?;
            if let Some(old) = given.iter().find(|old| old.dataset == new.dataset) {
                let (first, second) = (old.path.clone(), new.path);
                return Err(SubmissionError::Twice { dataset: new.dataset, first, second });
            }
            if let Some(old) = given.iter().find(|old| old.name == new.name) {
                let (first, second) = (old.path.clone(), new.path);
                return Err(SubmissionError::SameName { name: new.name, first, second });
            }
            given.push(new);
        }
        if given.is_empty() {
            return Err(SubmissionError::Nothing);
        }
        Ok(Self { phase, predictions: given, validate: true, refresh: false })
    }

    /// The same from the published list: JSON, `{data set: {phase: path of the CSV}}`. Paths are relative to the working directory.
    ///
    /// # Errors
    /// As [`Submission::new`]; a file that is no such list, and a data set without the phase.
    pub fn read(phase: ChallengePhase, path: &Path) -> Result<Self> {
        let text = files::read_text(path).map_err(|error| FileError::file(path, error))?;
        let listed: BTreeMap<String, BTreeMap<String, PathBuf>> =
            serde_json::from_str(&text).map_err(|error| FileError::file(path, FileProblem::Content(error.into())))?;
        let of_phase = |(dataset, mut phases): (String, BTreeMap<String, PathBuf>)| {
            let Some(file) = phases.remove(phase.name()) else {
                let found = phases.into_keys().collect::<Vec<_>>().join(", ");
                let found = if found.is_empty() { "none".into() } else { found };
                return Err(SubmissionError::NoPhase { path: path.into(), dataset, phase, found });
            };
            Ok((dataset, file))
        };
        Self::new(phase, listed.into_iter().map(of_phase).collect::<Result<Vec<_>>>()?)
    }

    /// Ten hexadecimal digits of the SHA-256 of the sorted paths, one behind the other: what tells submissions apart in the names of archives.
    pub fn hash(&self) -> String {
        // As texts, not by their parts.
        let mut paths: Vec<&[u8]> = self.predictions.iter().map(|of| of.path.as_os_str().as_encoded_bytes()).collect();
        paths.sort_unstable();
        digest::sha256(&paths.concat())[..10].into()
    }

    /// Checks the files and writes the archive `<phase>-<hash>-<time>.zip` into a folder, the files as they are, not compressed, under their base
    /// names. `now` gives the time, in UTC, `YYYY-MM-DD_hh-mm-ss`.
    ///
    /// An archive of this phase and hash that is there already is kept, as published, unless [`refresh`](Self::refresh) is set: the hash is one of paths, so
    /// that it may hold other predictions.
    ///
    /// # Errors
    /// [`SubmissionError`], naming the file; nothing is written then.
    pub fn write(&self, folder: &Path, now: SystemTime) -> Result<Submitted> {
        let limits = Limits { input_bytes: LONGEST, ..Limits::default() };
        let mut archive = ZipWriter::new(Cursor::new(vec![]));
        let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for predictions in &self.predictions {
            let path = &predictions.path;
            let read = || Ok(limits::read_file(path, &limits)??);
            let contents = read().map_err(|problem: FileProblem| FileError::file(path, problem))?;
            if self.validate {
                predictions.check(self.phase, &contents)?;
            }
            let failed = |error| FileError::file(path, error);
            archive.start_file(&predictions.name, stored).map_err(|error| failed(io::Error::from(error)))?;
            archive.write_all(&contents).map_err(failed)?;
        }
        let begin = format!("{}-{}-", self.phase, self.hash());
        if !self.refresh
            && let Some(kept) = newest(folder, &begin).map_err(|error| FileError::file(folder, error))?
        {
            return Ok(Submitted::Kept(kept));
        }
        let path = folder.join(format!("{begin}{}.zip", stamp(now)));
        let write = || files::write_atomically(&path, archive.finish()?.get_ref());
        write().map_err(|error| FileError::file(&path, error))?;
        Ok(Submitted::Written(path))
    }
}

impl Predictions {
    fn new(phase: ChallengePhase, dataset: &str, path: PathBuf) -> Result<Self> {
        let unknown = || SubmissionError::UnknownDataset { found: dataset.into() };
        let of = Dataset::find(dataset).map_err(|_| unknown())?;
        let (name, queries) = QUERIES.into_iter().find(|(name, _)| *name == of.name).ok_or_else(unknown)?;
        let split = of.split(phase.name()).map_err(|_| unknown())?;
        let Some(stored) = path.file_name().and_then(|name| name.to_str()).map(String::from) else {
            return Err(SubmissionError::NoName { path });
        };
        Ok(Self { dataset: name, queries: queries[phase as usize], videos: split.videos.1, path, name: stored })
    }

    /// As published, a video may stand in a line twice.
    fn check(&self, phase: ChallengePhase, contents: &[u8]) -> Result<()> {
        let mut lines = csv::ReaderBuilder::new();
        lines.has_headers(false).flexible(true).quoting(false).trim(csv::Trim::All);
        let mut lines = lines.from_reader(contents);
        let (mut line, mut found) = (csv::ByteRecord::new(), 0);
        let path = || self.path.clone();
        // The reader of lines passes over it; the number that it stands before is none for others.
        if contents.starts_with(b"\xef\xbb\xbf") {
            let (last, found) = (self.videos.saturating_sub(1), "a byte order mark".into());
            return Err(SubmissionError::Entry { path: path(), line: 1, column: 1, last, found });
        }
        let failed = |error| FileError::file(&self.path, io::Error::from(error));
        while lines.read_byte_record(&mut line).map_err(failed)? {
            let number = line.position().map_or(0, csv::Position::line);
            if line.len() != COLUMNS {
                let (expected, found) = (COLUMNS, line.len());
                return Err(SubmissionError::Columns { path: path(), line: number, expected, found });
            }
            if let Some(column) = line.iter().position(|entry| !self.has_video(entry)) {
                let found = beginning(&line[column]);
                let last = self.videos.saturating_sub(1);
                return Err(SubmissionError::Entry { path: path(), line: number, column: column + 1, last, found });
            }
            found += 1;
        }
        let (dataset, expected) = (self.dataset, self.queries);
        if found == expected {
            Ok(())
        } else {
            Err(SubmissionError::Rows { path: path(), dataset, phase, expected, found })
        }
    }

    /// Whether an entry is the number of a video.
    fn has_video(&self, entry: &[u8]) -> bool {
        let number = std::str::from_utf8(entry).ok().and_then(|text| text.parse::<usize>().ok());
        number.is_some_and(|video| video < self.videos)
    }
}

/// Of an entry that may be long.
fn beginning(entry: &[u8]) -> String {
    const SHOWN: usize = 40;
    let text = String::from_utf8_lossy(&entry[..entry.len().min(SHOWN)]);
    if entry.len() > SHOWN { format!("{text}...") } else { text.into() }
}

/// The newest of the archives whose names begin so.
fn newest(folder: &Path, begin: &str) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut newest = None;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(begin) && name.ends_with(".zip") && path.is_file() {
            newest = newest.max(Some(path));
        }
    }
    Ok(newest)
}

/// `YYYY-MM-DD_hh-mm-ss` in UTC; times before 1970 are its first second.
fn stamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}_{hour:02}-{minute:02}-{second:02}")
}

/// Year, month and day of the Gregorian calendar, of days since 1970-01-01 (Hinnant, `civil_from_days`, for days that are not negative).
fn date(days: u64) -> (u64, u64, u64) {
    // Years begin in March, so that the leap day is their last.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + 400 * era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        // `date -u -d @N +%Y-%m-%d_%H-%M-%S`.
        for (seconds, expected) in [
            (0, "1970-01-01_00-00-00"),
            (951_782_399, "2000-02-28_23-59-59"),
            (951_782_400, "2000-02-29_00-00-00"),
            (1_591_012_800, "2020-06-01_12-00-00"),
            (1_709_251_199, "2024-02-29_23-59-59"),
            (1_735_689_599, "2024-12-31_23-59-59"),
            (4_107_542_400, "2100-03-01_00-00-00"),
        ] {
            assert_eq!(stamp(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
        assert_eq!(stamp(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01_00-00-00");
    }

    #[test]
    fn every_data_set_of_the_challenge_has_its_two_lists() {
        for (name, queries) in QUERIES {
            for phase in ChallengePhase::ALL {
                let videos = Dataset::find(name).unwrap().split(phase.name()).unwrap().videos.1;
                assert!(videos >= COLUMNS && queries[phase as usize] >= videos, "{name}");
            }
        }
    }
}
