use half::f16;

use super::{DistributedError, common_length};

/// What holds the sum while the workers' numbers are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Accumulation {
    /// An f32: finite numbers do not overflow on the way to a finite average.
    #[default]
    Single,
    /// An f16, rounded after every addition, as what is communicated is: finite numbers may add up to an infinity. Published.
    Half,
}

/// A tensor after the casts of `--fp16-allreduce`, to f16 and back: rounded to the nearest f16, ties to even; what is at least 65520 is infinite, what is
/// at most 2⁻²⁵ is 0.
///
/// What Adasum communicates are updates, which are about as large as the learning rate: at 1e-5 they become multiples of 2⁻²⁴ (6e-8).
pub fn compress_f16(tensor: &[f32]) -> Vec<f32> {
    tensor.iter().map(|&value| round(value)).collect()
}

/// The sum of all workers' tensors, each cast to f16, in the order of the workers (that of a ring is not defined); rounded to f16.
///
/// # Shapes
/// One tensor for each worker, all of one length, which is that of the result.
///
/// # Errors
/// [`DistributedError`]: no tensor, different lengths.
pub fn sum_f16(workers: &[&[f32]], accumulation: Accumulation) -> Result<Vec<f32>, DistributedError> {
    Ok(compress_f16(&sums(workers, accumulation)?))
}

/// The average: the sum as in [`sum_f16`], but not rounded where it is an f32, times 1/workers as an f32; rounded to f16.
///
/// # Shapes
/// As [`sum_f16`].
///
/// # Errors
/// As [`sum_f16`].
pub fn average_f16(workers: &[&[f32]], accumulation: Accumulation) -> Result<Vec<f32>, DistributedError> {
    let share = 1.0 / workers.len() as f32;
    Ok(sums(workers, accumulation)?.into_iter().map(|sum| round(sum * share)).collect())
}

fn round(value: f32) -> f32 {
    f16::from_f32(value).to_f32()
}

fn sums(workers: &[&[f32]], accumulation: Accumulation) -> Result<Vec<f32>, DistributedError> {
    common_length(workers)?;
    let mut tensors = workers.iter().map(|tensor| compress_f16(tensor));
    // The first tensor as it is: 0 + (−0) would lose its sign.
    let mut sums = tensors.next().unwrap_or_default();
    for tensor in tensors {
        for (sum, value) in sums.iter_mut().zip(tensor) {
            *sum = match accumulation {
                Accumulation::Single => *sum + value,
                Accumulation::Half => round(*sum + value),
            };
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_must_fit() {
        let sum = |workers: &[&[f32]]| sum_f16(workers, Accumulation::Single);
        assert_eq!(sum(&[]), Err(DistributedError::NoTensors));
        assert_eq!(average_f16(&[], Accumulation::Half), Err(DistributedError::NoTensors));
        assert_eq!(sum(&[&[1.0], &[]]), Err(DistributedError::Length { rank: 1, expected: 1, found: 0 }));
        assert_eq!(sum(&[&[], &[]]), Ok(vec![]));
    }

    #[test]
    fn only_sums_in_half_precision_overflow() {
        let workers: [&[f32]; 2] = [&[60_000.0, -0.0], &[60_000.0, -0.0]];
        let average = |accumulation| average_f16(&workers, accumulation).unwrap();
        assert_eq!(average(Accumulation::Half)[0], f32::INFINITY);
        assert_eq!(average(Accumulation::Single)[0], 60_000.0);
        assert!(average(Accumulation::Half)[1].is_sign_negative());
    }
}
