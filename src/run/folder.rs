use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use crate::files::{LockedFile, read_text, write_atomically};

/// Why a folder cannot be that of a run.
#[derive(Debug, thiserror::Error)]
pub enum RunFolderError {
    /// The name is a path.
    #[error("{name:?} is not a name for a run: it would leave the folder of runs")]
    Name {
        /// The name.
        name: String,
    },
    /// Another process works in it.
    #[error("{}: in use by process {process}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process, where it says so.
        process: String,
    },
    /// A new run would overwrite another.
    #[error("{} holds a run already: go on with --resume, or give another --name", path.display())]
    HoldsRun {
        /// The folder.
        path: PathBuf,
    },
    /// There is nothing to go on with.
    #[error("{}: there is no run to go on with (no config.ron)", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// The file system fails.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

const CONFIG: &str = "config.ron";
const DATA: &str = "data.json";
const LOCK: &str = ".lock";

/// The folder of a run, which no other process can use meanwhile: the system gives the lock back when a process ends, however it ends.
///
/// `config.ron`, `data.json`, `summary.json`, and for each seed `seed-N` with `metrics.jsonl`, `last.safetensors`, `best.safetensors` and ranks.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: LockedFile,
    /// Whether this is a new run.
    is_new: bool,
    /// Folders that did not exist before, the innermost last.
    made: Vec<PathBuf>,
}

impl RunFolder {
    /// Where a new run of a name would be; an error if there is one.
    ///
    /// # Errors
    /// [`RunFolderError::Name`] and [`RunFolderError::HoldsRun`].
    pub fn place(runs: &Path, name: &str) -> Result<PathBuf, RunFolderError> {
        let mut parts = Path::new(name).components();
        match (parts.next(), parts.next()) {
            (Some(Component::Normal(part)), None) if part == name => {}
            _ => return Err(RunFolderError::Name { name: name.into() }),
        }
        let path = runs.join(name);
        if path.join(CONFIG).exists() { Err(RunFolderError::HoldsRun { path }) } else { Ok(path) }
    }

    /// Makes the folder of a new run.
    ///
    /// # Errors
    /// [`RunFolderError`]: another run has it, or makes it at this moment.
    pub fn create(runs: &Path, name: &str, config: &str) -> Result<Self, RunFolderError> {
        let path = Self::place(runs, name)?;
        let mut made: Vec<PathBuf> =
            path.ancestors().take_while(|folder| !folder.exists()).map(Path::to_path_buf).collect();
        made.reverse();
        fs::create_dir_all(&path).map_err(|source| RunFolderError::Io { path: path.clone(), source })?;
        let folder = Self { is_new: true, made, ..Self::locked(path)? };
        // Once more, now that nobody else can make it.
        Self::place(runs, name)?;
        let path = folder.path.join(CONFIG);
        write_atomically(&path, config.as_bytes()).map_err(|source| RunFolderError::Io { path, source })?;
        Ok(folder)
    }

    /// Opens the folder of a run to go on with.
    ///
    /// # Errors
    /// [`RunFolderError::NoRun`] and [`RunFolderError::InUse`].
    pub fn open(path: &Path) -> Result<Self, RunFolderError> {
        if !path.join(CONFIG).is_file() {
            return Err(RunFolderError::NoRun { path: path.into() });
        }
        let folder = Self::locked(path.into())?;
        folder.sweep(&folder.path)?;
        Ok(folder)
    }

    fn locked(path: PathBuf) -> Result<Self, RunFolderError> {
        let file = path.join(LOCK);
        let io = |source| RunFolderError::Io { path: file.clone(), source };
        let open = File::options().read(true).write(true).create(true).truncate(false).open(&file);
        let Some(mut lock) = open.and_then(LockedFile::lock).map_err(io)? else {
            let process = fs::read_to_string(&file).unwrap_or_default();
            return Err(RunFolderError::InUse { path, process });
        };
        let mut note = || lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
        note().map_err(io)?;
        Ok(Self { path, _lock: lock, is_new: false, made: vec![] })
    }

