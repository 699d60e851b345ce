//! Writing files so that nothing is ever left half-written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file under a temporary name in the same folder, flushes it to disk and renames it.
///
/// # Errors
/// Any error of the file system; the file of that name is then unchanged.
pub fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    replace(path, |temporary| File::create(temporary)?.write_all(contents))
}

/// The same, where `write` makes the temporary file.
///
/// # Errors
/// As [`write_atomically`].
pub fn replace(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = folder.join(name);
    let replace = || {
        write(&temporary)?;
        File::options().write(true).open(&temporary)?.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    };
    replace().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}
