use coembed::ops::{self, composed};

use crate::support::*;

fn naive(row: &[f64], kept: impl Fn(usize) -> bool) -> Vec<f64> {
    let weights: Vec<f64> = row.iter().enumerate().map(|(j, v)| if kept(j) { v.exp() } else { 0.0 }).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|w| if total > 0.0 { w / total } else { 0.0 }).collect()
}

#[test]
fn softmax_of_every_row() {
    for width in [1, 7, 16, 37] {
        let x = tensor(1, (2usize, Const::<3>, width));
        let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
        check(
            &[x.as_vec()],
            |v| by_row(&v[0], width, |row| naive(row, |_| true)),
            [
                ("fused", run(ops::softmax(x.leaky_trace()).unwrap())),
                ("composed", run(composed::softmax::<_, usize, _, _>(x.leaky_trace(), None).unwrap())),
            ],
        );
        check(
            &[x.as_vec()],
            |v| by_row(&v[0], width, |row| naive(row, |_| true).into_iter().map(f64::ln).collect()),
            [
                ("fused", run(ops::log_softmax(x.leaky_trace()).unwrap())),
                ("composed", run(composed::log_softmax(x.leaky_trace()).unwrap())),
            ],
        );
    }
}

#[test]
fn masked_softmax_shares_the_mask_within_an_item() {
    let x = tensor(1, (3usize, 2usize, 5usize));
    let mask = vec![1.0, 0.0, 2.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    let kept = Dev::default().tensor_from_vec(mask.clone(), (3usize, 5usize));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
    check(
        &[x.as_vec()],
        |v| {
            let rows = v[0].chunks(5).enumerate();
            rows.flat_map(|(i, row)| naive(row, |j| mask[i / 2 * 5 + j] != 0.0)).collect()
        },
        [
            ("fused", run(ops::masked_softmax(x.leaky_trace(), &kept).unwrap())),
            ("composed", run(composed::softmax(x.leaky_trace(), Some(&kept)).unwrap())),
        ],
    );
    let error = ops::masked_softmax(x, &tensor(2, (2usize, 5usize))).unwrap_err();
    assert_eq!(error.to_string(), "masked softmax: items of the mask is 2, expected 3");
}

#[test]
fn softmax_of_extreme_scores_is_finite() {
    let x = Dev::default().tensor_from_vec(vec![3e38, -3e38, 1e30, -1e4, 0.0, -2e4], (2usize, 3usize));
    assert_eq!(ops::softmax(x.clone()).unwrap().as_vec(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert!(ops::log_softmax(x).unwrap().as_vec().iter().all(|v| !v.is_nan()));
}

#[test]
fn softmax_gives_the_same_bits_on_any_number_of_threads() {
    assert_threads_agree(|| {
        let x = tensor(1, (600usize, 77usize));
        finish(ops::log_softmax(ops::softmax(x.leaky_trace()).unwrap()).unwrap(), |g| vec![gradient(g, &x)])
    });
}

#[test]
fn nan_does_not_pass_for_an_empty_row() {
    for width in [5, 16, 32] {
        let x = Dev::default().tensor_from_vec(vec![f32::NAN; width], (1, width));
        let ones = Dev::default().tensor_from_vec(vec![1.0; width], (1, width));
        assert!(ops::masked_softmax(x.clone(), &ones).unwrap().as_vec().iter().all(|v| v.is_nan()));
        let (x, y) = (x.clone(), x);
        let rows = |t: Plain<(usize, usize)>| dfdx::prelude::ReshapeTo::reshape_like(t, &(1, width, 1));
        let options = ops::AttentionOptions::new(1);
        let got = ops::attention(rows(x), rows(y.clone()), rows(y), &options).unwrap().as_vec();
        assert!(got.iter().all(|v| v.is_nan()), "{got:?}");
    }
}

/// Values and gradients by `x − max − ln Σ exp(x − max)` and `g − softmax(x) Σ g` in f64.
#[test]
fn a_common_offset_of_the_logits_costs_no_digits() {
    let rows = [
        [1e4, -1e4, 0.0, 1e4],
        [-1e38, -1e38, -1e38, -1e38],
        [65536.0, 65537.0, 65535.5, 65536.25],
        [-1e6, -1e6 + 0.5, -1e6 + 2.0, -1e6 - 1.0],
        [3e38, 3e38, 0.0, 3e38],
    ];
    let cotangent = [1.0, 2.0, 3.0, 1.0];
    let tensor =
        |values: Vec<f32>| -> Plain<(usize, usize)> { Dev::default().tensor_from_vec(values, (rows.len(), 4)) };
    let (x, weights) = (tensor(rows.concat()), tensor(cotangent.repeat(rows.len())));
    for (name, y) in [
        ("fused", ops::log_softmax(x.leaky_trace()).unwrap()),
        ("composed", composed::log_softmax(x.leaky_trace()).unwrap()),
    ] {
        let got = y.as_vec();
        let gradient = gradient(&(y * weights.clone()).sum::<(), _>().backward(), &x);
        for (i, row) in rows.iter().enumerate() {
            let row = wide(row);
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = row.iter().map(|v| (v - largest).exp()).sum();
            for (j, v) in row.iter().enumerate() {
                let (want, got) = (v - largest - total.ln(), f64::from(got[4 * i + j]));
                assert!((got - want).abs() <= 2e-7 * want.abs(), "{name} {row:?}: {got} instead of {want}");
                let want = f64::from(cotangent[j]) - 7.0 * (v - largest).exp() / total;
                let got = f64::from(gradient[4 * i + j]);
                assert!((got - want).abs() <= 2e-6, "{name} {row:?}: gradient {got} instead of {want}");
            }
            let sum: f32 = gradient[4 * i..][..4].iter().sum();
            assert!(sum.abs() <= 2e-6, "{name} {row:?}: the gradients add up to {sum}");
        }
    }
}
