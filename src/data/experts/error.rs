//! Why a split, or what is asked of it, was refused.

/// Why parts of an [`ExpertSplit`](super::ExpertSplit) do not belong together, or options do not fit it. `file` says where the part comes
/// from.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ExpertsError {
    /// Two parts disagree in a size.
    #[error("{file}: {expected} {what} expected, found {found}")]
    Size { file: String, what: String, expected: usize, found: usize },
    /// A video is listed twice.
    #[error("{file}: video {video:?} is listed twice")]
    DuplicateVideo { file: String, video: String },
    /// Two experts have one name.
    #[error("expert {expert:?} is there twice")]
    DuplicateExpert { expert: String },
    /// A split without videos or experts.
    #[error("{file}: no {what}")]
    Empty { file: String, what: &'static str },
    /// Features of another width than the rest.
    #[error("{file}: video {video:?}, {part}: width {expected} expected, found {found}")]
    Width { file: String, video: String, part: String, expected: usize, found: usize },
    /// A fixed expert with more or fewer than one vector.
    #[error("{file}: video {video:?}, {part}: one vector expected, found {found}")]
    OneVector { file: String, video: String, part: String, found: usize },
    /// A feature is NaN or infinite.
    #[error("{file}: video {video:?}, {part}: row {row}, column {column} is {value}")]
    NotFinite { file: String, video: String, part: String, row: usize, column: usize, value: f32 },
    /// A video without features: its similarity would be 0/0.
    #[error("video {video:?} has none of the experts {experts}")]
    NoExpert { video: String, experts: String },
    /// A video without captions.
    #[error("{file}: video {video:?} has no caption")]
    NoCaption { file: String, video: String },
    /// A caption without words.
    #[error("{file}: video {video:?}, caption {caption} has no words")]
    EmptyCaption { file: String, video: String, caption: usize },
    /// One entry per caption is wanted.
    #[error("{file}: video {video:?}, {part}: {expected} entries, one per caption, expected, found {found}")]
    PerCaption { file: String, video: String, part: String, expected: usize, found: usize },
    /// A mask that leaves no caption to draw.
    #[error("{file}: video {video:?}: the caption mask is all zero")]
    AllMasked { file: String, video: String },
    /// A caption that does not exist.
    #[error("{file}: video {video:?}: caption {caption} wanted, it has {captions}")]
    NoSuchCaption { file: String, video: String, caption: usize, captions: usize },
    /// An option with a value it cannot have.
    #[error("{option}: {expected} expected, got {value}")]
    Option { option: &'static str, expected: String, value: String },
    /// An index beyond the videos of the split.
    #[error("video {index} asked for, the split has {videos}")]
    NoSuchVideo { index: usize, videos: usize },
}
