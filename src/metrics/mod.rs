//! Retrieval metrics over plain row-major matrices, so that any framework's scores can be evaluated.
//!
//! - [`graded`]: nDCG and mean average precision against graded relevance (EPIC-Kitchens-100 and its like).
//! - [`rank`]: recall at k, median and mean rank against lists of ground truths.
//! - [`captions`]: the same where every video has a fixed number of captions, some of which may be absent; challenge predictions.
//! - [`labels`]: labels as queries for videos that have several.
//! - [`near_duplicate`]: average precision of near-duplicate video retrieval, one query at a time (CC_WEB_VIDEO, VCDB, FIVR, EVVE, ActivityNet,
//!   copy detection).
//! - [`standing`]: the counts that [`graded`] and [`rank`] need, for evaluation without a matrix.
//!
//! All but [`near_duplicate`] take ONE matrix of similarities, larger meaning more alike, in f32 or f64. Its type says what its rows are: [`graded`] and
//! [`rank`] take it [`VideosByTexts`], [`captions`] and [`labels`] take it [`TextsByVideos`], as the programs that they reproduce do; either
//! is the other, [`transposed`](VideosByTexts::transposed). Sums are taken in f64. Results do not depend on the number of threads.
//!
//! Where published programs differ from each other or from the textbook, the choice is an enum. `Default` gives the sound variants, the
//! `as_published` constructors those of the published programs.

pub mod captions;
pub mod graded;
pub mod labels;
pub mod near_duplicate;
mod order;
mod orientation;
pub mod rank;
mod score;
pub mod standing;

use crate::relevance::RelevanceError;
pub use orientation::{TextsByVideos, VideosByTexts};
pub use score::Score;

/// What becomes of items with equal similarity to a query (0 and -0 are equal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TiePolicy {
    /// The expected value over all orders of the tied items (McSherry & Najork, *Computing Information Retrieval Performance Measures
    /// Efficiently in the Presence of Tied Scores*, ECIR 2008), in closed form. Says nothing better about a system than it knows.
    #[default]
    Average,
    /// Tied items by ascending index, as a stable sort of the negated scores leaves them.
    Ascending,
    /// Tied items by descending index, as the reverse of a stable ascending sort leaves them.
    Descending,
    /// Tied items by falling relevance: the upper bound of nDCG, of average precision with binary relevance, and of recall.
    Optimistic,
    /// Tied items by rising relevance: the lower bound of the same.
    Pessimistic,
}

/// Scores from the worst to the best order of tied items: how much of a number is due to the order alone.
#[derive(Debug, Clone, PartialEq)]
pub struct TieRange<T> {
    /// Under [`TiePolicy::Pessimistic`].
    pub worst: T,
    /// Under [`TiePolicy::Optimistic`].
    pub best: T,
}

impl<T> TieRange<T> {
    fn of<E>(evaluate: impl Fn(TiePolicy) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self { worst: evaluate(TiePolicy::Pessimistic)?, best: evaluate(TiePolicy::Optimistic)? })
    }
}

/// What becomes of a query without any relevant item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EmptyPolicy {
    /// It scores 0 and stays in the mean, as published.
    Zero,
    /// It is left out of the mean.
    #[default]
    Skip,
    /// It is an error.
    Error,
}

/// Direction of retrieval through one matrix of similarities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Rows are queries, columns are items: video to text in [`VideosByTexts`], text to video in [`TextsByVideos`].
    Rows,
    /// Columns are queries, rows are items: text to video in [`VideosByTexts`], video to text in [`TextsByVideos`].
    Columns,
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rows => "row",
            Self::Columns => "column",
        })
    }
}

