//! Zip archives from strangers: members are counted, and their declared sizes granted, before they are unpacked.

use std::io::{Cursor, Read};

use super::limits::{self, Budget, LimitError};

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Not a zip archive, or a broken one.
    #[error("zip archive: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// A member that cannot be unpacked.
    #[error("zip member {name:?}: {source}")]
    Member {
        /// The member.
        name: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A member whose size is not the declared one.
    #[error("zip member {name:?}: {declared} bytes declared, {actual} or more unpacked")]
    Size {
        /// The member.
        name: String,
        /// By the directory of the archive.
        declared: u64,
        /// What came out.
        actual: u64,
    },
    /// A name that leaves the archive, is absolute, or occurs twice.
    #[error("zip member {0:?}: not an acceptable name")]
    Name(String),
    /// No member of that name.
    #[error("the zip archive has no member {0:?}")]
    Missing(String),
    /// A budget is exhausted.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// A zip archive in memory whose names and sizes have been checked.
pub(crate) struct Archive<'a> {
    zip: zip::ZipArchive<Cursor<&'a [u8]>>,
    names: Vec<String>,
}

impl<'a> Archive<'a> {
    pub fn new(bytes: &'a [u8], budget: &Budget) -> Result<Self, ArchiveError> {
        let limits = budget.limits;
        // An entry of the directory takes 46 bytes, so the library's own tables are bounded by the size of the file.
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes))?;
        limits::check("members of the archive", zip.len() as u64, limits.archive_members as u64)?;
        if zip.has_duplicate_names() {
            return Err(ArchiveError::Name("(two members of the same name)".into()));
        }
        let (mut names, mut total, mut stored) = (Vec::with_capacity(zip.len()), 0_u64, 0_u64);
        for index in 0..zip.len() {
            let member = zip.by_index_raw(index)?;
            let name = member.name()?.into_owned();
            if name.starts_with('/') || name.contains(['\\', '\0']) || name.split('/').any(|part| part == "..") {
                return Err(ArchiveError::Name(name));
            }
            let (size, packed) = (member.size(), member.compressed_size());
            if size > 1 << 20 {
                limits::check("compression ratio", size / packed.max(1), limits.archive_ratio)?;
            }
            stored = stored.saturating_add(packed);
            total = total.saturating_add(size);
            limits::check("bytes in the archive", total, limits.bytes)?;
            names.push(name);
        }
        // Members that share their contents.
        limits::check("bytes of packed members", stored, bytes.len() as u64)?;
        Ok(Self { zip, names })
    }

    /// Names of all members, in the order of the archive's directory.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Unpacks one member.
    pub fn read(&mut self, name: &str, budget: &mut Budget) -> Result<Vec<u8>, ArchiveError> {
        let Some(index) = self.zip.index_for_name(name) else { return Err(ArchiveError::Missing(name.into())) };
        let member = self.zip.by_index(index)?;
        let declared = member.size();
        budget.unpacked(declared)?;
        let mut bytes = Vec::new();
        // One byte more than declared, to see whether there is more.
        let read = member.take(declared.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|source| ArchiveError::Member { name: name.into(), source })?;
        let actual = bytes.len() as u64;
        if actual == declared { Ok(bytes) } else { Err(ArchiveError::Size { name: name.into(), declared, actual }) }
    }
}
