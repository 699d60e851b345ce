//! The readers alone, compiled from the library's own sources: `dfdx`, which the whole library depends on, does not
//! build on the nightly compilers that cargo-fuzz needs.

#[path = "../../src/matrix.rs"]
pub mod matrix;

#[path = "../../src/files.rs"]
pub mod files;

#[path = "../../src/options/mod.rs"]
pub mod options;

#[path = "../../src/relevance"]
pub mod relevance {
    mod classes;

    pub use classes::*;
}

#[path = "../../src/data/relational/table.rs"]
pub mod table;

/// As in the library, without what needs more of it.
#[path = "../../src/formats"]
pub mod formats {
    mod archive;
    mod error;
    pub mod hdf5;
    mod json;
    pub mod limits;
    mod message_pack;
    pub mod ndarray;
    pub mod npy;
    pub(crate) mod packed;
    pub mod pickle;
    pub mod torch;
    pub mod tree;
    pub mod word2vec;

    pub use archive::ArchiveError;
    pub use error::FormatError;
    pub use limits::{LimitError, Limits};
    pub use packed::PackedError;
}

/// Small, so that they are met.
pub fn limits() -> formats::Limits {
    formats::Limits { nodes: 20_000, expanded_nodes: 20_000, bytes: 1 << 20, depth: 50, ..Default::default() }
}

/// Reads a file of an extension; what it holds must be within the limits.
pub fn check_tree(bytes: &[u8], extension: &str) {
    if let Ok(value) = formats::tree::from_slice(bytes, extension, &limits(), &[]) {
        let (count, depth) = walk(&value);
        assert!(count <= limits().nodes && depth <= 1 + limits().depth);
    }
}

/// Values in a tree, and their greatest depth; the shapes of arrays agree with their values.
pub fn walk(value: &formats::pickle::Value) -> (u64, u32) {
    use formats::pickle::Value;

    let children: Vec<&Value> = match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => items.iter().collect(),
        Value::Dict(dict) => dict.entries().iter().flat_map(|(key, value)| [key, value]).collect(),
        Value::Array(array) => {
            assert_eq!(array.len(), array.shape().iter().product::<usize>());
            Vec::new()
        }
        _ => Vec::new(),
    };
    children.into_iter().map(walk).fold((1, 1), |(count, depth), (more, below)| (count + more, depth.max(below + 1)))
}
