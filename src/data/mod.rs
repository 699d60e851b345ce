//! Readers of users' files, datasets, samplers and batches.
pub mod sampling;
pub mod retrieval;
