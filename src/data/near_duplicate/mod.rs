//! Annotations of near-duplicate video retrieval: CC_WEB_VIDEO, VCDB, FIVR, EVVE and ActivityNet, as Temporal Context Aggregation and ViSiL
//! evaluate them; results of FIVR; items to train on.
//!
//! Every reader gives a [`RetrievalSet`]: ids and numbers, queries, database, and for each query what is relevant. Files are those that the
//! authors publish, or their neutral forms in JSON; either may be compressed. See `docs/formats.md`.
//!
//! [`FrameFeatures`] has what is known of the frames of a video; which videos have some, and what that makes of the metrics, is
//! `metrics::near_duplicate`'s.

pub mod activity_net;
pub mod cc_web;
mod dataset;
pub mod evve;
mod features;
mod fields;
pub mod fivr;
mod ids;
mod item;
mod results;
pub mod vcdb;

pub use dataset::{Dataset, UnknownDataset};
pub use features::{FeatureError, FeatureProblem, FrameFeatures};
pub use ids::VideoIds;
pub use item::{ClipBatch, Crop, ItemError, draw_negatives, resize_axis};
pub use results::{ResultFile, ResultProblem, read_results, write_results};

/// What a data set says: `T` is what it says of one query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetrievalSet<T> {
    /// Ids of all videos that are named, and the numbers that stand for them.
    pub ids: VideoIds,
    /// The queries in the order of the file.
    pub queries: Vec<u32>,
    /// The videos to be found, in the order of the file, each once. Published programs rank tied videos in this order.
    pub database: Vec<u32>,
    /// One for each query.
    pub truths: Vec<T>,
}
