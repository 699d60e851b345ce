//! Reading files that end, and writing files so that nothing is ever left half-written.

use std::ffi::OsString;
use std::fs::{self, File, FileType, TryLockError};
use std::io::{self, BufWriter, Read, Write};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use memmap2::Mmap;

/// The longest log that is read.
const LONGEST_LOG: u64 = 64 << 20;

/// The longest other text: configurations, tables, summaries. What is made of one may be a hundred times as large.
pub(crate) const LONGEST_TEXT: u64 = 4 << 20;

/// Opens a regular file; also its length. Pipes and devices may wait for ever, or never end.
///
/// # Errors
/// Any error of the file system, and of what is no regular file.
pub fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    // Asked before it is opened, which waits for the other end of a pipe.
    let metadata = fs::metadata(path)?;
    regular(metadata.file_type())?;
    Ok((File::open(path)?, metadata.len()))
}

/// A regular file as memory, for what is larger than memory.
///
/// # Errors
/// As [`open_regular`].
pub(crate) fn map(path: &Path) -> io::Result<Mmap> {
    let (file, _) = open_regular(path)?;
    // SAFETY: the map is only read, as bytes, all of which are valid. Rust asks more: that nobody writes to the file meanwhile. No program can rule
    // that out; whoever maps a file says in its documentation that it must not change, as every reader of mapped files has to.
    unsafe { Mmap::map(&file) }
}

/// Refuses, by name, what is no regular file.
pub(crate) fn regular(kind: FileType) -> io::Result<()> {
    let refused = |error, what: &str| Err(io::Error::new(error, what));
    match kind {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => refused(io::ErrorKind::IsADirectory, "a folder, not a file"),
        kind if kind.is_symlink() => refused(io::ErrorKind::InvalidInput, "a symbolic link, not a regular file"),
        _ => refused(io::ErrorKind::InvalidInput, "a pipe or device, not a regular file"),
    }
}

/// A file whose lock this process has. The system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct LockedFile(File);

impl LockedFile {
    /// Locks a file; `None` if another process has the lock.
    pub fn lock(file: File) -> io::Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(source),
        }
    }

    /// Opens or makes a regular file, and nothing that a link of this name leads to, and locks it. `None` if another process has the lock, or had it
    /// and put another file in its place.
    #[cfg(feature = "download")]
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let Some(file) = Self::lock(open_itself(path)?)? else { return Ok(None) };
        let metadata = file.metadata()?;
        Ok(fs::symlink_metadata(path).is_ok_and(|there| is_same(&there, &metadata)).then_some(file))
    }
}

#[cfg(feature = "download")]
fn open_itself(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true);
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    regular(fs::symlink_metadata(path)?.file_type())?;
    options.open(path)
}

#[cfg(all(feature = "download", unix))]
fn is_same(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(all(feature = "download", not(unix)))]
fn is_same(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    a.is_file() && a.created().ok() == b.created().ok()
}

impl Drop for LockedFile {
    /// Gives it back at once: a child that another thread is about to start has the same file open until it runs its program.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl Deref for LockedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for LockedFile {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

/// The text of a regular file.
///
/// # Errors
/// As [`open_regular`]; more than 4 MiB, and text that is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    read_text_of(path, LONGEST_TEXT)
}

/// The lines of a log.
///
/// # Errors
/// As [`read_text`], but of more than 64 MiB.
pub fn read_log(path: &Path) -> io::Result<String> {
    read_text_of(path, LONGEST_LOG)
}

fn read_text_of(path: &Path, longest: u64) -> io::Result<String> {
    let (file, length) = open_regular(path)?;
    if length > longest {
        let problem = format!("text of more than {} MiB", longest >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    let mut text = String::new();
    // It may grow while it is read.
    file.take(longest).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a file under a temporary name in the same folder (`NAME.PID.tmp`), flushes it to disk and renames it.
///
/// What is there already keeps its mode. A link stays a link, and what it points to is written; a pipe, terminal or device takes the contents as
/// they come.
///
/// # Errors
/// Any error of the file system; a file of that name is then unchanged.
pub fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(contents))
}

/// The same, where `write` brings the contents bit by bit.
///
/// # Errors
/// As [`write_atomically`], and those of `write`.
pub fn write_with(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let there = match fs::metadata(path) {
        // What may not be written is not replaced, either; this opens pipes and devices, too.
        Ok(metadata) => Some((metadata, File::options().write(true).open(path)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if let Some((_, device)) = there.as_ref().filter(|(metadata, _)| !metadata.is_file()) {
        return buffered(device, write);
    }
    let path = target(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let temporary = temporary(&path);
    let replace = || {
        // One of a dead process that had the same number.
        let _ = fs::remove_file(&temporary);
        let file = File::create_new(&temporary)?;
        if let Some((metadata, _)) = &there {
            file.set_permissions(metadata.permissions())?;
        }
        buffered(&file, write)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(folder)?.sync_all()
    };
    replace().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

fn buffered(file: &File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, file);
    write(&mut file)?;
    file.flush()
}

fn temporary(path: &Path) -> PathBuf {
    let mut name: OsString = path.file_name().unwrap_or_default().into();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

/// Where links lead, to a file that need not exist.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    // The system's own limit.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(link) => path = path.parent().unwrap_or(Path::new("")).join(link),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many links"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        write_atomically(&path, b"old").unwrap();
        let failed = write_with(&path, |file| file.write_all(b"new").and(Err(io::Error::other("no"))));
        assert_eq!(failed.unwrap_err().to_string(), "no");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn text_comes_from_regular_files() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("long");
        File::create(&long).unwrap().set_len(LONGEST_TEXT + 1).unwrap();
        assert_eq!(read_text(&long).unwrap_err().to_string(), "text of more than 4 MiB");
        assert!(read_log(&long).is_ok());
        assert_eq!(read_text(folder.path()).unwrap_err().to_string(), "a folder, not a file");
        #[cfg(unix)]
        for device in ["/dev/zero", "/dev/null"] {
            let error = read_text(Path::new(device)).unwrap_err();
            assert_eq!(error.to_string(), "a pipe or device, not a regular file");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_modes_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("far")).unwrap();
        symlink("far/real", at("link")).unwrap();
        symlink("link", at("second")).unwrap();
        write_atomically(&at("second"), b"1").unwrap();
        assert_eq!(fs::read(at("far/real")).unwrap(), b"1");
        fs::set_permissions(at("far/real"), fs::Permissions::from_mode(0o640)).unwrap();
        write_atomically(&at("second"), b"2").unwrap();
        assert_eq!(fs::read(at("far/real")).unwrap(), b"2");
        assert_eq!(fs::metadata(at("far/real")).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(at("link").is_symlink() && at("second").is_symlink());
        symlink("ring", at("ring")).unwrap();
        assert!(write_atomically(&at("ring"), b"3").is_err());
        assert!(write_atomically(folder.path(), b"3").is_err(), "a folder, not a file");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_takes_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert!(read_text(&pipe).is_err(), "nobody waits for a writer");
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write_atomically(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(!fs::metadata(&pipe).unwrap().is_file());
        #[cfg(target_os = "linux")]
        assert_eq!(write_atomically(Path::new("/dev/full"), b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
