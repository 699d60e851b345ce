//! What has come of a file that is being fetched, and what tells whether the server still has the same file.

use std::fs::{self, File, Metadata};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use ureq::http::HeaderMap;

use super::Result;
use crate::data::experts::archives::{FeatureArchiveError, check_sum};
use crate::files::{LockedFile, read_text, write_atomically};

/// `NAME.part`, which no other process can write meanwhile, and `NAME.part.validator`.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    file: LockedFile,
    length: u64,
    validator: Option<Validator>,
}

impl Part {
    /// Opens the part of a file, empty if there is none yet.
    pub fn open(target: &Path) -> Result<Self> {
        let failed = |path: &Path, source| FeatureArchiveError::Io { path: path.into(), source };
        if target.is_dir() {
            return Err(failed(target, io::Error::new(io::ErrorKind::IsADirectory, "a folder, not a file")));
        }
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        }
        let path = with_suffix(target, ".part");
        let file = LockedFile::open(&path).map_err(|source| failed(&path, source))?;
        let Some(file) = file else { return Err(FeatureArchiveError::InUse { path }) };
        let mut part = Self { validator: Validator::read(&with_suffix(&path, ".validator")), length: 0, path, file };
        part.length = part.file.seek(io::SeekFrom::End(0)).map_err(|source| part.failed(source))?;
        Ok(part)
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn validator(&self) -> Option<&Validator> {
        self.validator.as_ref()
    }

    /// Empties it for a file of this validator. At no moment is there a validator beside bytes of another file.
    pub fn restart(&mut self, validator: Option<Validator>) -> Result<()> {
        self.forget_validator()?;
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind()).and_then(|()| self.file.sync_all());
        emptied.map_err(|source| self.failed(source))?;
        self.length = 0;
        if let Some(Validator(text)) = &validator {
            let path = self.validator_path();
            write_atomically(&path, text.as_bytes()).map_err(|source| FeatureArchiveError::Io { path, source })?;
        }
        self.validator = validator;
        Ok(())
    }

    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|source| self.failed(source))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Names the file once its sum is right, and removes it if it is wrong.
    pub fn finish(mut self, target: &Path, sums: &[&str]) -> Result<String> {
        self.file.sync_all().and_then(|()| self.file.rewind()).map_err(|source| self.failed(source))?;
        let sum = match check_sum(&*self.file, &self.path, sums) {
            Err(wrong @ FeatureArchiveError::Sum { .. }) => {
                self.remove()?;
                return Err(wrong);
            }
            other => other?,
        };
        self.forget_validator()?;
        fs::rename(&self.path, target).map_err(|source| self.failed(source))?;
        if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| self.failed(source))?;
        }
        Ok(sum)
    }

    /// Leaves what has come for another time.
    pub fn leave(mut self) {
        if self.length == 0 {
            // An empty file that cannot be removed does no harm.
            let _ = self.remove();
        }
    }

    fn remove(&mut self) -> Result<()> {
        self.forget_validator()?;
        fs::remove_file(&self.path).map_err(|source| self.failed(source))
    }

    fn forget_validator(&mut self) -> Result<()> {
        self.validator = None;
        let path = self.validator_path();
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(FeatureArchiveError::Io { path, source }),
            _ => Ok(()),
        }
    }

    fn validator_path(&self) -> PathBuf {
        with_suffix(&self.path, ".validator")
    }

    fn failed(&self, source: io::Error) -> FeatureArchiveError {
        FeatureArchiveError::Io { path: self.path.clone(), source }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// What changes whenever the file of a server does: a strong entity tag or, of a file without a tag, the time of its last change (RFC 9110,
/// 8.8 and 13.1.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validator(String);

impl Validator {
    /// Servers have tags of a few dozen bytes.
    const LONGEST: usize = 256;

    /// The validator of an answer. A file that changed in the second of its answer may change once more in that second.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let value = |name| headers.get(name);
        let text = match (value("etag"), value("last-modified"), value("date")) {
            (Some(tag), ..) => tag,
            (None, Some(changed), Some(date)) if changed != date => changed,
            _ => return None,
        };
        Self::parse(text.to_str().ok()?)
    }

    /// The validator that was kept. Whatever else is there is none, and is not sent.
    fn read(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().filter(Metadata::is_file)?;
        Self::parse(&read_text(path).ok()?)
    }

    /// `"..."`, or a date such as `Sun, 06 Nov 1994 08:49:37 GMT`; `W/"..."` is weak.
    fn parse(text: &str) -> Option<Self> {
        let in_tag = |byte| byte == b'!' || (b'#'..=b'~').contains(&byte);
        let tag = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let is_tag = tag.is_some_and(|tag| tag.bytes().all(in_tag));
        let in_date = |byte: u8| byte.is_ascii_alphanumeric() || b" ,:".contains(&byte);
        let is_date = text.len() == 29 && text.ends_with(" GMT") && text.bytes().all(in_date);
        (text.len() <= Self::LONGEST && (is_tag || is_date)).then(|| Self(text.into()))
    }

    /// As the value of a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
