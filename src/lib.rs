//! Video-text retrieval models composed at compile time.

pub mod blocks;
pub mod data;
pub mod losses;
pub mod matrix;
pub mod metrics;
pub mod models;
pub mod ops;
pub mod recipes;
pub mod relevance;
pub mod report;
pub mod similarity;
pub mod space;
pub mod train;
