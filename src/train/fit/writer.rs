use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use crate::train::checkpoint::{Checkpoint, CheckpointError};

/// A change to the folder of a run: the file, and what becomes of it.
pub(super) enum Save {
    /// Everything that it takes to go on.
    Whole(String),
    /// The parameters alone.
    Parameters(String),
    /// The file goes.
    Removal(String),
}

/// What becomes of one state, in order.
struct Job {
    folder: PathBuf,
    saves: Vec<Save>,
    checkpoint: Checkpoint,
}

/// Writes checkpoints on a thread of its own, in order, while the training goes on.
pub(super) struct Writer {
    jobs: SyncSender<Job>,
    failed: Arc<Mutex<Option<CheckpointError>>>,
    done: Receiver<()>,
}

impl Writer {
    pub fn start<'scope>(scope: &'scope Scope<'scope, '_>) -> Self {
        // One waits while one is written: more would only hold memory.
        let (jobs, queue) = sync_channel::<Job>(1);
        let (end, done) = sync_channel(1);
        let failed = Arc::new(Mutex::new(None));
        let failure = failed.clone();
        scope.spawn(move || {
            for job in queue {
                if let Err(error) = run(job) {
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    break;
                }
            }
            let _ = end.send(());
        });
        Self { jobs, failed, done }
    }

    /// Hands a job over; an error of an earlier one comes back.
    pub fn send(&self, folder: &Path, saves: Vec<Save>, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        let sent = self.jobs.send(Job { folder: folder.into(), saves, checkpoint });
        match self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => sent.map_err(|_| CheckpointError::Stopped),
        }
    }

    /// Waits until everything is written.
    pub fn finish(self) -> Result<(), CheckpointError> {
        drop(self.jobs);
        let _ = self.done.recv();
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}

fn run(Job { folder, saves, checkpoint }: Job) -> Result<(), CheckpointError> {
    saves.into_iter().try_for_each(|save| match save {
        Save::Whole(name) => checkpoint.save(&folder.join(name)),
        Save::Parameters(name) => checkpoint.save_parameters(&folder.join(name)),
        Save::Removal(name) => remove(&folder.join(name)),
    })
}

fn remove(path: &Path) -> Result<(), CheckpointError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(CheckpointError::Io { path: path.into(), source }),
        _ => Ok(()),
    }
}
