//! What a file may make its reader do.

use super::error::{Hdf5Error, Result};
use crate::formats::limits::{Budget, Limits};

/// Memory beyond what the size of a file accounts for.
const SPARE: u64 = 48 << 20;
/// Steps beyond what the size of a file accounts for.
const SPARE_VISITS: u64 = 200_000;

/// What is left of the budgets of one file. Beside the limits of the caller there are three that follow from the size of the file, so that a
/// small file is read in a short time and in little memory, whatever it says.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub budget: Budget<'a>,
    visits: u64,
    stored: u64,
    memory: u64,
}

impl<'a> Work<'a> {
    pub fn new(limits: &'a Limits, file: usize) -> Self {
        let file = file as u64;
        Self {
            // What follows from the size of the file is kept here, and is less.
            budget: Budget::new(limits, usize::MAX),
            visits: SPARE_VISITS + file / 4,
            stored: file,
            memory: file.saturating_mul(3).saturating_add(SPARE),
        }
    }

    /// Grants steps: objects, messages, links, entries of an index. Each takes some bytes of an honest file.
    pub fn visit(&mut self, count: u64) -> Result<()> {
        spend(&mut self.visits, count, "objects")?;
        Ok(self.budget.nodes(usize::try_from(count).unwrap_or(usize::MAX))?)
    }

    /// Grants the reading of stored values. Of an honest file no byte is read twice, so the sum is at most the size of the file: parts that
    /// overlap cannot multiply it.
    pub fn stored(&mut self, bytes: u64) -> Result<()> {
        spend(&mut self.stored, bytes, "stored values")
    }

    /// Grants memory that is about to be reserved.
    pub fn take(&mut self, bytes: u64) -> Result<()> {
        spend(&mut self.memory, bytes, "memory")
    }

    /// Memory that is free again.
    pub fn give(&mut self, bytes: u64) {
        self.memory = self.memory.saturating_add(bytes);
    }

    /// Counts bytes that came out of a decompression as content of the file, like the file's own.
    pub fn inflated(&mut self, bytes: u64) -> Result<()> {
        self.give(bytes.saturating_mul(4));
        self.take(bytes)
    }
}

fn spend(left: &mut u64, count: u64, what: &'static str) -> Result<()> {
    *left = left.checked_sub(count).ok_or(Hdf5Error::Disproportion(what))?;
    Ok(())
}
