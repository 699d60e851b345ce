//! What the examples share: command lines, configuration files, data, progress.

pub mod args;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod data;
pub mod device;
pub mod progress;
pub mod restore;
