//! Where symbolic links lead, before they are made.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Links that one link may lead through; the system's own limit.
const MOST_LINKS: usize = 40;

/// Names that all links of an archive may lead through.
const MOST_STEPS: usize = 1 << 20;

/// What is wrong with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Outside,
    Nothing,
    Loop,
}

/// The folder of a data set as it will be: links of the archive, its files and folders, and what is there already.
pub(super) struct Tree<'a> {
    links: &'a BTreeMap<PathBuf, PathBuf>,
    staging: &'a Path,
    home: &'a Path,
    steps: usize,
}

impl<'a> Tree<'a> {
    pub fn new(links: &'a BTreeMap<PathBuf, PathBuf>, staging: &'a Path, home: &'a Path) -> Self {
        Self { links, staging, home, steps: 0 }
    }

    /// Goes where a link leads, through other links, as the system does.
    pub fn resolve(&mut self, link: &Path, to: &Path) -> Result<(), Broken> {
        let mut at: PathBuf = link.parent().unwrap_or(Path::new("")).into();
        let (mut ahead, mut through) = (Vec::new(), 0);
        if to.as_os_str().is_empty() {
            return Err(Broken::Nothing);
        }
        push(&mut ahead, to)?;
        while let Some(step) = ahead.pop() {
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return Err(Broken::Loop);
            }
            let Some(name) = step else {
                if !at.pop() {
                    return Err(Broken::Outside);
                }
                continue;
            };
            at.push(name);
            if let Some(next) = self.link(&at)? {
                through += 1;
                if through > MOST_LINKS {
                    return Err(Broken::Loop);
                }
                at.pop();
                push(&mut ahead, &next)?;
            }
        }
        Ok(())
    }

    /// Where a path leads, if it is a link.
    fn link(&self, at: &Path) -> Result<Option<PathBuf>, Broken> {
        if let Some(to) = self.links.get(at) {
            return Ok(Some(to.clone()));
        }
        if fs::symlink_metadata(self.staging.join(at)).is_ok() {
            return Ok(None);
        }
        let there = self.home.join(at);
        match fs::symlink_metadata(&there) {
            Ok(found) if found.is_symlink() => fs::read_link(&there).map(Some).map_err(|_| Broken::Nothing),
            Ok(_) => Ok(None),
            Err(_) => Err(Broken::Nothing),
        }
    }
}

/// Puts the names of a path before others, the first one last; `None` goes to the folder above.
fn push(ahead: &mut Vec<Option<OsString>>, path: &Path) -> Result<(), Broken> {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => ahead.push(Some(name.into())),
            Component::ParentDir => ahead.push(None),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return Err(Broken::Outside),
        }
    }
    Ok(())
}

#[cfg(unix)]
pub(super) fn make(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(not(unix))]
pub(super) fn make(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
