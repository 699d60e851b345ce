//! Relevance of all pairs of two lists of items.

use std::collections::HashMap;

use super::sparse::Builder;
use super::{ClassSet, Classes, EmptyUnion, Level, RelevanceError, SparseRelevance, relevance};
use crate::matrix::Matrix;

/// Relevance of every row item to every column item, as a full matrix.
///
/// # Shapes
/// `rows`: X items, `columns`: Y items; result: X x Y.
pub fn dense_relevance(rows: &[Classes], columns: &[Classes], level: Level, empty: EmptyUnion) -> Matrix<f64> {
    Matrix::from_fn(rows.len(), columns.len(), |i, j| relevance(&rows[i], &columns[j], level, empty))
}

/// Relevance of every row item to every column item, non-zero entries only.
///
/// Equal to [`dense_relevance`] in every bit, in time and memory proportional to the entries that are not zero: each class leads to the
/// columns that have it, so pairs without a common class are never visited.
///
/// # Shapes
/// `rows`: X items, `columns`: Y items; result: X x Y.
///
/// # Errors
/// [`RelevanceError::TooLarge`] when a side has 2^32 items or more.
pub fn sparse_relevance(
    rows: &[Classes],
    columns: &[Classes],
    level: Level,
    empty: EmptyUnion,
) -> Result<SparseRelevance, RelevanceError> {
    let mut builder = Builder::new(rows.len(), columns.len())?;
    let index = |choose: Choose| ClassIndex::new(columns.iter().map(choose), empty);
    let halves: Vec<(Choose, ClassIndex, f64)> =
        halves(level).iter().map(|&(choose, weight)| (choose, index(choose), weight)).collect();

    let mut row = SparseRow::new(columns.len());
    for (i, item) in rows.iter().enumerate() {
        for (choose, index, weight) in &halves {
            index.add_iou(choose(item), *weight, &mut row);
        }
        row.columns.sort_unstable();
        row.columns.dedup();
        for &column in &row.columns {
            builder.push(i, column as usize, std::mem::take(&mut row.values[column as usize]))?;
        }
        row.columns.clear();
        builder.end_row();
    }
    Ok(builder.finish())
}

/// Number of IoUs between two empty sets (0/0) that a matrix at this level rests on: where [`EmptyUnion`] decided.
pub fn empty_unions(rows: &[Classes], columns: &[Classes], level: Level) -> usize {
    let without = |items: &[Classes], choose: Choose| items.iter().filter(|item| choose(item).is_empty()).count();
    halves(level).iter().map(|&(choose, _)| without(rows, choose) * without(columns, choose)).sum()
}

type Choose = fn(&Classes) -> &ClassSet;

/// The class sets a level compares, with their weights.
fn halves(level: Level) -> &'static [(Choose, f64)] {
    match level {
        Level::Verb => &[(|item| &item.verbs, 1.0)],
        Level::Noun => &[(|item| &item.nouns, 1.0)],
        Level::Action => &[(|item| &item.verbs, 0.5), (|item| &item.nouns, 0.5)],
    }
}

/// One row under construction: values at all columns, and the columns that may be non-zero.
struct SparseRow {
    values: Vec<f64>,
    columns: Vec<u32>,
    common: Vec<u32>,
}

impl SparseRow {
    fn new(columns: usize) -> Self {
        Self { values: vec![0.0; columns], columns: Vec::new(), common: vec![0; columns] }
    }
}

/// From a class to the columns that have it.
struct ClassIndex {
    columns_of: HashMap<i64, Vec<u32>>,
    without_class: Vec<u32>,
    sizes: Vec<usize>,
    empty_union: f64,
}

impl ClassIndex {
    fn new<'a>(sets: impl Iterator<Item = &'a ClassSet>, empty: EmptyUnion) -> Self {
        let mut index = Self {
            columns_of: HashMap::new(),
            without_class: Vec::new(),
            sizes: Vec::new(),
            empty_union: empty.value(),
        };
        for (column, set) in sets.enumerate() {
            index.sizes.push(set.len());
            if set.is_empty() {
                index.without_class.push(column as u32);
            }
            for &class in set.as_slice() {
                index.columns_of.entry(class).or_default().push(column as u32);
            }
        }
        index
    }

    /// Adds `weight * IoU(set, column)` to every column.
    fn add_iou(&self, set: &ClassSet, weight: f64, row: &mut SparseRow) {
        if set.is_empty() {
            for &column in &self.without_class {
                row.values[column as usize] += weight * self.empty_union;
            }
            row.columns.extend_from_slice(&self.without_class);
            return;
        }
        let first = row.columns.len();
        for columns in set.as_slice().iter().filter_map(|class| self.columns_of.get(class)) {
            for &column in columns {
                let common = &mut row.common[column as usize];
                if *common == 0 {
                    row.columns.push(column);
                }
                *common += 1;
            }
        }
        for &column in &row.columns[first..] {
            let common = std::mem::take(&mut row.common[column as usize]) as usize;
            let union = set.len() + self.sizes[column as usize] - common;
            row.values[column as usize] += weight * (common as f64 / union as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(texts: &[&str]) -> Vec<Classes> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn sparse_equals_dense_at_every_level() {
        let mut rows = items(&["0_2,1,5", "1_2", "0_-1", "1,2_7,7"]);
        let mut columns = items(&["0_5,1,2", "2_2,9", "-1_-1"]);
        rows.push(Classes::default());
        columns.push(Classes { verbs: ClassSet::default(), nouns: [2].into_iter().collect() });
        for level in [Level::Verb, Level::Noun, Level::Action] {
            for empty in [EmptyUnion::Zero, EmptyUnion::One] {
                let dense = dense_relevance(&rows, &columns, level, empty);
                let sparse = sparse_relevance(&rows, &columns, level, empty).unwrap();
                assert_eq!(sparse.to_dense(), dense, "{level:?} {empty:?}");
            }
        }
        let caption = dense_relevance(&rows, &columns, Level::Action, EmptyUnion::Zero);
        assert_eq!(caption.row(0), [1.0, 0.125, 0.0, 1.0 / 6.0]);
        assert_eq!(empty_unions(&rows, &columns, Level::Verb), 1);
        assert_eq!(empty_unions(&rows, &columns, Level::Action), 1);
    }
}
