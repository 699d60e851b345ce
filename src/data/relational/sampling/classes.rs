use std::collections::HashMap;
use std::fmt;

/// A class as relational files name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClassKey {
    /// A verb or noun class; −1 means "none".
    Id(i64),
    /// An action class, `"verb_noun"`.
    Action(String),
}

impl ClassKey {
    /// Whether it, or a half of it, is the class "none".
    pub fn is_missing(&self) -> bool {
        match self {
            ClassKey::Id(id) => *id == -1,
            ClassKey::Action(text) => text.contains("-1"),
        }
    }
}

impl fmt::Display for ClassKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClassKey::Id(id) => write!(f, "{id}"),
            ClassKey::Action(text) => write!(f, "\"{text}\""),
        }
    }
}

/// Why triplets cannot be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SamplingError {
    /// A class of an anchor has no items on the other side.
    #[error("anchor {anchor} has the class {class}, which no item of the other modality has")]
    NoPositive {
        /// Row of the anchor.
        anchor: usize,
        /// The class.
        class: ClassKey,
    },
    /// The classes of an anchor are all there are.
    #[error("anchor {anchor} has every class of the other modality: there is no negative")]
    NoNegative {
        /// Row of the anchor.
        anchor: usize,
    },
    /// No item of a modality has a class.
    #[error("anchor {anchor} has no class, and no other item has one to borrow")]
    NoClasses {
        /// Row of the anchor.
        anchor: usize,
    },
    /// A class lists an item that does not exist.
    #[error("class {class} lists item {item}, but there are only {items} items")]
    UnknownItem {
        /// The class.
        class: ClassKey,
        /// The item.
        item: usize,
        /// Number of items.
        items: usize,
    },
}

/// One modality of a relational file: item to classes, class to items.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClassTable {
    of_item: Vec<Vec<ClassKey>>,
    names: Vec<ClassKey>,
    items: Vec<Vec<u32>>,
    ids: HashMap<ClassKey, u32>,
}

impl ClassTable {
    /// Both directions as a relational file gives them (they need not agree, and in the published files of all noun classes
    /// they do not always).
    ///
    /// # Errors
    /// [`SamplingError::UnknownItem`].
    pub fn new(
        of_item: Vec<Vec<ClassKey>>,
        items_of_class: impl IntoIterator<Item = (ClassKey, Vec<usize>)>,
    ) -> Result<Self, SamplingError> {
        let mut table = Self { of_item, ..Self::default() };
        for (class, items) in items_of_class {
            if let Some(item) = items.iter().find(|item| **item >= table.of_item.len()) {
                return Err(SamplingError::UnknownItem { class, item: *item, items: table.of_item.len() });
            }
            // A class without items could only be drawn in vain.
            if !items.is_empty() {
                table.ids.insert(class.clone(), table.names.len() as u32);
                table.names.push(class);
                table.items.push(items.into_iter().map(|item| item as u32).collect());
            }
        }
        Ok(table)
    }

    /// Derives class to items from item to classes, classes in order of first appearance.
    pub fn from_items(of_item: Vec<Vec<ClassKey>>) -> Self {
        let mut table = Self::default();
        for (item, classes) in of_item.iter().enumerate() {
            for class in classes {
                let id = *table.ids.entry(class.clone()).or_insert_with(|| {
                    table.names.push(class.clone());
                    table.items.push(vec![]);
                    table.names.len() as u32 - 1
                });
                let items = &mut table.items[id as usize];
                if items.last() != Some(&(item as u32)) {
                    items.push(item as u32);
                }
            }
        }
        table.of_item = of_item;
        table
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.of_item.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.of_item.is_empty()
    }

    /// Number of classes with items.
    pub fn num_classes(&self) -> usize {
        self.names.len()
    }

    /// Classes of an item.
    pub fn classes_of(&self, item: usize) -> &[ClassKey] {
        &self.of_item[item]
    }

    /// Items of the class with that number.
    pub(super) fn items_of(&self, id: u32) -> &[u32] {
        &self.items[id as usize]
    }

    /// The number of a class.
    pub(super) fn id(&self, class: &ClassKey) -> Option<u32> {
        self.ids.get(class).copied()
    }

    /// Whether an item must borrow the classes of another: it has none, or only "none", or a text with a missing half.
    pub(super) fn is_unclassified(&self, item: usize) -> bool {
        match self.classes_of(item) {
            [] => true,
            [class] => class.is_missing(),
            _ => false,
        }
    }

    /// The items whose classes an unclassified item may borrow, each equally likely.
    ///
    /// Without any class, or with the class −1: every classified item. With an action whose noun is missing, `"v_-1"`: the
    /// actions that *start with* the text `v`; with a missing verb, `"-1_n"`: those that *end with* the text `n`; if there are
    /// none, every classified item. As published the comparison is of texts, so that `1` also fits `12_5`.
    pub(super) fn donors(&self, item: usize) -> Vec<u32> {
        let classified = || (0..self.len()).filter(|i| !self.is_unclassified(*i)).map(|i| i as u32);
        if let [ClassKey::Action(text)] = self.classes_of(item)
            && let Some((verb, noun)) = text.split_once('_')
        {
            let fits = |other: &u32| match &self.of_item[*other as usize][0] {
                ClassKey::Action(other) if noun.contains("-1") => other.starts_with(verb),
                ClassKey::Action(other) => other.ends_with(noun),
                ClassKey::Id(_) => false,
            };
            let fitting: Vec<u32> = classified().filter(fits).collect();
            if !fitting.is_empty() {
                return fitting;
            }
        }
        classified().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_agree_when_one_is_derived() {
        let id = ClassKey::Id;
        let table = ClassTable::from_items(vec![vec![id(7), id(3)], vec![id(3)], vec![]]);
        let same = ClassTable::new(table.of_item.clone(), [(id(7), vec![0]), (id(3), vec![0, 1])]).unwrap();
        assert_eq!(table, same);
        assert!(table.is_unclassified(2) && !table.is_unclassified(1));
        assert_eq!(table.donors(2), [0, 1]);
    }

    #[test]
    fn an_item_out_of_range_is_named() {
        let error = ClassTable::new(vec![vec![]], [(ClassKey::Id(4), vec![1])]).unwrap_err();
        assert_eq!(error.to_string(), "class 4 lists item 1, but there are only 1 items");
    }
}
