//! Several workers: which items each of them gets, and how what they computed becomes one.
//!
//! Plain functions over numbers; nothing here communicates. They say what PyTorch's `DistributedSampler` and Horovod do in the published
//! programs of Temporal Context Aggregation (and, of the sampler, EMCL-Net): [`DistributedSampler`], `--fp16-allreduce` ([`sum_f16`],
//! [`average_f16`]), `--use-adasum` ([`adasum`]) and the learning rate that goes with them ([`scaled_learning_rate`]).

mod adasum;
mod half_precision;
mod mersenne;
mod sampler;

pub use adasum::{Reduction, adasum, adasum_pair, scaled_learning_rate};
pub use half_precision::{Accumulation, average_f16, compress_f16, sum_f16};
pub use mersenne::Mt19937;
pub use sampler::{DistributedSampler, torch_permutation};

/// Why there is nothing to distribute or to combine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DistributedError {
    /// A worker that does not exist.
    #[error("worker {rank}: there are {workers}")]
    Rank {
        /// Its number, from 0.
        rank: usize,
        /// How many there are.
        workers: usize,
    },
    /// More items than the permutation is defined for.
    #[error("{items} items to permute, fewer than {} are supported", sampler::MOST_ITEMS)]
    TooManyItems {
        /// Number of items.
        items: usize,
    },
    /// No worker has a tensor.
    #[error("no worker has a tensor")]
    NoTensors,
    /// Tensors of different lengths.
    #[error("worker {rank}: {found} values, worker 0 has {expected}")]
    Length {
        /// The worker.
        rank: usize,
        /// Values of worker 0.
        expected: usize,
        /// Values of this one.
        found: usize,
    },
    /// Adasum combines workers in pairs.
    #[error("Adasum of {workers} workers: a power of two expected")]
    NoPowerOfTwo {
        /// Number of workers.
        workers: usize,
    },
}

/// The length that the tensors of all workers share.
fn common_length<T>(workers: &[&[T]]) -> Result<usize, DistributedError> {
    let expected = workers.first().ok_or(DistributedError::NoTensors)?.len();
    match workers.iter().position(|tensor| tensor.len() != expected) {
        Some(rank) => Err(DistributedError::Length { rank, expected, found: workers[rank].len() }),
        None => Ok(expected),
    }
}
