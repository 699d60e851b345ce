//! Near-duplicate video retrieval: average precision as each data set's evaluation takes it.
//!
//! Every query ranks the videos of a database by falling similarity. With rank r counted over the videos that are ranked at all, and P relevant
//! videos,
//!
//! ```text
//! AP = 1/P Σ_{relevant at r} relevant up to r / r         mAP: mean of AP over the queries
//! ```
//!
//! | data set | here | ranked | P, as published |
//! |---|---|---|---|
//! | CC_WEB_VIDEO | [`CcWebEvaluation`] | four values: labelled videos or all, cleaned or not; the query, too | all relevant videos, those that are missing from the database included |
//! | VCDB | [`Evaluation`] | the collection without the query | copies that are there, and the query: a perfect AP is n / (n + 1) |
//! | FIVR-5K, FIVR-200K | [`FivrEvaluation`] | the collection without the query | relevant videos that are there |
//! | EVVE | [`EvveEvaluation`] | the collection; area by trapezoids | relevant videos that are there |
//! | ActivityNet | [`Evaluation`] | all results | relevant videos that are there |
//! | copy detection | [`MicroEvaluation`] | all pairs of a query and a video in one ranking | all relevant pairs |
//!
//! Sources: the programs of Shao et al., *Temporal Context Aggregation for Video Retrieval with Contrastive Learning*, WACV 2021, and
//! Kordopatis-Zilos et al., *ViSiL*, ICCV 2019; the official script of FIVR-200K ([`FivrEvaluation::with_curves`]).
//!
//! Videos are numbers ([`Results`]), and which of them are there is a [`Collection`]. Queries are given one after the other, so that nobody holds
//! all similarities. Where programs differ from each other or from what is sound, [`Options`] has a choice; its `Default` is the sound one.
//!
//! ```
//! use coembed::metrics::near_duplicate::{Collection, Evaluation, NearDuplicateError, Options, Results};
//! # fn main() -> Result<(), NearDuplicateError> {
//! // Four videos; the query 0 is one of them, and 3 has no features.
//! let collection = Collection::new(4).with_queries(&[0], |_| true)?.with_database(&[0, 1, 2, 3], |video| video != 3)?;
//! let mut evaluation = Evaluation::new(&collection, Options::vcdb_as_published());
//! let mut results = Results::new(4);
//! results.extend([(0, 1.0), (1, 0.2), (2, 0.7)])?;
//! // Relevant: the query itself, and 2.
//! assert_eq!(evaluation.add(Some(0), &[0, 2], &results)?, Some(0.5));
//! let report = evaluation.finish()?;
//! assert_eq!((report.ap.mean, report.counts.database.found, report.counts.database.expected), (0.5, 3, 4));
//! # Ok(())
//! # }
//! ```

mod cc_web;
mod collection;
mod curve;
mod evaluation;
mod evve;
mod fivr;
mod micro;
mod ranking;
mod results;

use super::{EmptyPolicy, MetricError, TiePolicy};
pub use cc_web::{CcWebEvaluation, CcWebReport};
pub use collection::{Collection, Counts, Found};
pub use curve::{CurveRule, PrecisionRecallCurve};
pub use evaluation::{Evaluation, Report};
pub use evve::{EvveEvaluation, EvveReport, trapezoid_average_precision};
pub use fivr::{FivrEvaluation, FivrReport};
pub use micro::MicroEvaluation;
pub use results::Results;

/// What becomes of the query itself, where it is one of the videos.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OwnVideo {
    /// It is neither ranked nor relevant: finding it is no merit.
    #[default]
    LeftOut,
    /// It is not ranked, but counts as relevant where it is listed so: always for VCDB, for one query of FIVR-200K.
    Counted,
    /// It is a video like any other: CC_WEB_VIDEO.
    Ranked,
}

/// What becomes of relevant videos that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MissingPositives {
    /// They do not count.
    #[default]
    LeftOut,
    /// They count in P, and are never found: CC_WEB_VIDEO.
    Counted,
}

/// What becomes of results that are not in the [`Collection`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OutsideVideos {
    /// They take no rank.
    #[default]
    LeftOut,
    /// They take ranks: CC_WEB_VIDEO and ActivityNet.
    Ranked,
}

/// What becomes of a similarity that is NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NonFinite {
    /// It is an error.
    #[default]
    Error,
    /// NaN ranks as minus infinity does, behind every number; infinities rank where they belong. The published programs sort NaN, whose place
    /// then depends on the sorting algorithm.
    NanLast,
}

/// Choices of the evaluations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Options {
    /// Videos of equal similarity; the order of [`TiePolicy::Ascending`] is that of insertion.
    pub ties: TiePolicy,
    /// Queries without a relevant video. Published: a division by zero, but 0 for EVVE.
    pub empty: EmptyPolicy,
    /// The query itself.
    pub own: OwnVideo,
    /// Relevant videos that are not there.
    pub missing: MissingPositives,
    /// Results that are not in the collection.
    pub outside: OutsideVideos,
    /// Similarities that are no numbers to rank by.
    pub non_finite: NonFinite,
}

impl Options {
    /// What the published programs have in common: a stable sort by falling similarity.
    const PUBLISHED: Self = Self {
        ties: TiePolicy::Ascending,
        empty: EmptyPolicy::Skip,
        own: OwnVideo::Counted,
        missing: MissingPositives::LeftOut,
        outside: OutsideVideos::LeftOut,
        non_finite: NonFinite::NanLast,
    };

    /// CC_WEB_VIDEO: the query is ranked, and relevant videos count wherever they are.
    pub fn cc_web_as_published() -> Self {
        let (own, missing, outside) = (OwnVideo::Ranked, MissingPositives::Counted, OutsideVideos::Ranked);
        Self { own, missing, outside, ..Self::PUBLISHED }
    }

    /// VCDB: the query is not ranked but is relevant to itself; give it among the relevant videos.
    pub fn vcdb_as_published() -> Self {
        Self::PUBLISHED
    }

    /// FIVR, in the program of Temporal Context Aggregation and in the official script alike: a query that lists itself keeps itself in P.
    pub fn fivr_as_published() -> Self {
        Self::PUBLISHED
    }

    /// EVVE: queries are videos like any other (they are not in the database), and one without a relevant video has an average precision of 0.
    pub fn evve_as_published() -> Self {
        Self { own: OwnVideo::Ranked, empty: EmptyPolicy::Zero, ..Self::PUBLISHED }
    }

    /// ActivityNet: all results but the query are ranked.
    pub fn activity_net_as_published() -> Self {
        Self { outside: OutsideVideos::Ranked, ..Self::PUBLISHED }
    }
}

/// Why an evaluation has no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NearDuplicateError {
    /// A video beyond the numbers of the collection or of the results.
    #[error("video {video}: numbers go from 0 to {}", .videos.saturating_sub(1))]
    UnknownVideo {
        /// Its number.
        video: u32,
        /// How many there are.
        videos: usize,
    },
    /// An event beyond those of the evaluation.
    #[error("event {event}: there are {events}")]
    UnknownEvent {
        /// Its number, from 0.
        event: usize,
        /// How many there are.
        events: usize,
    },
    /// A similarity is NaN or infinite.
    #[error("the similarity of video {video} is {value}, not a finite number")]
    NonFinite {
        /// The video.
        video: u32,
        /// The value found.
        value: f64,
    },
    /// There is nothing to find.
    #[error("micro average precision: no query has a relevant video")]
    NoPositives,
    /// The mean has no value.
    #[error(transparent)]
    Metric(#[from] MetricError),
}
