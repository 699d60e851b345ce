//! Moving what was unpacked to where it belongs.

use std::fs::{self, File, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::Result;
use crate::data::experts::archives::FeatureArchiveError;

/// Looks for what is in the way: files in the place of folders and the other way round, and links in the place of anything but the same link.
pub(super) fn check(from: &Path, to: &Path, archive: &Path) -> Result<()> {
    for Pair { from, kind, to, there } in pairs(from, to)? {
        let Some(there) = there.map(|there| there.file_type()) else { continue };
        let expected = name(kind);
        let in_the_way =
            |found| FeatureArchiveError::InTheWay { path: to.clone(), archive: archive.into(), found, expected };
        match (expected, name(there)) {
            (FOLDER, FOLDER) => check(&from, &to, archive)?,
            (FILE, FILE) => {}
            (LINK, LINK) if read_link(&from)? == read_link(&to)? => {}
            (LINK, LINK) => return Err(in_the_way("another symbolic link")),
            (_, found) => return Err(in_the_way(found)),
        }
    }
    Ok(())
}

/// Moves all: folders that are not there yet as a whole, so that they are never there in part.
pub(super) fn place(from: &Path, to: &Path) -> Result<()> {
    for Pair { from, kind, to, there } in pairs(from, to)? {
        match there {
            Some(_) if kind.is_dir() => place(&from, &to)?,
            Some(_) if kind.is_symlink() => {}
            _ => fs::rename(&from, &to).map_err(|source| FeatureArchiveError::Io { path: to, source })?,
        }
    }
    synced(to).map_err(|source| FeatureArchiveError::Io { path: to.into(), source })
}

const FILE: &str = "a file";
const FOLDER: &str = "a folder";
const LINK: &str = "a symbolic link";

fn name(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => FOLDER,
        kind if kind.is_file() => FILE,
        kind if kind.is_symlink() => LINK,
        _ => "a pipe or device",
    }
}

/// Something in a folder, and what is there where it belongs.
struct Pair {
    from: PathBuf,
    kind: FileType,
    to: PathBuf,
    there: Option<Metadata>,
}

/// All of a folder, in the order of names.
fn pairs(from: &Path, to: &Path) -> Result<Vec<Pair>> {
    let failed = |path: &Path, source| FeatureArchiveError::Io { path: path.into(), source };
    let mut pairs = vec![];
    for entry in fs::read_dir(from).map_err(|source| failed(from, source))? {
        let entry = entry.map_err(|source| failed(from, source))?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(|source| failed(&from, source))?;
        let there = match fs::symlink_metadata(&to) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(failed(&to, source)),
        };
        pairs.push(Pair { from, kind, to, there });
    }
    pairs.sort_by(|a, b| a.from.cmp(&b.from));
    Ok(pairs)
}

fn read_link(path: &Path) -> Result<PathBuf> {
    fs::read_link(path).map_err(|source| FeatureArchiveError::Io { path: path.into(), source })
}

/// Folders cannot be opened everywhere.
fn synced(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
