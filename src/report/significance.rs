use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Result of a paired test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedTest {
    /// Mean of `b − a`.
    pub difference: f64,
    /// Two-sided probability of a difference at least this large if `a` and `b` were exchangeable.
    pub p_value: f64,
}

/// Paired randomisation test (Fisher 1935; for retrieval: Smucker, Allan & Carterette, "A Comparison of Statistical
/// Significance Tests for Information Retrieval Evaluation", CIKM 2007): the sign of every pair's difference is flipped at
/// random `rounds` times, and the p-value is `(1 + #{|mean of flipped| >= |mean|}) / (1 + rounds)`.
///
/// Deterministic for a given `seed`. `None` when the lists differ in length or are empty, and when a value is NaN or a difference or the sum of
/// them is not finite: of such lists nothing can be said.
pub fn paired_permutation_test(a: &[f64], b: &[f64], rounds: usize, seed: u64) -> Option<PairedTest> {
    if a.len() != b.len() || a.is_empty() {
        return None;
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
    // Not NaN, and no sum of flipped differences is out of range either.
    if !differences.iter().map(|d| d.abs()).sum::<f64>().is_finite() {
        return None;
    }
    let sum: f64 = differences.iter().sum();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut extreme = 0usize;
    // A flipped sum that equals the observed one but for rounding counts as equal.
    let threshold = sum.abs() * (1.0 - 1e-12);
    for _ in 0..rounds {
        let mut flipped = 0.0;
        for chunk in differences.chunks(64) {
            let signs: u64 = rng.random();
            for (bit, d) in chunk.iter().enumerate() {
                flipped += if signs >> bit & 1 == 1 { *d } else { -d };
            }
        }
        extreme += usize::from(flipped.abs() >= threshold);
    }
    let p_value = (1 + extreme) as f64 / (1 + rounds) as f64;
    Some(PairedTest { difference: sum / differences.len() as f64, p_value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_are_not_different() {
        let a = [0.1, 0.5, 0.9];
        assert_eq!(paired_permutation_test(&a, &a, 100, 1).unwrap(), PairedTest { difference: 0.0, p_value: 1.0 });
    }

    #[test]
    fn a_constant_gain_over_many_pairs_is_significant_and_over_two_is_not() {
        let a = vec![0.2; 40];
        let b = vec![0.3; 40];
        let test = paired_permutation_test(&a, &b, 2000, 1).unwrap();
        assert!((test.difference - 0.1).abs() < 1e-12 && test.p_value < 0.001);
        // Of the four sign patterns of two pairs, two are as extreme as the observed one.
        let p = paired_permutation_test(&a[..2], &b[..2], 4000, 1).unwrap().p_value;
        assert!((p - 0.5).abs() < 0.05, "{p}");
    }

    #[test]
    fn lists_that_cannot_be_paired_have_no_test() {
        assert_eq!(paired_permutation_test(&[0.1], &[], 10, 0), None);
        assert_eq!(paired_permutation_test(&[], &[], 10, 0), None);
    }

    #[test]
    fn values_that_are_no_numbers_have_no_test() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        for (a, b) in
            [([nan, 1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0, nan]), ([inf, 1.0], [1.0, 2.0]), ([inf; 2], [inf; 2])]
        {
            assert_eq!(paired_permutation_test(&a, &b, 1000, 3), None, "{a:?} {b:?}");
        }
        assert_eq!(paired_permutation_test(&[-1e308; 3], &[1e308; 3], 1000, 3), None);
    }
}
