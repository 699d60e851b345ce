//! Where known positives stand among all items of their query: all that rank metrics and graded metrics need to know of a similarity matrix.
//!
//! [`similarity::standings`](crate::similarity::standings) counts them without the matrix;
//! [`rank::evaluate_standings`](super::rank::evaluate_standings) and
//! [`graded::evaluate_standings`](super::graded::evaluate_standings) give the very numbers that the matrix would have given.

use super::{Direction, MetricError};
use crate::relevance::SparseRelevance;

/// Where a positive stands among all items of its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Items that score higher.
    pub greater: u32,
    /// Items of equal score with a lower index.
    pub equal_before: u32,
    /// Items of equal score with a higher index.
    pub equal_after: u32,
}

/// The standings of all positives with one side as queries.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectionStandings {
    /// Queries x items.
    positives: SparseRelevance,
    /// One for every entry of `positives`, row by row.
    standings: Vec<Standing>,
    offsets: Vec<usize>,
}

impl DirectionStandings {
    /// `standings`: one for every entry of `positives`, row by row. Only for counts of real scores: metrics rely on ties that fit together.
    pub(crate) fn new(positives: SparseRelevance, standings: Vec<Standing>) -> Self {
        debug_assert_eq!(positives.non_zeros(), standings.len());
        let mut offsets = vec![0];
        for row in 0..positives.rows() {
            offsets.push(offsets[row] + positives.row(row).0.len());
        }
        Self { positives, standings, offsets }
    }

    /// The positives, queries x items.
    pub fn positives(&self) -> &SparseRelevance {
        &self.positives
    }

    /// Standings of the positives of a query, in ascending order of the items.
    pub fn row(&self, query: usize) -> &[Standing] {
        &self.standings[self.offsets[query]..self.offsets[query + 1]]
    }
}

/// The standings of the same positives in both directions.
#[derive(Debug, Clone, PartialEq)]
pub struct Standings {
    /// Rows as queries: each positive among the columns of its row.
    pub rows: DirectionStandings,
    /// Columns as queries: each positive among the rows of its column.
    pub columns: DirectionStandings,
}

impl Standings {
    /// The standings of a direction.
    pub fn direction(&self, direction: Direction) -> &DirectionStandings {
        match direction {
            Direction::Rows => &self.rows,
            Direction::Columns => &self.columns,
        }
    }
}

/// Lists of ground truths as relevances of 1.
///
/// # Shapes
/// `truths`: for each row the columns that belong to it, in any order; result: rows x `columns`.
///
/// # Errors
/// [`MetricError`]: a ground truth beyond the last column, more rows or columns than 32-bit numbers can name.
pub fn positives(truths: &[Vec<usize>], columns: usize) -> Result<SparseRelevance, MetricError> {
    let (mut offsets, mut numbers) = (vec![0], Vec::new());
    for (row, list) in truths.iter().enumerate() {
        let mut list = list.clone();
        list.sort_unstable();
        list.dedup();
        match list.last() {
            Some(&column) if column >= columns => return Err(MetricError::TruthOutOfRange { row, column, columns }),
            _ => numbers.extend(list.iter().map(|&column| column as u32)),
        }
        offsets.push(numbers.len());
    }
    let values = vec![1.0; numbers.len()];
    Ok(SparseRelevance::new(columns, offsets, numbers, values)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_relevances() {
        let lists = [vec![2, 0, 2], vec![], vec![1]];
        let positives = positives(&lists, 3).unwrap();
        assert_eq!(positives.row(0), (&[0, 2][..], &[1.0, 1.0][..]));
        assert_eq!((positives.rows(), positives.cols(), positives.non_zeros()), (3, 3, 3));
        let error = super::positives(&lists, 2).unwrap_err();
        assert_eq!(error, MetricError::TruthOutOfRange { row: 0, column: 2, columns: 2 });
    }
}
