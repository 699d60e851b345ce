//! Scalar functions written so that the compiler vectorises loops over them (see [`vectorise`](super::vectorise)).
//!
//! Multiplications and additions are fused by name (`mul_add`), which gives the same bits on every machine; only on one without such an
//! instruction is it slow.

/// `exp(x)` with a relative error below 2e-7, free of branches and calls; 0 below -87, where the result would be subnormal, and `exp(88)`
/// above 88.
///
/// Cephes' scheme: split `x = n ln 2 + r`, a polynomial of degree 5 on `r`, scale by `2^n` through the exponent bits.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // The clamps keep 2^n a normal number; NaN passes through them.
    let nan = x.is_nan();
    let high = if x > 88.0 { 88.0 } else { x };
    let (vanishes, x) = (x < -87.0, if high < -87.0 { -87.0 } else { high });
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_HIGH, x);
    let r = n.mul_add(-LN2_LOW, r);
    let p = 1.987_569_1e-4_f32;
    let p = p.mul_add(r, 1.398_2e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 1.666_666_5e-1);
    let p = p.mul_add(r, 0.5);
    let y = (p * r).mul_add(r, r) + 1.0;
    // The last bits of `shifted` are n; its other bits vanish in the shift to the place of the exponent.
    let y = f32::from_bits(y.to_bits().wrapping_add(shifted.to_bits() << 23));
    // A NaN would lose its nature in the bits.
    let y = if nan { f32::NAN } else { y };
    if vanishes { 0.0 } else { y }
}

/// `1 / (1 + exp(-x))`; 0 below -88, where [`exp`] stops following, so that products with large values vanish there.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    let y = 1.0 / (1.0 + exp(-x));
    if x < -88.0 { 0.0 } else { y }
}

/// `x`, but `limit` above it. NaN stays NaN.
#[inline(always)]
pub(crate) fn at_most(x: f32, limit: f32) -> f32 {
    if x > limit { limit } else { x }
}

/// `x`, but `limit` below it. NaN stays NaN.
#[inline(always)]
pub(crate) fn at_least(x: f32, limit: f32) -> f32 {
    if x < limit { limit } else { x }
}

/// Coefficients of `p` in [`normal`], highest power first.
pub(crate) const TAIL: [f32; 9] = [
    -0.059_941_493,
    0.288_647_53,
    -0.495_214_8,
    0.286_715_66,
    -0.032_194_78,
    0.204_866_78,
    0.242_599_94,
    0.282_437_87,
    0.282_083_24,
];

/// The distribution function of the standard normal distribution and `exp(-x²/2)`, which its computation needs anyway.
///
/// `Φ(-z) = erfc(z/√2)/2` for `z ≥ 0`, with `erfc(u) exp(u²) = t p(t)`, `t = 1/(1 + u/2)`, `p` our own fit of degree 8 (relative error
/// 5e-8, in f32 arithmetic 3e-7 and what rounding `u²` adds).
#[inline(always)]
pub(crate) fn normal(x: f32) -> (f32, f32) {
    let u = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / u.mul_add(0.5, 1.0);
    let p = TAIL[1..].iter().fold(TAIL[0], |p, coefficient| p.mul_add(t, *coefficient));
    let bell = exp(-0.5 * x * x);
    let tail = 0.5 * bell * t * p;
    (if x < 0.0 { tail } else { 1.0 - tail }, bell)
}

/// Values that are worked on at once: as many as the widest vector holds, on every machine, so that sums have the same order everywhere.
pub(super) const LANES: usize = 16;

pub(super) type Lanes = [f32; LANES];

/// The last values of a slice as whole lanes.
#[inline(always)]
pub(super) fn pad(tail: &[f32], with: f32) -> Lanes {
    let mut lanes = [with; LANES];
    lanes[..tail.len()].copy_from_slice(tail);
    lanes
}

#[inline(always)]
pub(super) fn each(f: impl Fn(usize) -> f32) -> Lanes {
    let mut lanes = [0.0; LANES];
    for (l, lane) in lanes.iter_mut().enumerate() {
        *lane = f(l);
    }
    lanes
}

/// `x = f(x)` value by value; returns the sum of the results.
#[inline(always)]
pub(crate) fn update_sum(x: &mut [f32], f: impl Fn(f32) -> f32) -> f32 {
    let (xs, tail) = x.as_chunks_mut::<LANES>();
    let mut total = [0.0; LANES];
    for x in xs {
        *x = each(|l| f(x[l]));
        total = each(|l| total[l] + x[l]);
    }
    if !tail.is_empty() {
        let x = pad(tail, 0.0);
        let last = each(|l| f(x[l]));
        total = each(|l| total[l] + if l < tail.len() { last[l] } else { 0.0 });
        tail.copy_from_slice(&last[..tail.len()]);
    }
    halve(total, |x, y| x + y)
}

/// `Σ f(a)` over a slice.
#[inline(always)]
pub(crate) fn sum(a: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    sum3(a, a, a, |a, _, _| f(a))
}

/// `Σ f(a, b)` over two slices of the same length.
#[inline(always)]
pub(crate) fn sum2(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    sum3(a, b, b, |a, b, _| f(a, b))
}

