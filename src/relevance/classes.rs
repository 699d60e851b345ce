//! Sets of class ids and their text forms.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A text that does not name classes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassError {
    /// A part between commas is no integer (an empty part is none either).
    #[error("{text:?} is no list of classes: {part:?} is not an integer")]
    NotAnInteger {
        /// The whole text.
        text: String,
        /// The offending part.
        part: String,
    },
    /// Not exactly one underscore between verbs and nouns.
    #[error("{text:?} is not of the form verbs_nouns, such as \"1,4_7\"")]
    NotVerbsAndNouns {
        /// The whole text.
        text: String,
    },
    /// Not a list in square brackets.
    #[error("{text:?} is not a list in square brackets, such as \"[2, 14]\"")]
    NotAList {
        /// The whole text.
        text: String,
    },
}

/// A set of class ids: sorted, without duplicates.
///
/// The id -1, which annotations use for "no such class", is an id like any other, as published: two items that both have it share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ClassSet(Vec<i64>);

impl ClassSet {
    /// Reads a bracketed list of integers, the form of the class columns in the EPIC-Kitchens CSV files: `"[2, 14]"`; `"[]"` is the empty set.
    ///
    /// # Errors
    /// [`ClassError`] when the brackets are missing or an element is no integer.
    pub fn from_list(text: &str) -> Result<Self, ClassError> {
        let inner = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let inner = inner.ok_or_else(|| ClassError::NotAList { text: text.to_owned() })?;
        if inner.trim().is_empty() { Ok(Self::default()) } else { inner.parse() }
    }

    /// The ids in ascending order.
    pub fn as_slice(&self) -> &[i64] {
        &self.0
    }

    /// Number of distinct classes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no class.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of classes in both sets.
    pub fn intersection_len(&self, other: &Self) -> usize {
        let (mut a, mut b, mut common) = (self.as_slice(), other.as_slice(), 0);
        while let (Some(x), Some(y)) = (a.first(), b.first()) {
            let order = x.cmp(y);
            common += usize::from(order == Ordering::Equal);
            a = &a[usize::from(order != Ordering::Greater)..];
            b = &b[usize::from(order != Ordering::Less)..];
        }
        common
    }

    /// Intersection over union, `|A ∩ B| / |A ∪ B|`; `None` when both sets are empty (0/0).
    pub fn iou(&self, other: &Self) -> Option<f64> {
        let common = self.intersection_len(other);
        let union = self.len() + other.len() - common;
        (union > 0).then(|| common as f64 / union as f64)
    }
}

impl FromIterator<i64> for ClassSet {
    fn from_iter<I: IntoIterator<Item = i64>>(ids: I) -> Self {
        let mut ids: Vec<i64> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Self(ids)
    }
}

impl FromStr for ClassSet {
    type Err = ClassError;

    /// Reads a comma list of integers, `"2,1,5"`; at least one.
    fn from_str(text: &str) -> Result<Self, ClassError> {
        let parse = |part: &str| {
            let wrong = |_| ClassError::NotAnInteger { text: text.to_owned(), part: part.to_owned() };
            part.trim().parse::<i64>().map_err(wrong)
        };
        text.split(',').map(parse).collect()
    }
}

impl fmt::Display for ClassSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, id) in self.0.iter().enumerate() {
            write!(f, "{}{id}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// The verb and noun classes of an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Classes {
    /// Verb classes.
    pub verbs: ClassSet,
    /// Noun classes.
    pub nouns: ClassSet,
}

impl FromStr for Classes {
    type Err = ClassError;

    /// Reads the published string form `"v1,v2_n1,n2"`, such as `"0_2,1,5"` or `"-1_5"`. Both parts must name at least one class.
    fn from_str(text: &str) -> Result<Self, ClassError> {
        let wrong = || ClassError::NotVerbsAndNouns { text: text.to_owned() };
        let (verbs, nouns) = text.split_once('_').ok_or_else(wrong)?;
        if verbs.is_empty() || nouns.is_empty() || nouns.contains('_') {
            return Err(wrong());
        }
        Ok(Self { verbs: verbs.parse()?, nouns: nouns.parse()? })
    }
}

impl fmt::Display for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.verbs, self.nouns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_duplicates_do_not_matter() {
        let a: ClassSet = "5,1,2,1".parse().unwrap();
        assert_eq!(a.as_slice(), [1, 2, 5]);
        assert_eq!(a, ClassSet::from_list("[2, 5, 1]").unwrap());
        assert_eq!(a.to_string(), "1,2,5");
    }

    #[test]
    fn iou_counts_by_hand() {
        let set = |text: &str| text.parse::<ClassSet>().unwrap();
        assert_eq!(set("1,2,5").iou(&set("2,5,9")), Some(0.5));
        assert_eq!(set("1").iou(&set("2")), Some(0.0));
        assert_eq!(set("1").iou(&ClassSet::default()), Some(0.0));
        assert_eq!(ClassSet::default().iou(&ClassSet::default()), None);
    }

    #[test]
    fn the_minus_belongs_to_the_number() {
        let classes: Classes = "-1_5,-1".parse().unwrap();
        assert_eq!(classes.verbs.as_slice(), [-1]);
        assert_eq!(classes.nouns.as_slice(), [-1, 5]);
        assert_eq!(classes.to_string(), "-1_-1,5");
    }

    #[test]
    fn malformed_texts_are_errors() {
        for text in ["", "1", "_3", "3_", "1_2_3", "_"] {
            assert_eq!(text.parse::<Classes>(), Err(ClassError::NotVerbsAndNouns { text: text.to_owned() }));
        }
        for text in ["a_1", "1,_2", "1_,2", "1.5_2", "99999999999999999999_1"] {
            assert!(matches!(text.parse::<Classes>(), Err(ClassError::NotAnInteger { .. })), "{text}");
        }
        assert!(matches!(ClassSet::from_list("2, 3"), Err(ClassError::NotAList { .. })));
        assert!(matches!(ClassSet::from_list("[2, x]"), Err(ClassError::NotAnInteger { .. })));
        assert_eq!(ClassSet::from_list("[]"), Ok(ClassSet::default()));
    }
}
