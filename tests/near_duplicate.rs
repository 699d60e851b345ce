//! Near-duplicate video retrieval: metrics against the loops of the published programs, readers against damaged files.

#[path = "near_duplicate/files.rs"]
mod files;
#[path = "near_duplicate/metrics.rs"]
mod metrics;
#[path = "near_duplicate/published.rs"]
mod published;
