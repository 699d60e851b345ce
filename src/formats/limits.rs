//! Budgets shared by the readers of untrusted files.

/// Upper bounds on what one file may ask for. Every bound is checked before the memory is reserved.
///
/// The defaults read every file of the published systems; lower them for files from strangers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size of the file itself, in bytes.
    pub input_bytes: u64,
    /// Objects that a pickle may create (one opcode creates at most a few).
    pub nodes: u64,
    /// Size of the tree when every shared object is counted once per reference: what a walk would visit, arrays
    /// of numbers and text counting as one value. A "memo bomb"
    /// of a few hundred bytes describes a tree of 2^100 nodes; it is refused, so that walks need no budget of their own.
    pub expanded_nodes: u64,
    /// Bytes of strings, arrays, tensors and archive members created while reading one file.
    pub bytes: u64,
    /// Nesting of containers. Above a few thousand, dropping or printing a tree could exhaust the stack, so values
    /// above [`Limits::MAX_DEPTH`] count as that.
    pub depth: u32,
    /// Members of a zip archive.
    pub archive_members: usize,
    /// Uncompressed over compressed size of one archive member (checked for members above 1 MiB).
    pub archive_ratio: u64,
}

impl Limits {
    /// The greatest nesting ever accepted.
    pub const MAX_DEPTH: u32 = 1000;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            input_bytes: 8 << 30,
            nodes: 1 << 25,
            expanded_nodes: 1 << 28,
            bytes: 8 << 30,
            depth: 200,
            archive_members: 1 << 17,
            archive_ratio: 500,
        }
    }
}

/// A file asks for more than a [`Limits`] field allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {wanted} wanted, {limit} allowed")]
pub struct LimitError {
    /// Which budget.
    pub what: &'static str,
    /// What the file asks for, including what was granted before.
    pub wanted: u64,
    /// The bound.
    pub limit: u64,
}

/// What is left of a [`Limits`].
#[derive(Debug)]
pub(crate) struct Budget<'a> {
    pub limits: &'a Limits,
    nodes: u64,
    bytes: u64,
}

impl<'a> Budget<'a> {
    pub fn new(limits: &'a Limits) -> Self {
        Self { limits, nodes: 0, bytes: 0 }
    }

    /// Grants `count` more objects.
    pub fn nodes(&mut self, count: usize) -> Result<(), LimitError> {
        spend(&mut self.nodes, count as u64, self.limits.nodes, "objects")
    }

    /// Grants `count` more bytes.
    pub fn bytes(&mut self, count: u64) -> Result<(), LimitError> {
        spend(&mut self.bytes, count, self.limits.bytes, "bytes of content")
    }
}

fn spend(used: &mut u64, count: u64, limit: u64, what: &'static str) -> Result<(), LimitError> {
    let wanted = used.saturating_add(count);
    check(what, wanted, limit)?;
    *used = wanted;
    Ok(())
}

/// `wanted <= limit`, or the error.
pub(crate) fn check(what: &'static str, wanted: u64, limit: u64) -> Result<(), LimitError> {
    if wanted <= limit { Ok(()) } else { Err(LimitError { what, wanted, limit }) }
}

/// Reads a whole file whose size is within `limits`.
pub(crate) fn read_file(path: &std::path::Path, limits: &Limits) -> std::io::Result<Result<Vec<u8>, LimitError>> {
    use std::io::Read;
    let file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    if let Err(error) = check("bytes in the file", length, limits.input_bytes) {
        return Ok(Err(error));
    }
    let mut bytes = Vec::new();
    // A device file reports no length: `take` bounds what it can deliver.
    file.take(limits.input_bytes).read_to_end(&mut bytes)?;
    Ok(Ok(bytes))
}
