//! Experts, captions and teachers: splits in memory, batches, and the published folders.

#[path = "experts/archives.rs"]
mod archives;
#[path = "experts/batches.rs"]
mod batches;
#[path = "experts/checkpoints.rs"]
mod checkpoints;
#[path = "experts/folder.rs"]
mod folder;
#[path = "experts/support.rs"]
mod support;
