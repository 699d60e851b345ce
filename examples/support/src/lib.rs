//! What the examples share: built-in data, baselines, the command line, progress. None of it is part of the library.

pub mod baseline;
pub mod cli;
pub mod demo;
pub mod emoji;
pub mod programs;
mod progress;
