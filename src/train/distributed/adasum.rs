use num_traits::AsPrimitive;

use super::{DistributedError, common_length};

/// Squared norms below this count as 0: the root of the smallest normal f64.
const SMALLEST: f64 = 1.491_668_146_240_041_3e-154;

/// How gradients, or the updates made of them, become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reduction {
    /// Their average.
    #[default]
    Average,
    /// [`adasum`] of the updates of all workers.
    Adasum,
    /// Averages among the workers of a machine, [`adasum`] of the machines' updates: Horovod built with NCCL.
    AdasumOfMachines,
}

/// The learning rate of a step of several workers: times the number of workers whose gradients are averaged, as published. It is annealed by
/// [`Schedule::CosineByEpoch`](crate::train::Schedule::CosineByEpoch).
///
/// `workers`: all of them; `local_workers`: those of one machine.
pub fn scaled_learning_rate(base: f64, reduction: Reduction, workers: usize, local_workers: usize) -> f64 {
    match reduction {
        Reduction::Average => base * workers as f64,
        Reduction::Adasum => base,
        Reduction::AdasumOfMachines => base * local_workers as f64,
    }
}

/// Adasum of two workers' updates of one tensor (Maleki et al., *Scaling Distributed Training with Adaptive Summation*, MLSys 2021):
///
/// ```text
/// a (1 − a·b / (2 |a|²)) + b (1 − a·b / (2 |b|²))
/// ```
///
/// The sum of what is orthogonal, the average of what is parallel. Products, norms and the combination are f64; a factor is 1 where the squared
/// norm is below 1.49e-154 (a tensor of zeros).
///
/// # Shapes
/// `a`, `b`, result: one length.
///
/// # Errors
/// [`DistributedError::Length`].
pub fn adasum_pair<T>(a: &[T], b: &[T]) -> Result<Vec<T>, DistributedError>
where
    T: AsPrimitive<f64>,
    f64: AsPrimitive<T>,
{
    common_length(&[a, b])?;
    let dot = |x: &[T], y: &[T]| x.iter().zip(y).map(|(&x, &y)| x.as_() * y.as_()).sum::<f64>();
    let product = dot(a, b);
    let factor = |norm: f64| if norm < SMALLEST { 1.0 } else { 1.0 - product / (2.0 * norm) };
    let (of_a, of_b) = (factor(dot(a, a)), factor(dot(b, b)));
    Ok(a.iter().zip(b).map(|(&a, &b)| (of_a * a.as_() + of_b * b.as_()).as_()).collect())
}

/// Adasum of all workers' updates of one tensor: of the workers 0 and 1, 2 and 3, .., then of these results in pairs, and so on. The order is part of
/// the result.
///
/// # Shapes
/// One tensor for each worker, all of one length, which is that of the result.
///
/// # Errors
/// [`DistributedError`]: no tensor, different lengths, a number of workers that is no power of two.
pub fn adasum<T>(workers: &[&[T]]) -> Result<Vec<T>, DistributedError>
where
    T: AsPrimitive<f64>,
    f64: AsPrimitive<T>,
{
    common_length(workers)?;
    if !workers.len().is_power_of_two() {
        return Err(DistributedError::NoPowerOfTwo { workers: workers.len() });
    }
    match workers {
        [only] => Ok(only.to_vec()),
        _ => {
            let (lower, upper) = workers.split_at(workers.len() / 2);
            adasum_pair(&adasum(lower)?, &adasum(upper)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_the_root_of_the_smallest_number() {
        assert_eq!(SMALLEST, f64::MIN_POSITIVE.sqrt());
    }

    #[test]
    fn workers_are_combined_in_pairs() {
        let workers: [&[f64]; 4] = [&[1.0, 0.0], &[0.0, 2.0], &[3.0, 3.0], &[1.0, -1.0]];
        let (first, second) = (adasum(&workers[..2]).unwrap(), adasum(&workers[2..]).unwrap());
        assert_eq!((&first, &second), (&vec![1.0, 2.0], &vec![4.0, 2.0]));
        assert_eq!(adasum(&workers), adasum_pair(&first, &second));
        assert_eq!(adasum(&workers[..1]).unwrap(), [1.0, 0.0]);
        assert_eq!(adasum(&workers[..3]), Err(DistributedError::NoPowerOfTwo { workers: 3 }));
        assert_eq!(adasum::<f32>(&[]), Err(DistributedError::NoTensors));
        let short: [&[f32]; 2] = [&[1.0], &[1.0, 2.0]];
        assert_eq!(adasum(&short), Err(DistributedError::Length { rank: 1, expected: 1, found: 2 }));
    }

    #[test]
    fn the_rate_grows_with_what_is_averaged() {
        let rate = |reduction| scaled_learning_rate(0.5, reduction, 8, 4);
        assert_eq!([Reduction::Average, Reduction::Adasum, Reduction::AdasumOfMachines].map(rate), [4.0, 0.5, 2.0]);
    }
}
