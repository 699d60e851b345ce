//! The published archives of features: names, addresses, sizes and sums.
//!
//! `<root_url>/<release>/[<hash>-]<name>`, and `<root_url>/[<hash>-]<name>` for the first release; the root is another for the first release and
//! for the features in high quality ([`Release::root_url`]), and the owners of LSMDC give out its address with a code. Sizes are stated for some,
//! sums for those that are not of a challenge and not of QuerYD. The published script does not compare sums; [`verify`] does.

mod error;
mod published;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha1::{Digest, Sha1};

pub use error::{FeatureArchiveError, MemberProblem};
use published::{PUBLISHED, Published};

use crate::digest;
use crate::files::read_text;

/// A published set of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Release {
    /// The features of the first publication, which the published script does not fetch any more: its page says that they do not fit the
    /// program.
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
    /// Its name in the published script and in the address; that of the first release, which has none there, is `features-v1` here.
    pub fn name(self) -> &'static str {
        RELEASES.iter().find(|(_, release)| *release == self).map_or("", |(name, _)| name)
    }

    /// The root of its published addresses. That of the features in high quality is not the one that the published script has by default.
    pub fn root_url(self) -> &'static str {
        match self {
            Self::FeaturesV1 => {
                "http://www.robots.ox.ac.uk/~vgg/research/collaborative-experts/data-deprecated/features"
            }
            Self::HighQuality => "http://www.robots.ox.ac.uk/~vgg/research/teachtext/data-hq",
            Self::FeaturesV2 | Self::Challenge1 | Self::Challenge2 => {
                "http://www.robots.ox.ac.uk/~vgg/research/collaborative-experts/data"
            }
        }
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
    published: &'static Published,
    hash: Option<String>,
}

impl FeatureArchive {
    /// The archive of a data set, by its name in the published script, such as `MSRVTT` or `activity-net`. A code is asked for by LSMDC alone,
    /// and changes the address of any.
    ///
    /// # Errors
    /// [`FeatureArchiveError::Unknown`] for another data set, [`FeatureArchiveError::NotReleased`] for one that the release does not have, and
    /// [`FeatureArchiveError::AccessCode`] for LSMDC without a code.
    pub fn new(dataset: &str, release: Release, access_code: Option<&str>) -> Result<Self, FeatureArchiveError> {
        let known = DATASETS.iter().find(|known| known.eq_ignore_ascii_case(dataset));
        let dataset = *known.ok_or_else(|| unknown("--dataset", DATASETS.join(", "), dataset))?;
        let releases = || PUBLISHED.iter().filter(|archive| archive.dataset == dataset);
        let published = releases().find(|archive| archive.release == release).ok_or_else(|| {
            let known = releases().map(|archive| archive.release.name()).collect::<Vec<_>>().join(", ");
            FeatureArchiveError::NotReleased { dataset: dataset.into(), release: release.name(), known }
        })?;
        let code = access_code.filter(|code| !code.is_empty());
        if dataset == "LSMDC" && code.is_none() {
            return Err(FeatureArchiveError::AccessCode { dataset: dataset.into() });
        }
        let hash = code.map(|code| digest::sha256(code.as_bytes())[..10].to_owned());
        Ok(Self { published, hash })
    }

    /// All that are published: data sets by their names in the published script, and releases.
    pub fn all() -> impl Iterator<Item = (&'static str, Release)> {
        PUBLISHED.iter().map(|archive| (archive.dataset, archive.release))
    }

    /// Its data set, by the name in the published script.
    pub fn dataset(&self) -> &'static str {
        self.published.dataset
    }

    /// Its release.
    pub fn release(&self) -> Release {
        self.published.release
    }

    /// `<dataset>-experts.tar.gz`, after `<release>-` for the challenge and the features in high quality. The first release has `didemo` in small
    /// letters.
    pub fn name(&self) -> String {
        match (self.release(), self.dataset()) {
            (Release::FeaturesV1, "DiDeMo") => "didemo-experts.tar.gz".into(),
            (Release::FeaturesV1 | Release::FeaturesV2, dataset) => format!("{dataset}-experts.tar.gz"),
            (release, dataset) => format!("{}-{dataset}-experts.tar.gz", release.name()),
        }
    }

    /// Its address under another root: the name comes after the first ten hexadecimal digits of the SHA-256 of the access code, if there is one.
    pub fn url(&self, root_url: &str) -> String {
        let hash = self.hash.as_ref().map(|hash| format!("{hash}-")).unwrap_or_default();
        let (root, name) = (root_url.trim_end_matches('/'), self.name());
        match self.release() {
            Release::FeaturesV1 => format!("{root}/{hash}{name}"),
            release => format!("{root}/{}/{hash}{name}", release.name()),
        }
    }

    /// Its published address.
    ///
    /// # Errors
    /// [`FeatureArchiveError::NoAddress`] for LSMDC in high quality and in the first release.
    pub fn published_url(&self) -> Result<String, FeatureArchiveError> {
        match self.published.no_address {
            None => Ok(self.url(self.release().root_url())),
            Some(reason) => Err(FeatureArchiveError::NoAddress {
                dataset: self.dataset().into(),
                release: self.release().name(),
                reason,
            }),
        }
    }

    /// The folder of the data set: `data/<dataset>` in the folder of the project. All members of the archive lie in it.
    pub fn home(&self, project: &Path) -> PathBuf {
        project.join("data").join(self.dataset())
    }

    /// Where the published script keeps it: `data/<dataset>/<name>` in the folder of the project.
    pub fn path(&self, project: &Path) -> PathBuf {
        self.home(project).join(self.name())
    }

    /// The folder that it brings, which configurations name as `data_dir/root_feat_folder`: `data/<dataset>/structured-symlinks`,
    /// `data/<dataset>/high-quality/structured-symlinks` or `data/<dataset>/challenge-release-N` in the folder of the project. What the first release
    /// brings is not published.
    pub fn folder(&self, project: &Path) -> Option<PathBuf> {
        let home = self.home(project);
        match self.release() {
            Release::FeaturesV1 => None,
            Release::FeaturesV2 => Some(home.join("structured-symlinks")),
            Release::HighQuality => Some(home.join("high-quality/structured-symlinks")),
            Release::Challenge1 | Release::Challenge2 => Some(home.join(self.release().name())),
        }
    }

    /// Whether it has been unpacked whole in the folder of the project by this program: `data/<dataset>/<release>.unpacked` has its sum, and the
    /// folder that it brings is there. (The published script looks for `data/<dataset>/symlinked-feats` instead, which no archive makes, so that
    /// it unpacks always.)
    pub fn is_unpacked(&self, project: &Path) -> bool {
        read_text(&self.mark(project)).is_ok_and(|sum| !sum.is_empty())
            && self.folder(project).is_none_or(|folder| folder.is_dir())
    }

    /// What says that it is unpacked.
    pub(super) fn mark(&self, project: &Path) -> PathBuf {
        self.home(project).join(format!("{}.unpacked", self.release().name()))
    }

    /// Its size as published, in words.
    pub fn size(&self) -> Option<&'static str> {
        self.published.size
    }

    /// Published SHA-1 sums, any of which may be right: the README and the page of the data set differ for MSRVTT in high quality and for MSVD in the
    /// first release. Empty where none is published.
    pub fn sums(&self) -> &'static [&'static str] {
        self.published.sums
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
