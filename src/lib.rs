//! Video-text retrieval models composed at compile time.

pub mod data;
pub mod matrix;
pub mod metrics;
pub mod relevance;
pub mod similarity;
