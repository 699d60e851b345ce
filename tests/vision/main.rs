//! What stands before networks that read frames: laws, limits and errors. Values are compared in `tests/golden/tca_frames.rs`.

mod ffmpeg;
mod pca;
mod pictures;
mod pooling;
