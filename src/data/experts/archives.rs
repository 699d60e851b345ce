//! The published archives of features: names, addresses and sums.
//!
//! `<root_url>/<release>/[<hash>-]<name>`; the publications do not state the address of the server for good, nor the sizes. The published
//! script does not compare sums; [`verify`] does.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha1::{Digest, Sha1};

use crate::digest;

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum FeatureArchiveError {
    /// A name that is not published.
    #[error("{option}: one of {known} expected, got {value:?}")]
    Unknown { option: &'static str, known: String, value: String },
    /// Features that are given out on request.
    #[error(
        "the features of {dataset} are given out with an access code: ask the authors of the data set for one, and pass --access_code"
    )]
    AccessCode { dataset: String },
    /// An access code for features that need none.
    #[error("--access_code: the features of {dataset} need none")]
    NoAccessCode { dataset: String },
    /// The file is not what was published.
    #[error("{}: SHA-1 {expected} expected, found {found}: the file is damaged, truncated or another version", path.display())]
    Sum { path: PathBuf, expected: String, found: String },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// The server does not answer, or not with the file.
    #[error("{url}: {problem}")]
    Server { url: String, problem: String },
    /// The file is longer than is taken; no length was found where the server did not say any.
    #[error("{url}: a file of at most {limit} bytes expected, found {}", found.map_or("more".into(), |found| format!("{found} bytes")))]
    TooLarge { url: String, limit: u64, found: Option<u64> },
    /// The server sends elsewhere.
    #[error(
        "{url}: redirected from {from} to {to}: another host or port, or one without https, is not followed; give the address itself"
    )]
    Redirected { url: String, from: String, to: String },
    /// The same file is being fetched already.
    #[error("{}: another process is fetching it", path.display())]
    InUse { path: PathBuf },
    /// The connection ended early, or nothing came any more. `kept` says whether another call goes on with what has come.
    #[error(
        "{url}: the connection ended after {received} bytes of {total}: {problem}; {}",
        if *kept { "what has come is kept, run again to go on" } else { "run again to start over" }
    )]
    Interrupted { url: String, received: u64, total: String, problem: String, kept: bool },
}

/// A published set of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Release {
    /// The features of the first publication.
    FeaturesV1,
    /// The default of the published script.
    #[default]
    FeaturesV2,
    /// The challenge, first release.
    Challenge1,
    /// The challenge, second release.
    Challenge2,
    /// Features of videos in higher quality (TeachText).
    HighQuality,
}

const RELEASES: [(&str, Release); 5] = [
    ("features-v1", Release::FeaturesV1),
    ("features-v2", Release::FeaturesV2),
    ("challenge-release-1", Release::Challenge1),
    ("challenge-release-2", Release::Challenge2),
    ("high-quality", Release::HighQuality),
];

/// Data sets by the names of the published script, which are those of their folders too.
const DATASETS: [&str; 8] =
    ["LSMDC", "MSRVTT", "MSVD", "DiDeMo", "activity-net", "YouCook2", "QuerYD", "QuerYDSegments"];

impl Release {
    /// Its name in the published script and in the address.
    pub fn name(self) -> &'static str {
        RELEASES.iter().find(|(_, release)| *release == self).map_or("", |(name, _)| name)
    }
}

impl FromStr for Release {
    type Err = FeatureArchiveError;

    fn from_str(name: &str) -> Result<Self, FeatureArchiveError> {
        let found = RELEASES.iter().find(|(known, _)| *known == name).map(|(_, release)| *release);
        found.ok_or_else(|| unknown("--release", RELEASES.map(|(name, _)| name).join(", "), name))
    }
}

fn unknown(option: &'static str, known: String, value: &str) -> FeatureArchiveError {
    FeatureArchiveError::Unknown { option, known, value: value.into() }
}

/// One published archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureArchive {
    dataset: &'static str,
    release: Release,
    hash: Option<String>,
}

impl FeatureArchive {
    /// The archive of a data set, by its name in the published script, such as `MSRVTT` or `activity-net`.
    ///
    /// # Errors
    /// [`FeatureArchiveError::Unknown`] for another data set, [`FeatureArchiveError::AccessCode`] for LSMDC without a code, and
    /// [`FeatureArchiveError::NoAccessCode`] for a code that is not asked for.
    pub fn new(dataset: &str, release: Release, access_code: Option<&str>) -> Result<Self, FeatureArchiveError> {
        let known = DATASETS.iter().find(|known| known.eq_ignore_ascii_case(dataset));
        let dataset = *known.ok_or_else(|| unknown("--dataset", DATASETS.join(", "), dataset))?;
        let code = access_code.filter(|code| !code.is_empty());
        match (dataset, code) {
            ("LSMDC", None) => return Err(FeatureArchiveError::AccessCode { dataset: dataset.into() }),
            ("LSMDC", _) | (_, None) => {}
            _ => return Err(FeatureArchiveError::NoAccessCode { dataset: dataset.into() }),
        }
        let hash = code.map(|code| digest::sha256(code.as_bytes())[..10].to_owned());
        Ok(Self { dataset, release, hash })
    }