/// Why a metric has no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// A similarity is NaN or infinite.
    #[error("similarity at row {row}, column {column} is {value}, not a finite number")]
    NonFinite {
        /// Row.
        row: usize,
        /// Column.
        column: usize,
        /// The value found.
        value: f64,
    },
    /// Similarity and relevance have different shapes.
    #[error("similarity is {}x{}, relevance {}x{}", .similarity.0, .similarity.1, .relevance.0, .relevance.1)]
    Shape {
        /// Rows and columns of the similarity matrix.
        similarity: (usize, usize),
        /// Rows and columns of the relevance matrix.
        relevance: (usize, usize),
    },
    /// Texts do not fit the mask of captions.
    #[error(
        "similarity is {}x{}, a mask of {}x{} (videos x captions) wants {}x{}",
        .similarity.0, .similarity.1, .mask.0, .mask.1, .mask.0.saturating_mul(.mask.1), .mask.0
    )]
    Captions {
        /// Rows (texts) and columns (videos) of the similarity matrix.
        similarity: (usize, usize),
        /// Rows (videos) and columns (captions of each) of the mask.
        mask: (usize, usize),
    },
    /// The paired metric needs as many rows as columns.
    #[error("similarity is {}x{}, expected a square matrix of pairs", .similarity.0, .similarity.1)]
    NotSquare {
        /// Rows and columns of the similarity matrix.
        similarity: (usize, usize),
    },
    /// The relevance matrix is malformed.
    #[error(transparent)]
    Relevance(#[from] RelevanceError),
    /// A query without relevant items, under [`EmptyPolicy::Error`].
    #[error("{metric}: query {query} ({direction}) has no relevant item")]
    EmptyQuery {
        /// What has no value for it.
        metric: &'static str,
        /// Whether the query is a row or a column.
        direction: Direction,
        /// Its index.
        query: usize,
    },
    /// No query is left to average over.
    #[error("{metric}: there is no {direction} query to average over: {reason}")]
    NoQueries {
        /// What has no value.
        metric: &'static str,
        /// Direction without queries.
        direction: Direction,
        /// Why none is left, and which option says so.
        reason: String,
    },
    /// A nDCG over the first 0 ranks.
    #[error("nDCG: Depth::At(0) counts no rank")]
    NoDepth,
    /// Relevances so large that their gains or sums leave the range of f64.
    #[error("the relevances of query {query} ({direction}) are too large to sum")]
    Overflow {
        /// Whether the query is a row or a column.
        direction: Direction,
        /// Its index.
        query: usize,
    },
    /// The threshold of binary relevance must be positive and finite.
    #[error("relevance threshold {threshold} is not a positive finite number")]
    Threshold {
        /// The value given.
        threshold: f64,
    },
    /// As many lists of ground truths as rows are needed.
    #[error("{lists} lists of ground truths for {rows} rows")]
    Truths {
        /// Lists given.
        lists: usize,
        /// Rows of the similarity matrix.
        rows: usize,
    },
    /// A ground truth beyond the last column.
    #[error("ground truth {column} of row {row} is out of range: there are {columns} columns")]
    TruthOutOfRange {
        /// Row.
        row: usize,
        /// Ground truth given.
        column: usize,
        /// Number of columns.
        columns: usize,
    },
    /// Too many items for 32-bit indices.
    #[error("{items} items: at most 2^31 are supported")]
    TooManyItems {
        /// Number of items.
        items: usize,
    },
}

/// Mean over queries with the policy for empty ones applied; `empty` is in ascending order. `nothing`: why no query is left, where none is.
fn mean(
    per_query: &[f64],
    empty: &[usize],
    policy: EmptyPolicy,
    (metric, direction): (&'static str, Direction),
    nothing: impl FnOnce() -> String,
) -> Result<f64, MetricError> {
    let counted = match (policy, empty.first()) {
        (EmptyPolicy::Error, Some(&query)) => return Err(MetricError::EmptyQuery { metric, direction, query }),
        (EmptyPolicy::Skip, _) => per_query.len() - empty.len(),
        _ => per_query.len(),
    };
    // Empty queries hold 0 in `per_query`, so that the sum is right under either policy.
    match counted {
        0 => Err(MetricError::NoQueries { metric, direction, reason: nothing() }),
        _ => Ok(per_query.iter().sum::<f64>() / counted as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::MatrixView;

    #[test]
    fn matrices_of_nothing_may_be_as_large_as_they_like() {
        let none = MatrixView::<f32>::new(&[], 0, usize::MAX).unwrap();
        let items = usize::MAX;
        let error = rank::evaluate(VideosByTexts::new(none), &[], &rank::RankOptions::default()).unwrap_err();
        assert_eq!(error, MetricError::TooManyItems { items });
        let marks = |rows, cols| MatrixView::<bool>::new(&[], rows, cols).unwrap();
        let error =
            captions::evaluate(TextsByVideos::new(none), marks(items, 0), &rank::RankOptions::default()).unwrap_err();
        assert_eq!(error, MetricError::TooManyItems { items });
        let labels = labels::mean_average_precision(
            TextsByVideos::new(none),
            marks(0, items),
            TiePolicy::Average,
            EmptyPolicy::Zero,
        );
        assert_eq!(labels.unwrap_err(), MetricError::TooManyItems { items });
    }
}
