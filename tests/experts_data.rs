//! Experts, captions and teachers: splits in memory, batches, and the published folders.

#[path = "experts/archives.rs"]
mod archives;
#[path = "experts/batches.rs"]
mod batches;
#[path = "experts/checkpoints.rs"]
mod checkpoints;
#[path = "experts/folder.rs"]
mod folder;
#[cfg(feature = "download")]
#[path = "experts/server.rs"]
mod server;
#[path = "experts/support.rs"]
mod support;
#[cfg(feature = "download")]
#[path = "experts/unpack.rs"]
mod unpack;
