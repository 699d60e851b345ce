//! Readers of users' files, datasets, samplers and batches.
