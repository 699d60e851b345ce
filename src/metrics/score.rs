//! The number types that similarities may have.

use private::Number;

/// A similarity: f32 or f64. Sealed.
pub trait Score: Number {}

impl Score for f32 {}
impl Score for f64 {}

mod private {
    /// What ranking needs of a number.
    pub trait Number: num_traits::Float + Into<f64> + Default + Send + Sync + 'static {
        fn all_finite(values: &[Self]) -> bool;

        /// Maps finite `values` to `buckets` (a power of two, at most 2^16) such that a larger value never lands in a later bucket, and
        /// equal values share one. Linear in the value, so that bucket sizes follow the density of the scores.
        fn bucket(values: &[Self], buckets: u32, into: &mut [u32]);
    }

    const LANES: usize = 16;

    macro_rules! number {
        ($t:ty, $integers_from:expr) => {
            impl Number for $t {
                fn all_finite(values: &[Self]) -> bool {
                    // x - x is 0 for finite x and NaN otherwise; independent lanes let the compiler vectorise the sum.
                    let mut sums = [0.0; LANES];
                    let (chunks, rest) = values.as_chunks::<LANES>();
                    for chunk in chunks {
                        for (sum, &x) in sums.iter_mut().zip(chunk) {
                            *sum += x - x;
                        }
                    }
                    sums.iter().all(|&sum| sum == 0.0) && rest.iter().all(|x| x.is_finite())
                }

                fn bucket(values: &[Self], buckets: u32, into: &mut [u32]) {
                    let Some(&first) = values.first() else { return };
                    let (mut low, mut high) = ([first; LANES], [first; LANES]);
                    let (chunks, rest) = values.as_chunks::<LANES>();
                    for chunk in chunks {
                        for ((low, high), &x) in low.iter_mut().zip(&mut high).zip(chunk) {
                            *low = if x < *low { x } else { *low };
                            *high = if x > *high { x } else { *high };
                        }
                    }
                    let min = low.iter().chain(rest).fold(first, |m, &x| if x < m { x } else { m });
                    let max = high.iter().chain(rest).fold(first, |m, &x| if x > m { x } else { m });

                    // Rounding is monotone in each of the three steps. Where the range over- or underflows, one bucket holds all.
                    let scale = (buckets - 1) as $t / (max - min);
                    if !(scale.is_finite() && scale > 0.0 && (max - min).is_finite()) {
                        into.fill(0);
                        return;
                    }
                    // Adding 2^23 (2^52) leaves the nearest integer in the low bits of the mantissa: cheaper than a saturating cast.
                    for (bucket, &x) in into.iter_mut().zip(values) {
                        *bucket = ((max - x) * scale + $integers_from).to_bits() as u32 & (buckets - 1);
                    }
                }
            }
        };
    }

    number!(f32, 8_388_608.0);
    number!(f64, 4_503_599_627_370_496.0);
}

#[cfg(test)]
mod tests {
    use super::private::Number;

    fn buckets<S: Number>(values: &[S]) -> Vec<u32> {
        let mut into = vec![9; values.len()];
        S::bucket(values, 8, &mut into);
        into
    }

    #[test]
    fn buckets_fall_as_scores_rise() {
        assert_eq!(buckets(&[0.0_f32, 7.0, 1.0, -0.0, 3.0]), [7, 0, 6, 7, 4]);
        assert_eq!(buckets(&[0.0_f64, 7.0, 1.0, -0.0, 3.0]), [7, 0, 6, 7, 4]);
    }

    #[test]
    fn degenerate_ranges_share_one_bucket() {
        assert_eq!(buckets(&[2.5_f32; 20]), [0; 20]);
        assert_eq!(buckets(&[f32::MAX, f32::MIN]), [0, 0]);
        assert_eq!(buckets(&[f32::from_bits(1), 0.0]), [0, 0]);
        assert_eq!(buckets(&[f64::MAX, f64::MIN, 0.0]), [0, 0, 0]);
        assert!(buckets::<f32>(&[]).is_empty());
    }

    #[test]
    fn finiteness_is_seen_at_any_position() {
        for position in 0..37 {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut values = [1.0e30_f32; 37];
                values[position] = bad;
                assert!(!f32::all_finite(&values));
            }
        }
        assert!(f64::all_finite(&[f64::MAX; 37]));
    }
}
