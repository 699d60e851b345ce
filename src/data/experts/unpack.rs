//! Unpacking an archive so that nothing outside the folder of its data set is written, and nothing half-written is taken for a whole.
//!
//! Members are written into a new folder beside what they will be, where there are no links; links are looked at once all is there, and made last. Only
//! then is anything moved to its place, where nothing that is there is written through.

mod links;
mod meter;
mod place;
mod staging;

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::archives::{FeatureArchive, FeatureArchiveError, MemberProblem, check_sum};
use super::fetch::{UnpackLimits, Unpacked};
use crate::files::{LockedFile, open_regular};
use meter::Meter;
use staging::Staging;

type Result<T> = std::result::Result<T, FeatureArchiveError>;

/// Bytes of a block of a tar archive.
const BLOCK: u64 = 512;

/// Bytes of headers that there may be for each member, long names included, and for all of them.
const HEADERS: (u64, u64) = (2 << 10, 1 << 20);

impl FeatureArchive {
    /// Checks the sum of the archive in the folder of a project ([`FeatureArchive::path`]) and unpacks it: its members are whole paths
    /// (`data/<dataset>/...`) there. `progress` is told each file before it is written, and the bytes before it.
    ///
    /// What is there already stays, except files that the archive has too, which are replaced. A symbolic link is made if it leads to something in
    /// the folder of the data set. Modes, owners and times are not taken over. Unpacking again gives the same. If it fails, or is killed,
    /// [`FeatureArchive::is_unpacked`] is false; what was not yet in its place is swept away by the next call.
    ///
    /// # Errors
    /// [`FeatureArchiveError`]. Before an archive is wholly read, and found harmless, nothing is put in its place: members outside
    /// `data/<dataset>`, links that lead outside, devices, members in the place of other ones, archives of more members or bytes than the limits,
    /// of a wrong sum, damaged or truncated, and what is in the way of members are named.
    pub fn unpack(&self, project: &Path, limits: UnpackLimits, progress: impl FnMut(&Path, u64)) -> Result<Unpacked> {
        let (path, mark) = (self.path(project), self.mark(project));
        let (file, _) = open_regular(&path).map_err(failed(&path))?;
        let locked = LockedFile::open(&mark).map_err(failed(&mark))?;
        let Some(mut marked) = locked else { return Err(FeatureArchiveError::InUse { path: mark }) };
        let unpacked = self.unpack_marked(project, file, &mut marked, limits, progress);
        if unpacked.is_err() && marked.metadata().is_ok_and(|marked| marked.len() == 0) {
            // An empty mark says nothing, if it cannot be removed.
            let _ = fs::remove_file(&mark);
        }
        unpacked
    }

    /// The same of an open archive, with the lock of the mark.
    fn unpack_marked(
        &self,
        project: &Path,
        mut file: File,
        marked: &mut LockedFile,
        limits: UnpackLimits,
        progress: impl FnMut(&Path, u64),
    ) -> Result<Unpacked> {
        let (path, home, mark) = (self.path(project), self.home(project), self.mark(project));
        let sum = check_sum(&file, &path, self.sums())?;
        file.rewind().map_err(failed(&path))?;
        let staging = Staging::new(self, project, limits)?;
        let mut reading = Reading { path: &path, staging, progress, buffer: vec![0; 1 << 16] };
        reading.read(file, limits)?;
        let staging = reading.staging;
        staging.link()?;
        self.has_folder(&staging, project)?;
        place::check(staging.folder(), &home, &path)?;
        // From here on it is not whole until all is in its place.
        marked.set_len(0).and_then(|()| marked.sync_all()).map_err(failed(&mark))?;
        place::place(staging.folder(), &home)?;
        let written = marked.rewind().and_then(|()| marked.write_all(format!("{sum}\n").as_bytes()));
        written.and_then(|()| marked.sync_all()).map_err(failed(&mark))?;
        Ok(Unpacked { sum, files: staging.files(), bytes: staging.bytes() })
    }

