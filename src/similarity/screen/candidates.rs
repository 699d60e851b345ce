//! Items that may be among the best of a query.

use crate::similarity::exact::Pairs;
use crate::similarity::top_k::{key, score_of};
use crate::similarity::{Embeddings, SimilarityError};

/// An item between whose bounds its score lies.
#[derive(Clone, Copy)]
struct Candidate {
    lower: f32,
    upper: f32,
    item: u32,
}

/// The candidates of one query: items whose upper bound is not below the k-th largest lower bound seen at the last pruning.
#[derive(Default)]
pub(in crate::similarity) struct Candidates {
    list: Vec<Candidate>,
    k: usize,
    /// More candidates than this after pruning, or a bound that is none: the query is better served without bounds.
    limit: usize,
    /// Candidates at which they are pruned.
    capacity: usize,
    threshold: f32,
    failed: bool,
}

impl Candidates {
    const LANES: usize = 16;

    pub(in crate::similarity) fn new(k: usize, limit: usize) -> Self {
        Self { list: vec![], k, limit, capacity: 2 * k + 64, threshold: f32::NEG_INFINITY, failed: false }
    }

    /// Whether bounds do not help this query.
    pub(in crate::similarity) fn failed(&self) -> bool {
        self.failed
    }

    /// Takes the upper bounds of neighbouring items, of which `first` is the first; `lower`: from the position of an item among these and its
    /// upper bound.
    pub(in crate::similarity) fn offer(&mut self, uppers: &[f32], first: usize, lower: impl Fn(usize, f32) -> f32) {
        for (chunk, uppers) in uppers.chunks(Self::LANES).enumerate() {
            // Without a branch, so that it vectorises. NaN is no bound, so it is not below.
            if uppers.iter().fold(true, |all, &upper| all & (upper < self.threshold)) {
                continue;
            }
            for (i, &upper) in uppers.iter().enumerate() {
                if upper < self.threshold {
                    continue;
                }
                let column = chunk * Self::LANES + i;
                let lower = lower(column, upper);
                if !(lower.is_finite() && upper.is_finite()) {
                    return self.fail();
                }
                self.list.push(Candidate { lower, upper, item: (first + column) as u32 });
            }
            if self.list.len() >= self.capacity {
                self.prune();
            }
        }
    }

    fn prune(&mut self) {
        let (_, worst, _) = self.list.select_nth_unstable_by(self.k - 1, |a, b| b.lower.total_cmp(&a.lower));
        self.threshold = self.threshold.max(worst.lower);
        self.list.retain(|candidate| candidate.upper >= self.threshold);
        self.capacity = 2 * self.list.len().max(self.k) + 64;
        if self.list.len() > self.limit {
            self.fail();
        }
    }

    fn fail(&mut self) {
        *self = Self { failed: true, threshold: f32::INFINITY, capacity: usize::MAX, ..Self::default() };
    }

    /// Takes in the candidates among other items of the same query.
    pub(in crate::similarity) fn append(&mut self, mut other: Self) {
        if self.failed || other.failed {
            return self.fail();
        }
        self.list.append(&mut other.list);
    }

    /// Keys of the best `k` among others that are worse; none where bounds do not help.
    pub(in crate::similarity) fn best(
        mut self,
        query: u32,
        pairs: &mut Pairs<'_, impl Embeddings, impl Embeddings>,
    ) -> Result<Option<Vec<u64>>, SimilarityError> {
        if !self.failed {
            self.prune();
        }
        if self.failed {
            return Ok(None);
        }
        // The k that look best first: their worst score excludes more than a bound does.
        self.list.select_nth_unstable_by(self.k - 1, |a, b| b.lower.total_cmp(&a.lower));
        let mut keys = Vec::with_capacity(self.list.len());
        let (head, tail) = self.list.split_at(self.k);
        scores(head, query, pairs, &mut keys)?;
        let worst = keys.iter().min().map_or(f32::NEG_INFINITY, |&key| score_of(key));
        let tail: Vec<Candidate> = tail.iter().copied().filter(|candidate| candidate.upper >= worst).collect();
        scores(&tail, query, pairs, &mut keys)?;
        Ok(Some(keys))
    }
}

/// Adds keys of candidates.
fn scores(
    candidates: &[Candidate],
    query: u32,
    pairs: &mut Pairs<'_, impl Embeddings, impl Embeddings>,
    keys: &mut Vec<u64>,
) -> Result<(), SimilarityError> {
    let chosen: Vec<(u32, u32)> = candidates.iter().map(|candidate| (query, candidate.item)).collect();
    let (mut bounds, mut wrong) = (candidates.iter(), None);
    pairs.scores(&chosen, |(_, item), score| {
        let holds = bounds.next().is_some_and(|candidate| (candidate.lower..=candidate.upper).contains(&score));
        if !holds {
            wrong.get_or_insert(item as usize);
        }
        keys.push(key(score, item));
    })?;
    wrong.map_or(Ok(()), |item| Err(SimilarityError::Changed { item }))
}
