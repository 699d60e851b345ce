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
