use coembed::ops::{self, composed};

use crate::support::*;

fn naive(x: &[f64], n: usize) -> f64 {
    let log_sum = |values: Vec<f64>| values.iter().map(|v| v.exp()).sum::<f64>().ln();
    let row = |i: usize| log_sum((0..n).map(|j| x[i * n + j]).collect());
    let column = |j: usize| log_sum((0..n).map(|i| x[i * n + j]).collect());
    (0..n).map(|i| row(i) + column(i) - 2.0 * x[i * n + i]).sum::<f64>() / (2 * n) as f64
}

#[test]
fn symmetric_cross_entropy_of_rows_and_columns() {
    for n in [1, 2, 9] {
        let x = tensor(1, (n, n));
        let run = |y: Traced<()>| finish(y, |g| vec![gradient(g, &x)]);
        check(
            &[x.as_vec()],
            |v| vec![naive(&v[0], n)],
            [
                ("fused", run(ops::symmetric_cross_entropy(x.leaky_trace()).unwrap())),
                ("composed", run(composed::symmetric_cross_entropy(x.leaky_trace()).unwrap())),
            ],
        );
    }
}

#[test]
fn symmetric_cross_entropy_wants_a_square() {
    let error = ops::symmetric_cross_entropy(tensor(1, (2usize, 3usize))).unwrap_err();
    assert_eq!(error.to_string(), "symmetric cross-entropy: number of columns is 3, expected 2");
    assert!(ops::symmetric_cross_entropy(tensor(1, (0usize, 0usize))).unwrap_err().to_string().contains("empty"));
}

#[test]
fn symmetric_cross_entropy_gives_the_same_bits_on_any_number_of_threads() {
    assert_threads_agree(|| {
        let x = tensor(1, (230usize, 230usize));
        finish(ops::symmetric_cross_entropy(x.leaky_trace()).unwrap(), |g| vec![gradient(g, &x)])
    });
}
