//! Reading no more than was agreed on.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// How many bytes may still be read. Names of any length are read into memory as a whole by whoever reads headers.
pub(super) struct Meter(Rc<Cell<u64>>);

impl Meter {
    pub fn new(bytes: u64) -> Self {
        Self(Rc::new(Cell::new(bytes)))
    }

    pub fn left(&self) -> u64 {
        self.0.get()
    }

    /// Changes it, and says what was left.
    pub fn set(&self, bytes: u64) -> u64 {
        self.0.replace(bytes)
    }

    pub fn reader<R: Read>(&self, reader: R) -> Metered<R> {
        Metered { reader, left: self.0.clone() }
    }
}

/// A reader that ends with an error where a [`Meter`] does.
pub(super) struct Metered<R> {
    reader: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too many bytes that are not of files"));
        }
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.reader.read(&mut buffer[..most])?;
        self.left.set(left - read as u64);
        Ok(read)
    }
}
