use std::sync::atomic::{AtomicU64, Ordering};

use crate::ops::RandomStream;

/// Whether a forward pass trains or evaluates, where that makes a difference.
#[derive(Debug, Clone, Copy)]
pub enum Phase<'s> {
    /// Statistics of the batch, and running statistics move; values are dropped as the stream says.
    Training(&'s StepStream),
    /// Running statistics, nothing is dropped, nothing changes.
    Evaluation,
}

impl Phase<'_> {
    /// Whether it trains.
    pub fn is_training(self) -> bool {
        matches!(self, Self::Training(_))
    }

    /// A place in the random stream of the step that no other call gets; none in evaluation.
    pub fn draw(self) -> Option<RandomStream> {
        match self {
            Self::Training(stream) => Some(stream.next()),
            Self::Evaluation => None,
        }
    }
}

/// The random numbers of one training step, dealt out in the order of the calls: a pure function of its seed and that order.
#[derive(Debug)]
pub struct StepStream {
    seed: u64,
    dealt: AtomicU64,
}

/// Values that one call may decide about.
const APART: u64 = 1 << 40;

impl StepStream {
    /// Of a seed that no other step has.
    pub const fn new(seed: u64) -> Self {
        Self { seed, dealt: AtomicU64::new(0) }
    }

    fn next(&self) -> RandomStream {
        let number = self.dealt.fetch_add(1, Ordering::Relaxed);
        RandomStream { seed: self.seed, offset: number.wrapping_mul(APART) }
    }
}
