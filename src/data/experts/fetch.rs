//! Fetching a published archive into the layout that is read: download, sum, unpacking.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::archives::{FeatureArchive, FeatureArchiveError};

/// How far a server is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadLimits {
    /// The longest time until a server has answered, and from one piece of the file to the next; a day at most. The whole may take any time.
    /// Default: a minute.
    pub idle: Duration,
    /// The longest file that is taken, in bytes. Default: 64 GiB; published archives have up to some tens of GB.
    pub bytes: u64,
}

impl Default for DownloadLimits {
    fn default() -> Self {
        Self { idle: Duration::from_secs(60), bytes: 64 << 30 }
    }
}

/// How much of an archive is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnpackLimits {
    /// The most members, and folders above them. Default: 65,536.
    pub members: u32,
    /// The most bytes of all files together. Default: 256 GiB.
    pub bytes: u64,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self { members: 1 << 16, bytes: 256 << 30 }
    }
}

/// How far a server and its archive are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FetchLimits {
    /// The server.
    pub download: DownloadLimits,
    /// The archive.
    pub unpack: UnpackLimits,
}

/// How far fetching is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchProgress<'a> {
    /// So many bytes have come, of so many where the server says it.
    Received(u64, Option<u64>),
    /// This member is being unpacked, before which there were so many bytes.
    Unpacking(&'a Path, u64),
}

/// What unpacking brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The SHA-1 of the archive.
    pub sum: String,
    /// Number of files and links.
    pub files: u32,
    /// Bytes of the files.
    pub bytes: u64,
}

/// What fetching did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// Nothing: the archive had been unpacked before.
    Before,
    /// It unpacked the archive, which is still there under this name, if so.
    Unpacked(Unpacked, Option<PathBuf>),
}

/// An archive to fetch, and where to. Its text says what would be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    archive: FeatureArchive,
    project: PathBuf,
    url: String,
    /// Whether an archive that was fetched is kept once it is unpacked. One that was there before always is.
    pub keep_archive: bool,
}

impl Fetch {
    /// To fetch an archive into the folder of a project, from its published address or from the same place below another root.
    ///
    /// # Errors
    /// [`FeatureArchiveError::NoAddress`] for an archive without a published address where there is no other root.
    pub fn new(archive: FeatureArchive, project: &Path, from: Option<&str>) -> Result<Self, FeatureArchiveError> {
        let url = from.map_or_else(|| archive.published_url(), |root| Ok(archive.url(root)))?;
        Ok(Self { archive, project: project.into(), url, keep_archive: false })
    }

    /// The archive.
    pub fn archive(&self) -> &FeatureArchive {
        &self.archive
    }

    /// Where it is fetched from.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Fetches the archive to [`FeatureArchive::path`], unless it is there, and unpacks it (`FeatureArchive::unpack`). It does nothing where that has
    /// been done. An interrupted download is continued by another call; a file that is there is taken if its sum is right, or none is published.
    ///
    /// # Errors
    /// [`FeatureArchiveError`]; without the feature `download` always [`FeatureArchiveError::NotBuilt`], unless there is nothing to do.
    pub fn run(
        &self,
        limits: FetchLimits,
        progress: impl FnMut(FetchProgress<'_>),
    ) -> Result<Fetched, FeatureArchiveError> {
        match self.archive.is_unpacked(&self.project) {
            true => Ok(Fetched::Before),
            false => self.fetch(limits, progress),
        }
    }

    #[cfg(not(feature = "download"))]
    fn fetch(&self, _: FetchLimits, _: impl FnMut(FetchProgress<'_>)) -> Result<Fetched, FeatureArchiveError> {
        Err(FeatureArchiveError::NotBuilt)
    }

    #[cfg(feature = "download")]
    fn fetch(
        &self,
        limits: FetchLimits,
        mut progress: impl FnMut(FetchProgress<'_>),
    ) -> Result<Fetched, FeatureArchiveError> {
        let (archive, path) = (&self.archive, self.archive.path(&self.project));
        let was_there = path.exists();
        if !was_there {
            let progress = |there, all| progress(FetchProgress::Received(there, all));
            super::download(&self.url, &path, archive.sums(), limits.download, progress)?;
        }
        let unpacked = archive.unpack(&self.project, limits.unpack, |member, bytes| {
            progress(FetchProgress::Unpacking(member, bytes));
        })?;
        if was_there || self.keep_archive {
            return Ok(Fetched::Unpacked(unpacked, Some(path)));
        }
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(Fetched::Unpacked(unpacked, None)),
            Err(source) => Err(FeatureArchiveError::Io { path, source }),
        }
    }
}

impl fmt::Display for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { archive, project, url, .. } = self;
        let folder = archive.folder(project).map_or_else(
            || format!("{}, the folders below it are not published", archive.home(project).display()),
            |folder| folder.display().to_string(),
        );
        let sums = if archive.sums().is_empty() { "not published".into() } else { archive.sums().join(" or ") };
        writeln!(f, "archive   {} of {}", archive.name(), archive.release().name())?;
        writeln!(f, "address   {url}")?;
        writeln!(f, "size      {}", archive.size().unwrap_or("not published"))?;
        writeln!(f, "SHA-1     {sums}")?;
        writeln!(f, "fetched   to {}", archive.path(project).display())?;
        write!(f, "unpacked  to {folder}")
    }
}
