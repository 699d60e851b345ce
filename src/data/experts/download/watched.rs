//! Bodies that keep coming.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use ureq::Agent;

/// A body whose reading ends with [`io::ErrorKind::TimedOut`] once none of it has come for some time.
///
/// A thread closes the connections of the agent then. Time limits of single reads of a socket are not enough: what is no content (trailers of
/// chunks, say) can keep one read of the body from ending for ever.
pub(super) struct Watched<R> {
    body: R,
    idle: Duration,
    is_reading: Sender<bool>,
    is_closed: Arc<AtomicBool>,
}

impl<R: Read> Watched<R> {
    pub fn new(body: R, agent: Agent, idle: Duration) -> io::Result<Self> {
        let (is_reading, changes) = mpsc::channel();
        let is_closed = Arc::new(AtomicBool::new(false));
        let closed = is_closed.clone();
        thread::Builder::new().spawn(move || {
            if becomes_idle(&changes, idle) {
                closed.store(true, Ordering::SeqCst);
                agent.shutdown();
            }
        })?;
        Ok(Self { body, idle, is_reading, is_closed })
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Nobody listens once the connection is closed.
        let _ = self.is_reading.send(true);
        let read = self.body.read(buffer);
        let _ = self.is_reading.send(false);
        match read {
            // A connection that was closed here may look like the end of the body.
            Ok(0) | Err(_) if self.is_closed.load(Ordering::SeqCst) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("nothing came for {:?}", self.idle)))
            }
            _ => read,
        }
    }
}

/// Waits until one read takes too long, or until there is no reader any more. Time between reads does not count: a disk may be slow.
fn becomes_idle(changes: &Receiver<bool>, idle: Duration) -> bool {
    let mut is_reading = false;
    loop {
        let change = if is_reading { changes.recv_timeout(idle) } else { changes.recv().map_err(Into::into) };
        match change {
            Ok(now) => is_reading = now,
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}
