//! Features, classes by level and relevance: what the relevance-based margin is trained on.
//!
//! [`TrainSplit`] and [`EvalSplit`] are splits in memory, [`dictionary`] reads which classes items have, [`sampling`] draws triplets.
//! [`prepare`] makes the files of a data folder from annotations and word vectors.
//! [`epic100`](super::epic100) and [`youcook2`](super::youcook2) read the published folders.

pub mod dictionary;
pub(super) mod folder;
pub mod prepare;
pub mod sampling;
mod split;
pub(super) mod table;

pub use folder::{FolderError, FolderOptions};
pub use split::{EvalSplit, Features, LEVELS, PerLevel, Relations, SplitError, TrainSplit};

use crate::relevance::Level;

/// What the published files call a level: the action is that of a `caption`.
pub(super) fn file_name(level: Level) -> &'static str {
    match level {
        Level::Verb => "verb",
        Level::Noun => "noun",
        Level::Action => "caption",
    }
}
