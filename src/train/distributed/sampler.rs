use std::num::NonZeroUsize;

use super::{DistributedError, Mt19937};

/// PyTorch permutes as many items and more by another rule.
pub(super) const MOST_ITEMS: usize = (u32::MAX / 20) as usize;

/// `torch.randperm(items)` on the CPU, of a generator with this seed: `r[i]` and `r[i + z mod (n − i)]` change places for i = 0, .., n − 2, `z` the
/// next 32 bits of [`Mt19937`].
///
/// # Errors
/// [`DistributedError::TooManyItems`] of 2³²/20 items and more.
pub fn torch_permutation(items: usize, seed: u64) -> Result<Vec<usize>, DistributedError> {
    check(items)?;
    Ok(permutation(items, seed))
}

fn check(items: usize) -> Result<(), DistributedError> {
    if items < MOST_ITEMS { Ok(()) } else { Err(DistributedError::TooManyItems { items }) }
}

fn permutation(items: usize, seed: u64) -> Vec<usize> {
    let (mut order, mut draws) = ((0..items).collect::<Vec<_>>(), Mt19937::new(seed));
    for i in 0..items.saturating_sub(1) {
        order.swap(i, i + draws.next_u32() as usize % (items - i));
    }
    order
}

/// The items of one worker, as PyTorch's `DistributedSampler` with shuffling gives them.
///
/// Every epoch is permuted anew; items from the head of the permutation are repeated behind it until all workers have as many; worker r takes
/// the positions r, r + W, r + 2W, .. of W workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributedSampler {
    items: usize,
    workers: usize,
    rank: usize,
    seed: u64,
}

impl DistributedSampler {
    /// That of the worker `rank`, from 0. The published programs leave the seed at 0.
    ///
    /// # Errors
    /// [`DistributedError`]: no such worker, too many items.
    pub fn new(items: usize, workers: usize, rank: usize, seed: u64) -> Result<Self, DistributedError> {
        if rank >= workers {
            return Err(DistributedError::Rank { rank, workers });
        }
        check(items)?;
        Ok(Self { items, workers, rank, seed })
    }

    /// The number of items of each worker in an epoch.
    pub fn len(&self) -> usize {
        self.items.div_ceil(self.workers)
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Full batches of an epoch; the published program of Temporal Context Aggregation drops the last one that is not full.
    pub fn full_batches(&self, batch: NonZeroUsize) -> usize {
        self.len() / batch
    }

    /// The items of an epoch, whose number is added to the seed: 1, 2, .. in Temporal Context Aggregation, 0, 1, .. in EMCL-Net.
    pub fn indices(&self, epoch: u64) -> Vec<usize> {
        let order = permutation(self.items, self.seed.wrapping_add(epoch));
        (0..self.len()).map(|place| order[(self.rank + place * self.workers) % self.items]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_every_item() {
        for (items, workers) in [(10, 4), (3, 7), (1, 1), (0, 2), (64, 8)] {
            let of = |rank| DistributedSampler::new(items, workers, rank, 5).unwrap().indices(3);
            let mut all: Vec<usize> = (0..workers).flat_map(of).collect();
            assert_eq!(all.len(), items.div_ceil(workers) * workers);
            all.sort_unstable();
            all.dedup();
            assert_eq!(all, (0..items).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_cannot_be_shared_is_refused() {
        let new = |items, workers, rank| DistributedSampler::new(items, workers, rank, 0).unwrap_err();
        assert_eq!(new(5, 2, 2), DistributedError::Rank { rank: 2, workers: 2 });
        assert_eq!(new(5, 0, 0), DistributedError::Rank { rank: 0, workers: 0 });
        assert_eq!(new(usize::MAX, 1, 0), DistributedError::TooManyItems { items: usize::MAX });
        assert!(torch_permutation(MOST_ITEMS, 0).is_err());
    }
}
