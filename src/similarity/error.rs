//! Why a similarity has no value.

/// Which of the two sets of embeddings is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first set.
    Queries,
    /// The second set.
    Items,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Queries => "queries",
            Self::Items => "items",
        })
    }
}

/// The largest norm of some rows, and the first row that has it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LargestNorm {
    /// Row within the set; of sets of frames, the frame.
    pub row: usize,
    /// Norm; 0 where there is no row.
    pub norm: f64,
}

impl LargestNorm {
    /// The larger of two; this one where they are equal.
    pub(super) fn or_larger(self, other: Self) -> Self {
        if other.norm > self.norm { other } else { self }
    }
}

/// Why a similarity has no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SimilarityError {
    /// Embeddings of different sizes.
    #[error("queries have {queries} dimensions, items {items}")]
    Dimensions {
        /// Size of a query.
        queries: usize,
        /// Size of an item.
        items: usize,
    },
    /// An embedding holds NaN or an infinity.
    #[error("row {row} of the {side}, dimension {dimension} is {value}, not a finite number")]
    NonFinite {
        /// Set.
        side: Side,
        /// Row within the set.
        row: usize,
        /// Dimension.
        dimension: usize,
        /// The value found.
        value: f32,
    },
    /// Norms so large that a similarity could exceed f32.
    #[error(
        "row {} of the queries with a norm of {:e} and row {} of the items with a norm of {:e} may overflow a 32-bit similarity",
        .query.row, .query.norm, .item.row, .item.norm
    )]
    Overflow {
        /// The largest of the queries.
        query: LargestNorm,
        /// The largest of the items read so far.
        item: LargestNorm,
    },
    /// `k` must be between 1 and the number of items.
    #[error("k is {k}: it must be between 1 and the number of items, {items}")]
    K {
        /// The value given.
        k: usize,
        /// Number of items.
        items: usize,
    },
    /// The matrix to fill has another shape than the result.
    #[error("the result is {}x{}, the matrix to fill {}x{}", .wanted.0, .wanted.1, .given.0, .given.1)]
    Result {
        /// Rows and columns of the result.
        wanted: (usize, usize),
        /// Rows and columns given.
        given: (usize, usize),
    },
    /// Too many items for 32-bit indices, or a result too large for memory to address.
    #[error("{queries} queries and {items} items are too many")]
    TooMany {
        /// Number of queries.
        queries: usize,
        /// Number of items.
        items: usize,
    },
    /// There is no memory for packed rows.
    #[error("{rows} rows of {dimensions} dimensions, of the {side}, do not fit into memory")]
    Memory {
        /// Set.
        side: Side,
        /// Rows that are packed at a time.
        rows: usize,
        /// Values of a row.
        dimensions: usize,
    },
    /// The progress callback asked to stop.
    #[error("stopped after {done} of {total} items")]
    Cancelled {
        /// Items compared.
        done: usize,
        /// Number of items.
        total: usize,
    },
    /// Offsets that do not partition the frames into sets.
    #[error("offsets of frame sets must rise from 0 to the number of frames, {frames}; offset {index} does not")]
    Offsets {
        /// Position in the offsets.
        index: usize,
        /// Number of frames.
        frames: usize,
    },
    /// A set without frames has no chamfer similarity.
    #[error("set {set} of the {side} has no frame")]
    EmptySet {
        /// Set of sets.
        side: Side,
        /// Its index.
        set: usize,
    },
    /// An item has a score outside the bounds that follow from what was read of it before.
    #[error("item {item} is not what it was when the items were prepared: prepare them again")]
    Changed {
        /// Row of the set.
        item: usize,
    },
    /// Positives for another number of queries or items than there are.
    #[error("the positives are {}x{}, the similarities {}x{}", .positives.0, .positives.1, .similarities.0, .similarities.1)]
    Positives {
        /// Queries and items that the positives are for.
        positives: (usize, usize),
        /// Queries and items given.
        similarities: (usize, usize),
    },
}