    /// `<dataset>-experts.tar.gz`, after `<release>-` for the challenge and the features in high quality.
    pub fn name(&self) -> String {
        let plain = format!("{}-experts.tar.gz", self.dataset);
        match self.release {
            Release::FeaturesV1 | Release::FeaturesV2 => plain,
            release => format!("{}-{plain}", release.name()),
        }
    }

    /// Its address: the name comes after the first ten hexadecimal digits of the SHA-256 of the access code, if there is one.
    pub fn url(&self, root_url: &str) -> String {
        let hash = self.hash.as_ref().map(|hash| format!("{hash}-")).unwrap_or_default();
        format!("{}/{}/{hash}{}", root_url.trim_end_matches('/'), self.release.name(), self.name())
    }

    /// Where the published script keeps it: `data/<dataset>/<name>` in the folder of the project.
    pub fn path(&self, project: &Path) -> PathBuf {
        project.join("data").join(self.dataset).join(self.name())
    }

    /// Whether it has been unpacked in the folder of the project: the published script then does nothing.
    pub fn is_unpacked(&self, project: &Path) -> bool {
        project.join("data").join(self.dataset).join("symlinked-feats").exists()
    }

    /// Published SHA-1 sums, any of which may be right: the README and the page of the data set differ for MSRVTT in high quality. Empty
    /// where none is published.
    pub fn sums(&self) -> &'static [&'static str] {
        match (self.release, self.dataset) {
            (Release::FeaturesV1, "MSRVTT") => &["959bda588793ef05f348d16de26da84200c5a469"],
            (Release::FeaturesV1, "LSMDC") => &["7ce018e981752db9e793e449c2ba5bc88217373d"],
            (Release::FeaturesV1, "MSVD") => &["6071827257c14de455b3a13fe1e885c2a7887c9e"],
            (Release::FeaturesV1, "DiDeMo") => &["6fd4bcc68c1611052de2499fd8ab3f488c7c195b"],
            (Release::FeaturesV1, "activity-net") => &["b16685576c97cdec2783fb89ea30ca7d17abb021"],
            (Release::FeaturesV2, "MSRVTT") => &["9018a9bf215e174c982b997fd4ee140eb0865040"],
            (Release::FeaturesV2, "LSMDC") => &["43c9c6090cb34fbbeebebe033e08ae019b11c64f"],
            (Release::FeaturesV2, "MSVD") => &["999ef6e34c9d9ffe15363ade90400741bae5cb34"],
            (Release::FeaturesV2, "DiDeMo") => &["19dfa1272e5db57191446a0c4fca59d298cb8663"],
            (Release::FeaturesV2, "activity-net") => &["2901046fa6a3d6f6393ee0047818e960fcfabd69"],
            (Release::HighQuality, "MSRVTT") => {
                &["734650c3b98509996da75cdedc12101836624917", "311529eeb17527a728a1b930f64415dc15a11298"]
            }
            (Release::HighQuality, "MSVD") => &["c8eba8c5291dd6bb501757ed0cc327cd22217965"],
            (Release::HighQuality, "DiDeMo") => &["8e128309f12cf3260fe538f82578b5ad91a46bd0"],
            (Release::HighQuality, "activity-net") => &["2f3c7c2fe86bd6d0c6230464a940c429291a4012"],
            _ => &[],
        }
    }
}

/// Compares the SHA-1 of a file, read in pieces, with sums any of which may be right; with none, nothing is compared. Returns the sum found.
///
/// # Errors
/// [`FeatureArchiveError::Sum`] or [`FeatureArchiveError::Io`], naming the file.
pub fn verify(path: &Path, sums: &[&str]) -> Result<String, FeatureArchiveError> {
    let file = File::open(path).map_err(|source| FeatureArchiveError::Io { path: path.into(), source })?;
    check_sum(file, path, sums)
}

/// The same of a file that is open.
pub(super) fn check_sum(mut file: impl Read, path: &Path, sums: &[&str]) -> Result<String, FeatureArchiveError> {
    let failed = |source| FeatureArchiveError::Io { path: path.into(), source };
    let (mut sum, mut buffer) = (Sha1::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            read => sum.update(&buffer[..read]),
        }
    }
    let found = digest::hex(&sum.finalize());
    if sums.is_empty() || sums.iter().any(|sum| sum.eq_ignore_ascii_case(&found)) {
        return Ok(found);
    }
    Err(FeatureArchiveError::Sum { path: path.into(), expected: sums.join(" or "), found })
}
