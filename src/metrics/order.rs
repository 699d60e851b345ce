//! Ranks of the relevant items of a query, without sorting the others.

use super::Score;

/// Scratch of one thread for ranking queries over a fixed number of items.
///
/// Items are distributed to about as many buckets as there are items, by a monotone map of the score; only buckets that hold an item of
/// non-zero relevance are sorted. A pass takes linear time for scores that are spread, whatever their type; scores that all fall into few
/// buckets (an outlier that stretches the range) cost a comparison sort of those, never a wrong rank.
pub(super) struct Ranker {
    bucket_of: Vec<u32>,
    /// Before the scatter where a bucket starts, after it where it ends.
    bounds: Vec<u32>,
    order: Vec<u32>,
    /// One bit per bucket: it holds a non-zero item.
    marked: Vec<u64>,
    /// Relevance of every item; all zero between queries.
    relevance: Vec<f64>,
    group: Vec<f64>,
}

impl Ranker {
    pub(super) fn new(items: usize) -> Self {
        let buckets = items.next_power_of_two().clamp(64, 1 << 16);
        Self {
            bucket_of: vec![0; items],
            bounds: vec![0; buckets],
            order: vec![0; items],
            marked: vec![0; buckets / 64],
            relevance: vec![0.0; items],
            group: Vec::new(),
        }
    }

    /// Calls `visit(rank, relevances)` for every group of tied items that holds a non-zero relevance, best group first: `rank` items score
    /// higher than the group; the relevances of its members are in ascending order of index.
    ///
    /// `scores`: finite, one per item; `columns` and `values`: the non-zero relevances.
    pub(super) fn visit<S: Score>(
        &mut self,
        scores: &[S],
        columns: &[u32],
        values: &[f64],
        visit: &mut dyn FnMut(usize, &[f64]),
    ) {
        self.distribute(scores);
        for (&column, &value) in columns.iter().zip(values) {
            self.relevance[column as usize] = value;
            let bucket = self.bucket_of[column as usize] as usize;
            self.marked[bucket / 64] |= 1 << (bucket % 64);
        }
        for word in 0..self.marked.len() {
            let mut bits = std::mem::take(&mut self.marked[word]);
            while bits != 0 {
                let bucket = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let start = if bucket == 0 { 0 } else { self.bounds[bucket - 1] as usize };
                let members = &mut self.order[start..self.bounds[bucket] as usize];
                sort_descending(members, scores);
                walk_ties(members, scores, &self.relevance, &mut self.group, |rank, group| visit(start + rank, group));
            }
        }
        for &column in columns {
            self.relevance[column as usize] = 0.0;
        }
    }

    /// Counting sort of the items by bucket; stable, so that indices ascend within a bucket.
    fn distribute<S: Score>(&mut self, scores: &[S]) {
        S::bucket(scores, self.bounds.len() as u32, &mut self.bucket_of);
        self.bounds.fill(0);
        for &bucket in &self.bucket_of {
            self.bounds[bucket as usize] += 1;
        }
        let mut start = 0;
        for bound in &mut self.bounds {
            start += std::mem::replace(bound, start);
        }
        for (item, &bucket) in self.bucket_of.iter().enumerate() {
            let slot = &mut self.bounds[bucket as usize];
            self.order[*slot as usize] = item as u32;
            *slot += 1;
        }
    }
}

/// Stable sort by falling score of items whose indices ascend.
fn sort_descending<S: Score>(items: &mut [u32], scores: &[S]) {
    if items.len() > 20 {
        // Finite scores are always comparable.
        items
            .sort_by(|&a, &b| scores[b as usize].partial_cmp(&scores[a as usize]).unwrap_or(std::cmp::Ordering::Equal));
        return;
    }
    for end in 1..items.len() {
        let item = items[end];
        let score = scores[item as usize];
        let mut place = end;
        while place > 0 && scores[items[place - 1] as usize] < score {
            items[place] = items[place - 1];
            place -= 1;
        }
        items[place] = item;
    }
}

/// Splits sorted items into groups of equal score and passes on those with a non-zero relevance.
fn walk_ties<S: Score>(
    items: &[u32],
    scores: &[S],
    relevance: &[f64],
    group: &mut Vec<f64>,
    mut visit: impl FnMut(usize, &[f64]),
) {
    let mut start = 0;
    for tied in items.chunk_by(|&a, &b| scores[a as usize] == scores[b as usize]) {
        if let [item] = tied {
            if relevance[*item as usize] != 0.0 {
                visit(start, &[relevance[*item as usize]]);
            }
        } else {
            group.clear();
            group.extend(tied.iter().map(|&item| relevance[item as usize]));
            if group.iter().any(|&value| value != 0.0) {
                visit(start, group);
            }
        }
        start += tied.len();
    }
}
