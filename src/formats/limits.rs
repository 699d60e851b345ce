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
    /// Size of the tree when every shared object is counted once per reference, an array as its elements: what a walk would visit. A "memo
    /// bomb" of a few hundred bytes describes a tree of 2^100 nodes; it is refused, so that walks need no budget of their own.
    pub expanded_nodes: u64,
    /// Bytes of strings, arrays, tensors and archive members created while reading one file.
    pub bytes: u64,
    /// Memory for what is made of a file, objects included: at most 64 MiB and this many times the size of the file, or of its contents where
    /// it is compressed. Values in the expanded tree: at most 4 Mi and as many times.
    pub expansion: u64,
    /// Nesting of containers. Above a few thousand, dropping or printing a tree could exhaust the stack, so values
    /// above [`Limits::MAX_DEPTH`] count as that.
    pub depth: u32,
    /// Members of a zip archive.
    pub archive_members: usize,
    /// Uncompressed over compressed size, of one archive member and of all together (checked above 1 MiB).
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
            expansion: 64,
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

/// Memory that any file may take, however small.
const BASE: u64 = 64 << 20;

/// Values that any tree may have, however small its file.
const BASE_VALUES: u64 = 4 << 20;

/// Memory of an object while its file is read, by and large.
const NODE: u64 = 96;

/// What is left of a [`Limits`]: one for each file, charged for all that is made of it.
#[derive(Debug)]
pub(crate) struct Budget<'a> {
    pub limits: &'a Limits,
    /// Bytes of the file.
    file: u64,
    /// Bytes unpacked from it.
    unpacked: u64,
    nodes: u64,
    bytes: u64,
    /// Memory for nodes and bytes.
    made: u64,
    /// Files within files that are being read.
    pub nested: u32,
}

impl<'a> Budget<'a> {
    /// That of a file of so many bytes.
    pub fn new(limits: &'a Limits, file: usize) -> Self {
        Self { limits, file: file as u64, unpacked: 0, nodes: 0, bytes: 0, made: 0, nested: 0 }
    }

    /// Grants `count` more objects.
    pub fn nodes(&mut self, count: usize) -> Result<(), LimitError> {
        spend(&mut self.nodes, count as u64, self.limits.nodes, "objects")?;
        self.make((count as u64).saturating_mul(NODE))
    }

    /// Grants `count` more bytes.
    pub fn bytes(&mut self, count: u64) -> Result<(), LimitError> {
        spend(&mut self.bytes, count, self.limits.bytes, "bytes of content")?;
        self.make(count)
    }

    /// Grants `count` more bytes that are unpacked from the file; they count as contents of the file then.
    pub fn unpacked(&mut self, count: u64) -> Result<(), LimitError> {
        let most = self.file.saturating_mul(self.limits.archive_ratio).max(1 << 20);
        spend(&mut self.unpacked, count, most, "bytes unpacked")?;
        self.bytes(count)
    }

    /// Whether containers may stand so many levels deep.
    pub fn level(&self, level: u32) -> Result<(), LimitError> {
        check("levels of nesting", level.into(), self.limits.depth.min(Limits::MAX_DEPTH).into())
    }

    /// Whether a tree may have so many values, each counted as often as it is referred to.
    pub fn expanded(&self, values: u64) -> Result<(), LimitError> {
        let most = BASE_VALUES.saturating_add(self.contents().saturating_mul(self.limits.expansion));
        check("values in the expanded tree", values, self.limits.expanded_nodes.min(most))
    }

    fn make(&mut self, count: u64) -> Result<(), LimitError> {
        let most = BASE.saturating_add(self.contents().saturating_mul(self.limits.expansion));
        spend(&mut self.made, count, most, "bytes of memory")
    }

    fn contents(&self) -> u64 {
        self.file.saturating_add(self.unpacked)
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

/// Reads a whole regular file whose size is within `limits`.
pub(crate) fn read_file(path: &std::path::Path, limits: &Limits) -> std::io::Result<Result<Vec<u8>, LimitError>> {
    use std::io::Read;
    let (file, length) = crate::files::open_regular(path)?;
    if let Err(error) = check("bytes in the file", length, limits.input_bytes) {
        return Ok(Err(error));
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(limits.input_bytes).read_to_end(&mut bytes)?;
    Ok(Ok(bytes))
}
