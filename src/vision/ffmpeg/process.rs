use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use super::FfmpegError;

/// What is kept of a program's messages, in bytes.
const LONGEST_MESSAGE: usize = 2048;

/// How often it is asked whether a program that has closed its output has ended.
const PAUSE: Duration = Duration::from_millis(2);

/// Runs a program, and hands what it writes to `take` in pieces of `piece` bytes; the last one may be shorter.
///
/// Threads read its output, which are left behind if a child of the program keeps that open: this one never waits longer than `time`.
pub(super) fn run(
    mut command: Command,
    time: Duration,
    piece: usize,
    mut take: impl FnMut(Vec<u8>) -> Result<(), FfmpegError>,
) -> Result<(), FfmpegError> {
    let program = PathBuf::from(command.get_program());
    let failed = |source| FfmpegError::Io { program: program.clone(), source };
    let late = || FfmpegError::Time { program: program.clone(), time };
    let deadline = Instant::now() + time;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|source| match source.kind() {
        ErrorKind::NotFound => FfmpegError::Absent(program.clone()),
        _ => failed(source),
    })?;
    let mut child = Running(child);
    let (Some(output), Some(messages)) = (child.0.stdout.take(), child.0.stderr.take()) else {
        return Err(failed(io::Error::other("no pipe")));
    };
    let pieces = in_a_thread(move |sender| pieces(output, piece, sender));
    let messages = in_a_thread(move |sender| _ = sender.send(last_of(messages)));
    loop {
        match pieces.recv_timeout(left(deadline)) {
            Ok(piece) => take(piece.map_err(failed)?)?,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => return Err(late()),
        }
    }
    let status = child.status(deadline).map_err(failed)?.ok_or_else(late)?;
    if status.success() {
        return Ok(());
    }
    let message = messages.recv_timeout(left(deadline)).unwrap_or_default();
    Err(FfmpegError::Failed { program, status, message: String::from_utf8_lossy(&message).trim().into() })
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn in_a_thread<T: Send + 'static>(work: impl FnOnce(SyncSender<T>) + Send + 'static) -> Receiver<T> {
    // Few pieces wait, so that a program which writes faster than it is read waits, too.
    let (sender, receiver) = mpsc::sync_channel(2);
    thread::spawn(move || work(sender));
    receiver
}

/// Sends all pieces, until nobody takes them.
fn pieces(mut output: impl Read, size: usize, sender: SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut piece = vec![];
        let read = output.by_ref().take(size as u64).read_to_end(&mut piece);
        let last = piece.len() < size;
        let sent = match read {
            Ok(0) => return,
            Ok(_) => sender.send(Ok(piece)),
            Err(error) => {
                let _ = sender.send(Err(error));
                return;
            }
        };
        if last || sent.is_err() {
            return;
        }
    }
}

/// The end of a text, read to its end.
fn last_of(mut text: impl Read) -> Vec<u8> {
    let (mut last, mut buffer) = (vec![], [0; LONGEST_MESSAGE]);
    while let Ok(read @ 1..) = text.read(&mut buffer) {
        last.extend_from_slice(&buffer[..read]);
        last.drain(..last.len().saturating_sub(LONGEST_MESSAGE));
    }
    last
}

/// A program that is ended when nobody waits for it any more.
struct Running(Child);

impl Running {
    /// How it ended; `None` where it had not at the deadline.
    fn status(&mut self, deadline: Instant) -> io::Result<Option<ExitStatus>> {
        loop {
            match self.0.try_wait()? {
                None if Instant::now() < deadline => thread::sleep(PAUSE),
                status => return Ok(status),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail for one that has ended, which is what they are for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