/// `Σ f(a, b, c)` over three slices of the same length.
#[inline(always)]
pub(crate) fn sum3(a: &[f32], b: &[f32], c: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let (a_chunks, a_tail) = a.as_chunks::<LANES>();
    let ((b_chunks, b_tail), (c_chunks, c_tail)) = (b.as_chunks::<LANES>(), c.as_chunks::<LANES>());
    let mut total = [0.0; LANES];
    for ((x, y), z) in a_chunks.iter().zip(b_chunks).zip(c_chunks) {
        total = each(|l| total[l] + f(x[l], y[l], z[l]));
    }
    if !a_tail.is_empty() {
        let (x, y, z) = (pad(a_tail, 0.0), pad(b_tail, 0.0), pad(c_tail, 0.0));
        total = each(|l| total[l] + if l < a_tail.len() { f(x[l], y[l], z[l]) } else { 0.0 });
    }
    halve(total, |x, y| x + y)
}

/// `(unit, length)` with `length = √(Σ (unit x)² + unit² eps)`: `length / unit` is `√(Σ x² + eps)`, which need not be a number of f32, nor
/// need the squares. `unit` is a power of two, so that products with it are exact: 1 for all rows but those whose squares are far from 1,
/// whose largest value it brings near to 1.
#[inline(always)]
pub(crate) fn length(x: &[f32], eps: f32) -> (f32, f32) {
    let squares = sum2(x, x, |a, b| a * b) + eps;
    if is_ordinary(squares) {
        return (1.0, squares.sqrt());
    }
    let unit = unit(x);
    let eps = unit * eps.sqrt();
    (unit, (sum(x, |v| (unit * v) * (unit * v)) + eps * eps).sqrt())
}

/// Whether the squares of a row with this sum have all their digits in f32, and what is made of it has, too. Not of NaN.
#[inline(always)]
pub(crate) fn is_ordinary(squares: f32) -> bool {
    squares > 1e-20 && squares < 1e20
}

/// A power of two that brings the largest value of a row near to 1; 1 where that is 0 or not finite.
#[inline(always)]
fn unit(x: &[f32]) -> f32 {
    let largest = x.iter().fold(0.0_f32, |m, v| if v.abs() > m { v.abs() } else { m });
    if largest == 0.0 || largest.is_infinite() {
        return 1.0;
    }
    // The exponent's bits: 127 for 1, 254 for the largest numbers.
    f32::from_bits((254 - (largest.to_bits() >> 23)).max(1) << 23)
}

/// The largest value of a slice; negative infinity if it is empty. NaN is passed over.
#[inline(always)]
pub(crate) fn max(a: &[f32]) -> f32 {
    let larger = |x: f32, y: f32| if y > x { y } else { x };
    let (chunks, tail) = a.as_chunks::<LANES>();
    let mut lanes = pad(tail, f32::NEG_INFINITY);
    for x in chunks {
        lanes = each(|l| larger(lanes[l], x[l]));
    }
    halve(lanes, larger)
}

/// The largest value of a slice and `Σ exp(a − largest)`, which make `log Σ exp(a) = largest + ln(sum)`.
///
/// The two are never added to something that is compared with a value again: `(a − largest) − ln(sum)` keeps all digits however large the
/// values are, `a − (largest + ln(sum))` loses those behind one unit in the last place of the largest.
#[inline(always)]
pub(crate) fn max_and_exp_sum(a: &[f32]) -> (f32, f32) {
    let largest = max(a);
    (largest, sum(a, |v| exp(v - largest)))
}

/// Combines lanes pairwise.
#[inline(always)]
pub(super) fn halve(mut lanes: Lanes, f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] = f(lanes[l], lanes[l + width]);
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_to_f64() {
        for i in -8600..=8700 {
            let x = i as f32 * 0.01;
            let want = f64::from(x).exp();
            assert!((f64::from(exp(x)) - want).abs() <= 2e-7 * want, "exp({x})");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan() && exp(f32::from_bits(0x7fc0_0001)).is_nan());
        assert_eq!((exp(f32::NEG_INFINITY), exp(f32::INFINITY)), (0.0, exp(88.0)));
    }

    #[test]
    fn sigmoid_saturates() {
        assert_eq!(sigmoid(0.0), 0.5);
        assert_eq!(sigmoid(200.0), 1.0);
        assert!(sigmoid(-88.0) > 0.0 && sigmoid(-88.1) == 0.0 && sigmoid(f32::NAN).is_nan());
        assert_eq!((sigmoid(f32::NEG_INFINITY), sigmoid(f32::INFINITY)), (0.0, 1.0));
    }

    #[test]
    fn every_row_has_a_length() {
        for scale in [f32::MAX / 4.0, 1e30, 1e19, 1e10, 1.0, 1e-10, 1e-20, 1e-30, 1e-38, 1e-44] {
            for eps in [0.0, 1e-18] {
                let row: Vec<f32> = [3.0, -4.0, 0.5, 1.0].iter().map(|v| v * scale).collect();
                let (unit, length) = length(&row, eps);
                let want = row.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>() + f64::from(eps);
                let got = f64::from(length) / f64::from(unit);
                assert!((got - want.sqrt()).abs() <= 2e-7 * want.sqrt(), "{scale}: {got}");
                assert!(unit == 1.0 || unit.to_bits() & 0x7f_ffff == 0, "{unit} is a power of two");
            }
        }
        assert_eq!(length(&[0.0; 3], 0.0), (1.0, 0.0));
        assert!(length(&[1.0, f32::NAN], 0.0).1.is_nan() && length(&[1.0, f32::INFINITY], 0.0).1.is_infinite());
    }
}
