//! Experts, captions and teachers: splits in memory, batches, and the published folders.

#[path = "experts/batches.rs"]
mod batches;
#[path = "experts/support.rs"]
mod support;
