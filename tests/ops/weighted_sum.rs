use coembed::ops::{self, composed};

use crate::support::*;

#[test]
fn weighted_sums_of_rows() {
    let (x, weights) = (tensor(1, (3usize, 2usize, Const::<5>)), tensor(2, (3usize, 2usize)));
    let w = wide(&weights.as_vec());
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
    check(
        &[x.as_vec()],
        |v| (0..10).map(|i| (0..3).map(|g| w[g * 2 + i / 5] * v[0][g * 10 + i]).sum()).collect(),
        [
            ("fused", run(ops::weighted_sum(x.leaky_trace(), &weights).unwrap())),
            ("composed", run(composed::weighted_sum(x.leaky_trace(), &weights).unwrap())),
        ],
    );
    let error = ops::weighted_sum(x, &tensor(2, (3usize, 4usize))).unwrap_err();
    assert!(error.to_string().contains("rows of the weights is 4, expected 2"), "{error}");
}

#[cfg(not(feature = "cuda"))]
#[test]
fn weighted_sums_have_the_same_bits_for_any_number_of_threads() {
    let (x, weights) = (tensor(1, (9usize, 64usize, 200usize)), tensor(2, (9usize, 64usize)));
    assert_threads_agree(|| finish(ops::weighted_sum(x.leaky_trace(), &weights).unwrap(), |g| vec![gradient(g, &x)]));
}

#[test]
fn large_weighted_sums_are_those_of_the_composed_operation() {
    let (x, weights) = (tensor(1, (9usize, 64usize, 150usize)), tensor(2, (9usize, 64usize)));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
    let fused = run(ops::weighted_sum(x.leaky_trace(), &weights).unwrap());
    assert_same(&fused, &run(composed::weighted_sum(x.leaky_trace(), &weights).unwrap()));
}
