use std::io;
use std::path::PathBuf;

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum FeatureArchiveError {
    /// A name that is not published.
    #[error("{option}: one of {known} expected, got {value:?}")]
    Unknown { option: &'static str, known: String, value: String },
    /// A data set that a release does not have.
    #[error("--release: of {dataset} there are {known}, no {release}")]
    NotReleased { dataset: String, release: &'static str, known: String },
    /// Features that are given out on request.
    #[error(
        "the features of {dataset} are given out with an access code: ask the authors of the data set for one, and pass --access-code"
    )]
    AccessCode { dataset: String },
    /// An archive without a published address.
    #[error("{dataset}, {release}: {reason}; pass --from with the address of a server that has it")]
    NoAddress { dataset: String, release: &'static str, reason: &'static str },
    /// What fetches archives was not compiled.
    #[error("this build cannot fetch archives: build with the feature `download` (cargo --features download)")]
    NotBuilt,
    /// The file is not what was published.
    #[error("{}: SHA-1 {expected} expected, found {found}: the file is damaged, truncated or another version", path.display())]
    Sum { path: PathBuf, expected: String, found: String },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
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
    /// The same file is being fetched or unpacked already.
    #[error("{}: another process is fetching it", path.display())]
    InUse { path: PathBuf },
    /// The connection ended early, or nothing came any more. `kept` says whether another call goes on with what has come.
    #[error(
        "{url}: the connection ended after {received} bytes of {total}: {problem}; {}",
        if *kept { "what has come is kept, run again to go on" } else { "run again to start over" }
    )]
    Interrupted { url: String, received: u64, total: String, problem: String, kept: bool },
    /// The archive is no whole tar archive compressed by gzip.
    #[error("{}: a whole .tar.gz expected: {source}", path.display())]
    Damaged { path: PathBuf, source: io::Error },
    /// The archive holds more than is unpacked.
    #[error("{}: member {member:?}: more than {limit} {unit} in the archive", path.display())]
    TooMuch { path: PathBuf, member: String, limit: u64, unit: &'static str },
    /// A member of the archive that is not unpacked. Nothing of the archive is, then.
    #[error("{}: member {member:?}: {problem}", path.display())]
    Member { path: PathBuf, member: String, problem: MemberProblem },
    /// The archive is not that of the release: the folder that is read from is not in it.
    #[error("{}: it has no folder {}", path.display(), folder.display())]
    NoFolder { path: PathBuf, folder: PathBuf },
    /// What is on disk is no place for what the archive holds. Nothing of the archive is unpacked, then.
    #[error("{}: {found} is in the way of {expected} of {}", path.display(), archive.display())]
    InTheWay { path: PathBuf, archive: PathBuf, found: &'static str, expected: &'static str },
}

/// Why a member of an archive is not unpacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum MemberProblem {
    /// Its path begins at the root of the file system.
    #[error("an absolute path")]
    Absolute,
    /// Its path leaves folders by `..`.
    #[error("a path with ..")]
    Parent,
    /// It does not belong to the data set.
    #[error("a path outside {}", folder.display())]
    Outside { folder: PathBuf },
    /// Its path has a name that fetching needs for itself.
    #[error("the name is kept for archives and what says that they are unpacked")]
    Reserved,
    /// Its path has a NUL, more than 4096 bytes or more than 64 names.
    #[error("a path of at most 4096 bytes and 64 names without NUL expected")]
    Name,
    /// It is neither file, folder nor link.
    #[error("{0}: only files, folders and links are unpacked")]
    Kind(&'static str),
    /// There is already something else of this name in the archive, or above it.
    #[error("{at:?} is {found} in the same archive already")]
    Replaces { at: PathBuf, found: &'static str },
    /// A hard link to what the archive did not bring before.
    #[error("a hard link to {to:?}, which is no earlier file of the archive")]
    HardLink { to: String },
    /// A symbolic link that leaves the folder of the data set.
    #[error("a symbolic link to {to:?}, which leads outside {}", folder.display())]
    LinkOutside { to: String, folder: PathBuf },
    /// A symbolic link to nothing.
    #[error("a symbolic link to {to:?}, where nothing is")]
    LinkToNothing { to: String },
    /// Links that lead to each other, or too many of them.
    #[error("a symbolic link to {to:?}, which leads through too many others")]
    LinkLoop { to: String },
}
