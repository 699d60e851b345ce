//! Similarities of two videos that look at the order of their frames.

use crate::matrix::MatrixView;

/// Temporal network (Tan, Ngo, Hong & Chua, "Scalable detection of partial near-duplicate videos by visual-temporal consistency", ACM MM 2009),
/// as in the code of Temporal Context Aggregation: each frame of the query is linked with its nearest frames of the item, and the heaviest chain of
/// links that moves forward in both videos is looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TemporalNetwork {
    /// Nearest frames of the item for each frame of the query.
    pub top_k: usize,
    /// The least similarity of a link.
    pub min_similarity: f32,
    /// The most that neighbours of a chain are apart, in either video.
    pub max_step: usize,
}

impl Default for TemporalNetwork {
    /// The published values.
    fn default() -> Self {
        Self { top_k: 5, min_similarity: 0.8, max_step: 10 }
    }
}

/// A frame of the query and one of the item, counted from 1: 0 is before the first.
#[derive(Clone, Copy)]
struct Link {
    query: usize,
    item: usize,
    similarity: f64,
}

/// The heaviest chain that ends in a link: its weight without that of its first link, its weight, and what it is.
#[derive(Clone, Copy)]
struct Chain {
    length: f64,
    score: f64,
}

impl TemporalNetwork {
    /// The sum of the similarities along the heaviest chain; 0 without links.
    ///
    /// Chains begin at a source before both videos and end at a sink behind them, where these are within a step. As published, the weight that
    /// decides is that of all links but the first of a chain that does not begin at the source.
    ///
    /// # Shapes
    /// `similarity`: frames of the query by frames of the item. Memory: `top_k` links for each frame of the query; time: links squared.
    pub fn score(&self, similarity: MatrixView<'_, f32>) -> f64 {
        let (queries, items) = (similarity.rows(), similarity.cols());
        let mut links = vec![Link { query: 0, item: 0, similarity: 0.0 }];
        for query in 0..queries {
            links.extend(self.nearest(similarity.row(query)).map(|(item, value)| Link {
                query: query + 1,
                item: item + 1,
                similarity: f64::from(value),
            }));
        }
        links.push(Link { query: queries + 1, item: items + 1, similarity: 0.0 });
        let mut chains: Vec<Chain> = vec![];
        for link in &links {
            let near = |from: usize, to: usize| to > from && to - from <= self.max_step;
            // Links are in the order of the query's frames: those that are too far back need not be looked at.
            let first = links.partition_point(|before| before.query + self.max_step < link.query);
            let before = links[first.min(chains.len())..chains.len()].iter().zip(&chains[first.min(chains.len())..]);
            let before = before.filter(|(from, _)| near(from.query, link.query) && near(from.item, link.item));
            let longest = before.map(|(_, chain)| chain).fold(None::<Chain>, |best, chain| match best {
                Some(best) if best.length >= chain.length => Some(best),
                _ => Some(*chain),
            });
            chains.push(match longest {
                Some(Chain { length, score }) if length + link.similarity >= 0.0 => {
                    Chain { length: length + link.similarity, score: score + link.similarity }
                }
                _ => Chain { length: 0.0, score: link.similarity },
            });
        }
        let longest =
            chains.iter().fold(chains[0], |best, chain| if chain.length > best.length { *chain } else { best });
        longest.score
    }

    /// The most similar frames of a row that are similar enough, the first of equal ones first.
    fn nearest(&self, row: &[f32]) -> impl Iterator<Item = (usize, f32)> {
        let mut ranked: Vec<(usize, f32)> = row.iter().copied().enumerate().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked.truncate(self.top_k);
        let least = self.min_similarity;
        ranked.into_iter().filter(move |(_, value)| *value >= least)
    }
}

/// The `dp` helper of the same code, as coded: with `phi > 0` (published: 10) only the first row and column keep their similarities, all others
/// become 0; otherwise all keep them. The result is the mean over rows of their largest value: without `phi`, chamfer.
///
/// # Shapes
/// `similarity`: frames of the query by frames of the item; NaN without frames.
pub fn dp_as_published(similarity: MatrixView<'_, f32>, phi: i64) -> f64 {
    let value = |row: usize, (column, value): (usize, &f32)| {
        if phi > 0 && row > 0 && column > 0 { 0.0 } else { f64::from(*value) }
    };
    let largest = |row: usize| {
        let values = similarity.row(row).iter().enumerate().map(|entry| value(row, entry));
        values.fold(f64::NEG_INFINITY, f64::max)
    };
    (0..similarity.rows()).map(largest).sum::<f64>() / similarity.rows() as f64
}