    /// Removes what processes that died left half-written; whoever has the lock is the only one who writes.
    fn sweep(&self, folder: &Path) -> Result<(), RunFolderError> {
        let io = |source| RunFolderError::Io { path: folder.into(), source };
        for entry in fs::read_dir(folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name.starts_with("seed-") {
                self.sweep(&path)?;
            } else if name.ends_with(".tmp") {
                fs::remove_file(&path).map_err(io)?;
            }
        }
        Ok(())
    }

    /// Removes what was made for a new run that failed before it wrote any state.
    pub fn discard(self) {
        let trained = fs::read_dir(&self.path).is_ok_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("seed-")))
        });
        if self.is_new && !trained {
            // What cannot be removed stays: there is nothing in it.
            [CONFIG, DATA, LOCK].iter().for_each(|file| _ = fs::remove_file(self.path.join(file)));
            self.made.iter().rev().for_each(|folder| _ = fs::remove_dir(folder));
        }
    }

    /// Which of these files, with their digests, is the first that is not one of the run; whoever asks first says what the run rests on.
    ///
    /// Noted before the first step, so that a run without a checkpoint yet goes on with its own data alone. Files may have moved meanwhile.
    ///
    /// # Errors
    /// [`RunFolderError::Io`].
    pub fn other_data(&self, files: &[(PathBuf, String)]) -> Result<Option<PathBuf>, RunFolderError> {
        let path = self.path.join(DATA);
        let io = |source| RunFolderError::Io { path: path.clone(), source };
        let noted: Vec<(String, String)> = match read_text(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let lines: Vec<_> = files.iter().map(|(file, sha256)| (file.display().to_string(), sha256)).collect();
                let text = serde_json::to_string_pretty(&lines).map_err(|error| io(error.into()))?;
                write_atomically(&path, text.as_bytes()).map_err(io)?;
                return Ok(None);
            }
            read => serde_json::from_str(&read.map_err(io)?).map_err(|error| io(error.into()))?,
        };
        let mut noted = noted.into_iter().map(|(_, sha256)| sha256);
        let other =
            files.iter().find(|(_, sha256)| noted.next().as_ref() != Some(sha256)).map(|(file, _)| file.clone());
        Ok(other.or_else(|| noted.next().map(|_| path.clone())))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of one seed.
    pub fn of_seed(&self, seed: u64) -> PathBuf {
        self.path.join(format!("seed-{seed}"))
    }

    /// Where the configuration of the run is, in RON.
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_the_folder_of_runs() {
        let runs = tempfile::tempdir().unwrap();
        for name in ["", ".", "..", "../up", "a/b", "/abs", "a/", "./a"] {
            assert!(matches!(RunFolder::place(runs.path(), name), Err(RunFolderError::Name { .. })), "{name:?}");
        }
        assert_eq!(RunFolder::place(runs.path(), "a b").unwrap(), runs.path().join("a b"));
    }

    #[test]
    fn a_folder_has_one_run_and_one_process() {
        let runs = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(runs.path(), "run", "()").unwrap();
        let (path, half) = (folder.path().to_path_buf(), folder.of_seed(3).join("last.safetensors.77.tmp"));
        assert!(matches!(RunFolder::create(runs.path(), "run", "()"), Err(RunFolderError::HoldsRun { .. })));
        let error = RunFolder::open(&path).unwrap_err().to_string();
        assert!(error.ends_with(&format!("in use by process {}", std::process::id())), "{error}");
        fs::create_dir(folder.of_seed(3)).unwrap();
        fs::write(&half, "half").unwrap();
        drop(folder);
        RunFolder::open(&path).unwrap();
        assert!(!half.exists(), "what a dead process left is gone");
        assert!(matches!(RunFolder::open(runs.path()), Err(RunFolderError::NoRun { .. })));
    }
}
