//! The folder in which an archive grows.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{Result, links};
use crate::data::experts::archives::{FeatureArchive, FeatureArchiveError, MemberProblem};
use crate::data::experts::fetch::UnpackLimits;

/// The longest path of a member, in bytes (the most that Linux takes) and in names.
const LONGEST: (usize, usize) = (4096, 64);

/// `data/<dataset>/<release>.unpacking`: the members below `data/<dataset>`, and no symbolic links before all members are there. It is gone when
/// this is dropped.
#[derive(Debug)]
pub(super) struct Staging<'a> {
    archive: &'a FeatureArchive,
    path: PathBuf,
    home: PathBuf,
    folder: PathBuf,
    limits: UnpackLimits,
    /// Members and the folders that were made for them.
    members: u32,
    files: u32,
    bytes: u64,
    /// Symbolic links, and where they lead.
    links: BTreeMap<PathBuf, PathBuf>,
}

impl<'a> Staging<'a> {
    /// An empty one, whatever a dead process has left.
    pub fn new(archive: &'a FeatureArchive, project: &Path, limits: UnpackLimits) -> Result<Self> {
        let home = archive.home(project);
        let folder = home.join(format!("{}.unpacking", archive.release().name()));
        let emptied = match fs::symlink_metadata(&folder) {
            Ok(there) if there.is_dir() => fs::remove_dir_all(&folder),
            Ok(_) => fs::remove_file(&folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        let made = emptied.and_then(|()| fs::create_dir(&folder));
        made.map_err(|source| FeatureArchiveError::Io { path: folder.clone(), source })?;
        let (path, links) = (archive.path(project), BTreeMap::new());
        Ok(Self { archive, path, home, folder, limits, members: 0, files: 0, bytes: 0, links })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn files(&self) -> u32 {
        self.files
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes a folder and those above it.
    pub fn add_folder(&mut self, name: &str, path: &Path) -> Result<()> {
        self.count(name)?;
        let within = self.within(name, path)?;
        self.folders(name, &within)
    }

    /// Makes an empty file, in place of one of the same name, if there is one; also its path.
    pub fn add_file(&mut self, name: &str, path: &Path, size: u64) -> Result<(PathBuf, File)> {
        let limit = self.limits.bytes;
        let bytes = self.bytes.checked_add(size).filter(|bytes| *bytes <= limit);
        self.bytes = bytes.ok_or_else(|| self.too_much(name, limit, "bytes"))?;
        let at = self.free(name, path)?;
        let file = File::create_new(&at).map_err(|source| FeatureArchiveError::Io { path: at.clone(), source })?;
        self.files += 1;
        Ok((at, file))
    }

    /// Makes another name of an earlier file.
    pub fn add_hard_link(&mut self, name: &str, path: &Path, to: &Path) -> Result<()> {
        let no_file = || self.refused(name, MemberProblem::HardLink { to: to.display().to_string() });
        let from = self.within(name, to).map_err(|_| no_file())?;
        let from = self.folder.join(from);
        // What is below a link is not there yet.
        if !fs::symlink_metadata(&from).is_ok_and(|there| there.is_file()) {
            return Err(no_file());
        }
        if self.folder.join(self.within(name, path)?) == from {
            return self.count(name);
        }
        let at = self.free(name, path)?;
        fs::hard_link(&from, &at).map_err(|source| FeatureArchiveError::Io { path: at, source })?;
        self.files += 1;
        Ok(())
    }

    /// Remembers a symbolic link.
    pub fn add_link(&mut self, name: &str, path: &Path, to: &Path) -> Result<()> {
        if !cfg!(unix) {
            return Err(self.refused(name, MemberProblem::Kind("a symbolic link")));
        }
        self.count(name)?;
        let within = self.within(name, path)?;
        if within.as_os_str().is_empty() {
            return Err(self.refused(name, MemberProblem::Outside { folder: self.archive.home(Path::new("")) }));
        }
        if self.links.get(&within).is_some_and(|known| known == to) {
            return Ok(());
        }
        let is_name = to.as_os_str().len() <= LONGEST.0 && !to.as_os_str().as_encoded_bytes().contains(&0);
        if !is_name {
            return Err(self.refused(name, MemberProblem::Name));
        }
        self.folders(name, within.parent().unwrap_or(Path::new("")))?;
        self.is_no_link(name, &within)?;
        if let Ok(there) = fs::symlink_metadata(self.folder.join(&within)) {
            let found = if there.is_dir() { "a folder" } else { "a file" };
            return Err(self.refused(name, MemberProblem::Replaces { at: within, found }));
        }
        self.links.insert(within, to.into());
        self.files += 1;
        Ok(())
    }

    /// Makes the symbolic links, each of which leads to something in the folder of the data set.
    pub fn link(&self) -> Result<()> {
        let mut tree = links::Tree::new(&self.links, &self.folder, &self.home);
        for (at, to) in &self.links {
            if let Err(broken) = tree.resolve(at, to) {
                let to = to.display().to_string();
                let folder = self.archive.home(Path::new(""));
                let problem = match broken {
                    links::Broken::Outside => MemberProblem::LinkOutside { to, folder },
                    links::Broken::Nothing => MemberProblem::LinkToNothing { to },
                    links::Broken::Loop => MemberProblem::LinkLoop { to },
                };
                let member = self.archive.home(Path::new("")).join(at);
                return Err(self.refused(&member.to_string_lossy(), problem));
            }
        }
        for (at, to) in &self.links {
            let path = self.folder.join(at);
            links::make(to, &path).map_err(|source| FeatureArchiveError::Io { path, source })?;
        }
        Ok(())
    }

    /// A path in the folder of the data set, by which a new file can be made.
    fn free(&mut self, name: &str, path: &Path) -> Result<PathBuf> {
        self.count(name)?;
        let within = self.within(name, path)?;
        if within.as_os_str().is_empty() {
            return Err(self.refused(name, MemberProblem::Outside { folder: self.archive.home(Path::new("")) }));
        }
        self.folders(name, within.parent().unwrap_or(Path::new("")))?;
        self.is_no_link(name, &within)?;
        let at = self.folder.join(&within);
        match fs::symlink_metadata(&at) {
            Ok(there) if there.is_dir() => {
                Err(self.refused(name, MemberProblem::Replaces { at: within, found: "a folder" }))
            }
            // Another file of the same name: the last one counts.
            Ok(_) => match fs::remove_file(&at) {
                Ok(()) => Ok(at),
                Err(source) => Err(FeatureArchiveError::Io { path: at, source }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(at),
            Err(source) => Err(FeatureArchiveError::Io { path: at, source }),
        }
    }

    /// The path of a member in the folder of the data set; empty for that folder, and those above it.
    fn within(&self, name: &str, path: &Path) -> Result<PathBuf> {
        let refused = |problem| Err(self.refused(name, problem));
        let bytes = path.as_os_str().as_encoded_bytes();
        if bytes.len() > LONGEST.0 || bytes.contains(&0) {
            return refused(MemberProblem::Name);
        }
        let mut parts = vec![];
        for component in path.components() {
            match component {
                Component::Normal(part) => parts.push(part),
                Component::CurDir => {}
                Component::ParentDir => return refused(MemberProblem::Parent),
                Component::RootDir | Component::Prefix(_) => return refused(MemberProblem::Absolute),
            }
        }
        if parts.len() > LONGEST.1 {
            return refused(MemberProblem::Name);
        }
        let home = self.archive.home(Path::new(""));
        let above = home.iter().zip(&parts).take_while(|(expected, found)| expected == *found).count();
        if above < parts.len().min(home.iter().count()) {
            return refused(MemberProblem::Outside { folder: home });
        }
        let within = &parts[above..];
        if within.first().is_some_and(|first| is_reserved(&first.to_string_lossy())) {
            return refused(MemberProblem::Reserved);
        }
        Ok(within.iter().collect())
    }

    /// Makes a folder and those above it, none of which is anything else.
    fn folders(&mut self, name: &str, within: &Path) -> Result<()> {
        let mut at = PathBuf::new();
        for part in within {
            at.push(part);
            self.is_no_link(name, &at)?;
            let path = self.folder.join(&at);
            match fs::symlink_metadata(&path) {
                Ok(there) if there.is_dir() => {}
                Ok(_) => return Err(self.refused(name, MemberProblem::Replaces { at, found: "a file" })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.count(name)?;
                    fs::create_dir(&path).map_err(|source| FeatureArchiveError::Io { path, source })?;
                }
                Err(source) => return Err(FeatureArchiveError::Io { path, source }),
            }
        }
        Ok(())
    }

    fn is_no_link(&self, name: &str, within: &Path) -> Result<()> {
        match self.links.contains_key(within) {
            true => Err(self.refused(name, MemberProblem::Replaces { at: within.into(), found: "a symbolic link" })),
            false => Ok(()),
        }
    }

    fn count(&mut self, name: &str) -> Result<()> {
        if self.members == self.limits.members {
            return Err(self.too_much(name, u64::from(self.limits.members), "members and folders"));
        }
        self.members += 1;
        Ok(())
    }

    fn too_much(&self, name: &str, limit: u64, unit: &'static str) -> FeatureArchiveError {
        FeatureArchiveError::TooMuch { path: self.path.clone(), member: name.into(), limit, unit }
    }

    fn refused(&self, name: &str, problem: MemberProblem) -> FeatureArchiveError {
        FeatureArchiveError::Member { path: self.path.clone(), member: name.into(), problem }
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        // The next call tries again.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether fetching has files of such names, of any release.
fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("-experts.tar.gz") || name.ends_with(".unpacked") || name.ends_with(".unpacking")
}
