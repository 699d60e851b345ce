//! What one query adds up, group by group of tied items, best group first.

use super::{ApDefinition, Depth, Gain, GradedOptions};
use crate::metrics::TiePolicy;

/// Tied values in the order a policy gives them ([`TiePolicy::Average`] has no order: ascending index).
fn arrange<'a>(ties: TiePolicy, group: &'a [f64], scratch: &'a mut Vec<f64>) -> &'a [f64] {
    if group.len() == 1 || matches!(ties, TiePolicy::Ascending | TiePolicy::Average) {
        return group;
    }
    scratch.clear();
    scratch.extend_from_slice(group);
    match ties {
        TiePolicy::Descending => scratch.reverse(),
        TiePolicy::Optimistic => scratch.sort_unstable_by(|a, b| b.total_cmp(a)),
        TiePolicy::Pessimistic => scratch.sort_unstable_by(f64::total_cmp),
        TiePolicy::Ascending | TiePolicy::Average => {}
    }
    scratch
}

/// DCG of one query, fed with groups of tied items.
pub(super) struct Dcg<'a> {
    gain: Gain,
    ties: TiePolicy,
    /// log2(r + 1) of the ranks that count.
    logs: &'a [f64],
    pub(super) sum: f64,
}

impl<'a> Dcg<'a> {
    pub(super) fn new(options: &GradedOptions, relevant: usize, logs: &'a [f64]) -> Self {
        let depth = match options.depth {
            Depth::All => logs.len(),
            Depth::Relevant => relevant,
            Depth::At(depth) => depth.min(logs.len()),
        };
        Self { gain: options.gain, ties: options.ndcg_ties, logs: &logs[..depth], sum: 0.0 }
    }

    fn gain(&self, relevance: f64) -> f64 {
        match self.gain {
            Gain::Linear => relevance,
            Gain::Exponential => relevance.exp2() - 1.0,
        }
    }

    pub(super) fn add(&mut self, rank: usize, group: &[f64], scratch: &mut Vec<f64>) {
        let Some(logs) = self.logs.get(rank..) else { return };
        if self.ties == TiePolicy::Average && group.len() > 1 {
            // Every order is equally likely: the mean gain at each of the ranks.
            let mean = group.iter().map(|&r| self.gain(r)).sum::<f64>() / group.len() as f64;
            self.sum += logs.iter().take(group.len()).map(|log| mean / log).sum::<f64>();
        } else {
            let arranged = arrange(self.ties, group, scratch).iter().zip(logs);
            self.sum += arranged.map(|(&r, log)| self.gain(r) / log).sum::<f64>();
        }
    }

    pub(super) fn ideal(&self, values: &[f64], scratch: &mut Vec<f64>) -> f64 {
        let sorted = if values.len() > 1 { arrange(TiePolicy::Optimistic, values, scratch) } else { values };
        sorted.iter().zip(self.logs).map(|(&r, log)| self.gain(r) / log).sum()
    }
}

/// What a relevant item adds to the area under the curve of precision over recall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::metrics) enum Area {
    /// The precision at the item.
    #[default]
    Rectangles,
    /// The mean of the precisions at the item and just before it; nothing before the first item counts as precision 1.
    Trapezoids,
}

impl Area {
    /// `credit` of all items up to the relevant one, of which `rank` come before it.
    pub(in crate::metrics) fn at(self, credit: f64, rank: usize) -> f64 {
        let precision = credit / (rank + 1) as f64;
        match self {
            Self::Rectangles => precision,
            Self::Trapezoids if rank == 0 => (precision + 1.0) / 2.0,
            Self::Trapezoids => (precision + (credit - 1.0) / rank as f64) / 2.0,
        }
    }
}

/// Sum of the precisions at the relevant items of one query, fed with groups of tied items.
pub(in crate::metrics) struct Precision {
    definition: ApDefinition,
    ties: TiePolicy,
    area: Area,
    /// Credit of all items seen so far.
    above: f64,
    pub(in crate::metrics) sum: f64,
}

impl Precision {
    pub(in crate::metrics) fn new(definition: ApDefinition, ties: TiePolicy, area: Area) -> Self {
        Self { definition, ties, area, above: 0.0, sum: 0.0 }
    }

    pub(in crate::metrics) fn add(&mut self, rank: usize, group: &[f64], scratch: &mut Vec<f64>) {
        let definition = self.definition;
        if self.ties == TiePolicy::Average && group.len() > 1 {
            let hits = group.iter().filter(|&&r| definition.credit(r) == 1.0).count();
            let credit: f64 = group.iter().map(|&r| definition.credit(r)).sum();
            if hits > 0 {
                self.sum += hits as f64 * self.expected(rank, group.len(), credit);
            }
            self.above += credit;
            return;
        }
        for (i, &relevance) in arrange(self.ties, group, scratch).iter().enumerate() {
            let credit = definition.credit(relevance);
            self.above += credit;
            if credit == 1.0 {
                self.sum += self.area.at(self.above, rank + i);
            }
        }
    }

    /// What one relevant item (credit 1) of a group of `len` tied items that share `credit` adds in expectation: it is equally likely at each
    /// place of the group, and `k` places below the top of the group it has `k / (len - 1)` of the others' credit above it in expectation.
    fn expected(&self, rank: usize, len: usize, credit: f64) -> f64 {
        let others = (credit - 1.0) / (len - 1) as f64;
        let at = |k: usize| self.area.at(self.above + 1.0 + k as f64 * others, rank + k);
        (0..len).map(at).sum::<f64>() / len as f64
    }
}