    /// Whether the folder that is read from is there.
    fn has_folder(&self, staging: &Staging, project: &Path) -> Result<()> {
        let Some(folder) = self.folder(Path::new("")) else { return Ok(()) };
        let within = folder.strip_prefix(self.home(Path::new(""))).unwrap_or(&folder);
        let is_there = |path: &Path| fs::symlink_metadata(path).is_ok_and(|there| there.is_dir());
        match is_there(&staging.folder().join(within)) {
            true => Ok(()),
            false => Err(FeatureArchiveError::NoFolder { path: self.path(project), folder }),
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> FeatureArchiveError {
    let path = path.to_path_buf();
    |source| FeatureArchiveError::Io { path, source }
}

/// An archive that is being read.
struct Reading<'a, P> {
    path: &'a Path,
    staging: Staging<'a>,
    progress: P,
    buffer: Vec<u8>,
}

impl<P: FnMut(&Path, u64)> Reading<'_, P> {
    fn read(&mut self, file: File, limits: UnpackLimits) -> Result<()> {
        let meter = Meter::new(HEADERS.1.saturating_add(HEADERS.0 * u64::from(limits.members)));
        let unzipped = MultiGzDecoder::new(BufReader::with_capacity(1 << 18, file));
        let mut archive = tar::Archive::new(meter.reader(unzipped));
        let mut members = archive.entries().map_err(|source| self.damaged(source))?;
        loop {
            let before = meter.left();
            match members.next() {
                Some(member) => self.member(member.map_err(|source| self.damaged(source))?, &meter)?,
                // A member is filled up to a block, and an end is an empty block at least.
                None if before - meter.left() < BLOCK => {
                    let source = io::Error::new(io::ErrorKind::UnexpectedEof, "the end of the archive is missing");
                    return Err(self.damaged(source));
                }
                None => break,
            }
        }
        // What follows the end is filling, and the checksum of the compressed file.
        io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|source| self.damaged(source))?;
        Ok(())
    }

    fn member<R: Read>(&mut self, mut member: tar::Entry<'_, R>, meter: &Meter) -> Result<()> {
        let kind = member.header().entry_type();
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        let bytes = member.path_bytes().into_owned();
        let name = shown(&bytes);
        let is_folder = kind.is_dir() || bytes.ends_with(b"/");
        let path = member.path().map_err(|source| self.damaged(source))?.into_owned();
        let refused = |problem| FeatureArchiveError::Member { path: self.path.into(), member: name.clone(), problem };
        if is_sparse(&mut member).map_err(|source| self.damaged(source))? {
            return Err(refused(MemberProblem::Kind("a sparse file")));
        }
        match kind.as_byte() {
            b'0' | b'\0' | b'7' if !is_folder => self.file(&name, &path, member, meter),
            b'0' | b'\0' | b'5' | b'7' => self.staging.add_folder(&name, &path),
            b'1' | b'2' => {
                let to = member.link_name().map_err(|source| self.damaged(source))?.unwrap_or_default();
                match kind.is_symlink() {
                    true => self.staging.add_link(&name, &path, &to),
                    false => self.staging.add_hard_link(&name, &path, &to),
                }
            }
            b'3' => Err(refused(MemberProblem::Kind("a character device"))),
            b'4' => Err(refused(MemberProblem::Kind("a block device"))),
            b'6' => Err(refused(MemberProblem::Kind("a pipe"))),
            _ => Err(refused(MemberProblem::Kind("a member of another kind"))),
        }
    }

    fn file<R: Read>(&mut self, name: &str, path: &Path, mut member: tar::Entry<'_, R>, meter: &Meter) -> Result<()> {
        let size = member.size();
        let before = self.staging.bytes();
        let (at, mut file) = self.staging.add_file(name, path, size)?;
        (self.progress)(path, before);
        let headers = meter.set(size);
        let mut missing = size;
        while missing > 0 {
            let read = match member.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(|source| self.damaged(source))?,
            };
            if read == 0 {
                return Err(self.damaged(io::ErrorKind::UnexpectedEof.into()));
            }
            let written = file.write_all(&self.buffer[..read]);
            written.map_err(|source| FeatureArchiveError::Io { path: at.clone(), source })?;
            missing = missing.saturating_sub(read as u64);
        }
        meter.set(headers);
        file.sync_all().map_err(|source| FeatureArchiveError::Io { path: at, source })
    }

    /// Messages repeat names of the archive as they are.
    fn damaged(&self, source: io::Error) -> FeatureArchiveError {
        let source = io::Error::new(source.kind(), source.to_string().escape_debug().to_string());
        FeatureArchiveError::Damaged { path: self.path.into(), source }
    }
}

/// Whether a member has holes: as GNU tar marks it in its own headers, or in extended ones.
fn is_sparse<R: Read>(member: &mut tar::Entry<'_, R>) -> io::Result<bool> {
    let mut is_sparse = member.header().entry_type().is_gnu_sparse();
    for field in member.pax_extensions()?.into_iter().flatten() {
        is_sparse |= field?.key_bytes().starts_with(b"GNU.sparse.");
    }
    Ok(is_sparse)
}

/// A name of any bytes and length, for messages, which escape it.
fn shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 200;
    match bytes.len() > LONGEST {
        true => format!("{}...", String::from_utf8_lossy(&bytes[..LONGEST])),
        false => String::from_utf8_lossy(bytes).into_owned(),
    }
}
