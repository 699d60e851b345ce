//! Graded relevance between items that carry verb and noun classes.
//!
//! For classes `(V, N)` taken as sets, `IoU(A, B) = |A ∩ B| / |A ∪ B|` and the relevance of two items is
//!
//! ```text
//! verb level      IoU(V_i, V_j)
//! noun level      IoU(N_i, N_j)
//! caption level   0.5 * (IoU(V_i, V_j) + IoU(N_i, N_j))
//! ```
//!
//! as in Wray et al., *On Semantic Similarity in Video Retrieval*, CVPR 2021 (the SYN proxy), and Damen et al., *Rescaling Egocentric
//! Vision*, IJCV 2022 (EPIC-Kitchens-100, multi-instance retrieval), where every item has one verb class, so that the verb level is 0 or 1.
//! YouCook2 has several verb classes per item: the same formula.
//!
//! [`relevance`] scores a pair, [`dense_relevance`] and [`sparse_relevance`] all pairs of two lists (rows: videos, columns: captions), and
//! [`margin`] is the triplet margin `1 - relevance` of the relevance-margin loss.
//!
//! [`near_duplicate`] has the ground truths of near-duplicate video retrieval, which are labels of pairs.
//!
//! A relevance of 1 decides what counts as fully relevant, so it is exact: everything is f64, `0.5 * (1 + 1)` is exactly 1, and nothing is
//! ever compared with a tolerance.

mod classes;
mod matrix;
pub mod near_duplicate;
mod sparse;

pub use classes::{ClassError, ClassSet, Classes};
pub use matrix::{dense_relevance, empty_unions, sparse_relevance};
pub use sparse::{Relevance, RelevanceError, SparseRelevance};

/// Which classes two items are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// Verb classes only.
    Verb,
    /// Noun classes only.
    Noun,
    /// Verb and noun classes, half each: the level at which whole captions are retrieved.
    Action,
}

impl std::fmt::Display for Level {
    /// As published scores name it: `verb`, `noun`, `action`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Verb => "verb",
            Self::Noun => "noun",
            Self::Action => "action",
        })
    }
}

/// The IoU of two empty sets, which is 0/0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EmptyUnion {
    /// 0: two items without classes are not known to be alike. As published for the relevance matrices; the published training code divides
    /// by zero here instead. [`empty_unions`] counts the pairs concerned.
    #[default]
    Zero,
    /// 1: two empty sets are equal.
    One,
}

impl EmptyUnion {
    fn value(self) -> f64 {
        match self {
            Self::Zero => 0.0,
            Self::One => 1.0,
        }
    }
}

/// Relevance of two items at a level, as entered in the relevance matrices; symmetric, in [0, 1].
pub fn relevance(a: &Classes, b: &Classes, level: Level, empty: EmptyUnion) -> f64 {
    let verbs = || a.verbs.iou(&b.verbs).unwrap_or(empty.value());
    let nouns = || a.nouns.iou(&b.nouns).unwrap_or(empty.value());
    match level {
        Level::Verb => verbs(),
        Level::Noun => nouns(),
        Level::Action => 0.5 * (verbs() + nouns()),
    }
}

/// Relevance of an anchor and a negative as the relevance-margin loss uses it.
///
/// At caption level this is [`relevance`]. At verb level the published code passes the same dummy noun set for both items, so that the noun
/// half is always 1 and the result is `0.5 * (IoU(V_i, V_j) + 1)`, in [0.5, 1]; at noun level likewise.
pub fn margin_relevance(anchor: &Classes, negative: &Classes, level: Level, empty: EmptyUnion) -> f64 {
    let matched = relevance(anchor, negative, level, empty);
    match level {
        Level::Verb | Level::Noun => 0.5 * (matched + 1.0),
        Level::Action => matched,
    }
}

/// Triplet margin `1 - margin_relevance`, computed in f64 and rounded to f32 once.
///
/// In [0, 1] at caption level; at most 0.5 at verb and noun level.
pub fn margin(anchor: &Classes, negative: &Classes, level: Level, empty: EmptyUnion) -> f32 {
    (1.0 - margin_relevance(anchor, negative, level, empty)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(text: &str) -> Classes {
        text.parse().unwrap()
    }

    #[test]
    fn pairs_against_hand_computed_values() {
        let (a, b) = (classes("0_2,1,5"), classes("0_5,1,7,7"));
        assert_eq!(relevance(&a, &b, Level::Verb, EmptyUnion::Zero), 1.0);
        assert_eq!(relevance(&a, &b, Level::Noun, EmptyUnion::Zero), 0.5);
        assert_eq!(relevance(&a, &b, Level::Action, EmptyUnion::Zero), 0.75);
        assert_eq!(margin(&a, &b, Level::Action, EmptyUnion::Zero), 0.25);
        assert_eq!(margin(&a, &b, Level::Verb, EmptyUnion::Zero), 0.0);
        assert_eq!(margin(&a, &b, Level::Noun, EmptyUnion::Zero), 0.25);
        assert_eq!(margin(&a, &classes("3_9"), Level::Verb, EmptyUnion::Zero), 0.5);
    }

    #[test]
    fn two_empty_sets_follow_the_policy() {
        let none = Classes::default();
        assert_eq!(relevance(&none, &none, Level::Action, EmptyUnion::Zero), 0.0);
        assert_eq!(relevance(&none, &none, Level::Action, EmptyUnion::One), 1.0);
        assert_eq!(relevance(&none, &classes("1_2"), Level::Action, EmptyUnion::One), 0.0);
    }
}
