//! One retrieval split in memory: features, class tables, relevance.

use super::file_name;
use super::sampling::ClassTable;
use crate::data::FiniteMatrix;
use crate::relevance::{Classes, Level, SparseRelevance};

/// One thing for each level at which videos and captions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PerLevel<T> {
    /// Verbs.
    pub verb: T,
    /// Nouns.
    pub noun: T,
    /// Whole captions: a verb with its nouns.
    pub action: T,
}

impl<T> PerLevel<T> {
    /// The one of a level.
    pub fn get(&self, level: Level) -> &T {
        match level {
            Level::Verb => &self.verb,
            Level::Noun => &self.noun,
            Level::Action => &self.action,
        }
    }

    /// The one of a level, mutable.
    pub fn get_mut(&mut self, level: Level) -> &mut T {
        match level {
            Level::Verb => &mut self.verb,
            Level::Noun => &mut self.noun,
            Level::Action => &mut self.action,
        }
    }

    /// Makes one for each level, in the order verb, noun, action.
    ///
    /// # Errors
    /// The first that `f` returns.
    pub fn try_from_fn<E>(mut f: impl FnMut(Level) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self { verb: f(Level::Verb)?, noun: f(Level::Noun)?, action: f(Level::Action)? })
    }
}

/// The levels in the order of the published loops.
pub const LEVELS: [Level; 3] = [Level::Verb, Level::Noun, Level::Action];

/// Pre-extracted features of one split.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Features {
    /// One row per video, `(X, V)`.
    pub video: FiniteMatrix,
    /// One row per caption and level, each `(Y, T)`.
    pub text: PerLevel<FiniteMatrix>,
}

/// What triplets of one level are drawn from, and what their margins are computed from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Relations {
    /// Classes of the videos for sampling.
    pub video: ClassTable,
    /// Classes of the captions for sampling.
    pub text: ClassTable,
    /// Classes of the videos for the relevance margin.
    pub video_classes: Vec<Classes>,
    /// Classes of the captions for the relevance margin.
    pub text_classes: Vec<Classes>,
}

/// A split to train on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrainSplit {
    /// Features.
    pub features: Features,
    /// Class tables by level.
    pub relations: PerLevel<Relations>,
}

/// A split to evaluate on.
#[derive(Debug, Clone)]
pub struct EvalSplit {
    /// Features.
    pub features: Features,
    /// Relevance of every caption to every video, `X x Y`, by level.
    pub relevance: PerLevel<SparseRelevance>,
    /// Captions of every video, where the data set names them (for recalls).
    pub ground_truth: Option<Vec<Vec<usize>>>,
}

/// Why parts of a split do not belong together.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SplitError {
    /// Two parts disagree in a size.
    #[error("{what}: {left} has {left_size}, {right} has {right_size}")]
    Sizes {
        /// What disagrees.
        what: &'static str,
        /// One part.
        left: String,
        /// Its size.
        left_size: usize,
        /// The other part.
        right: String,
        /// Its size.
        right_size: usize,
    },
    /// There is nothing in the split.
    #[error("{what} is empty")]
    Empty {
        /// Which part.
        what: String,
    },
}

fn same(what: &'static str, left: (&str, usize), right: (&str, usize)) -> Result<(), SplitError> {
    if left.1 == right.1 {
        return Ok(());
    }
    Err(SplitError::Sizes { what, left: left.0.into(), left_size: left.1, right: right.0.into(), right_size: right.1 })
}

fn not_empty(what: &str, matrix: &FiniteMatrix) -> Result<(), SplitError> {
    if matrix.as_slice().is_empty() { Err(SplitError::Empty { what: what.into() }) } else { Ok(()) }
}

impl Features {
    /// Checks that the parts belong together: no part empty, the same captions and the same width at every
    /// level. A zero row is legal (its embedding is that of the biases).
    ///
    /// # Errors
    /// [`SplitError`], naming both parts.
    pub fn check(&self) -> Result<(), SplitError> {
        not_empty("video features", &self.video)?;
        for level in LEVELS {
            let (name, text) = (format!("{} text features", file_name(level)), self.text.get(level));
            not_empty(&name, text)?;
            let verb = &self.text.verb;
            same("captions", ("verb text features", verb.rows()), (&name, text.rows()))?;
            same("width", ("verb text features", verb.cols()), (&name, text.cols()))?;
        }
        Ok(())
    }
}

impl TrainSplit {
    /// Checks the features and that every class table has an entry for each item.
    ///
    /// # Errors
    /// [`SplitError`], naming both parts.
    pub fn check(&self) -> Result<(), SplitError> {
        self.features.check()?;
        for level in LEVELS {
            let Relations { video, text, video_classes, text_classes } = self.relations.get(level);
            let (videos, captions) = (self.features.video.rows(), self.features.text.verb.rows());
            let name = format!("the {} relational dictionary", file_name(level));
            same("videos", ("video features", videos), (&name, video.len()))?;
            same("captions", ("text features", captions), (&name, text.len()))?;
            same("videos", ("video features", videos), (&name, video_classes.len()))?;
            same("captions", ("text features", captions), (&name, text_classes.len()))?;
        }
        Ok(())
    }
}

impl EvalSplit {
    /// Checks the features and that relevance and ground truth have their sizes.
    ///
    /// # Errors
    /// [`SplitError`], naming both parts.
    pub fn check(&self) -> Result<(), SplitError> {
        self.features.check()?;
        let (videos, captions) = (self.features.video.rows(), self.features.text.verb.rows());
        for level in LEVELS {
            let relevance = self.relevance.get(level);
            let name = format!("{} relevance", file_name(level));
            same("videos", ("video features", videos), (&name, relevance.rows()))?;
            same("captions", ("text features", captions), (&name, relevance.cols()))?;
        }
        if let Some(truth) = &self.ground_truth {
            same("videos", ("video features", videos), ("ground truth", truth.len()))?;
        }
        Ok(())
    }
}
