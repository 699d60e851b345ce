use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

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
pub(super) struct Writer<'scope> {
    jobs: SyncSender<Job>,
    thread: ScopedJoinHandle<'scope, Result<(), CheckpointError>>,
}

impl<'scope> Writer<'scope> {
    pub fn start(scope: &'scope Scope<'scope, '_>) -> Self {
        // One waits while one is written: more would only hold memory.
        let (jobs, queue) = sync_channel(1);
        Self { jobs, thread: scope.spawn(move || queue.into_iter().try_for_each(run)) }
    }

    /// Hands a job over; `false` when nothing is written any more, after an error that [`Writer::finish`] gives.
    pub fn send(&self, folder: &Path, saves: Vec<Save>, checkpoint: Checkpoint) -> bool {
        self.jobs.send(Job { folder: folder.into(), saves, checkpoint }).is_ok()
    }

    /// Waits until everything is written.
    pub fn finish(self) -> Result<(), CheckpointError> {
        drop(self.jobs);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
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
