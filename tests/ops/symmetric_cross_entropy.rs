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
    let error = ops::symmetric_cross_entropy(tensor(1, (0usize, 0usize))).unwrap_err();
    assert_eq!(error.to_string(), "symmetric cross-entropy: too few rows: 0, at least 1 needed");
}

#[test]
fn symmetric_cross_entropy_gives_the_same_bits_on_any_number_of_threads() {
    assert_threads_agree(|| {
        let x = tensor(1, (230usize, 230usize));
        finish(ops::symmetric_cross_entropy(x.leaky_trace()).unwrap(), |g| vec![gradient(g, &x)])
    });
}

fn far_logits(x: &[f64], n: usize) -> (f64, Vec<f64>) {
    let log_sum = |values: Vec<f64>| {
        let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (largest, values.iter().map(|v| (v - largest).exp()).sum::<f64>())
    };
    let rows: Vec<_> = (0..n).map(|i| log_sum((0..n).map(|j| x[i * n + j]).collect())).collect();
    let columns: Vec<_> = (0..n).map(|j| log_sum((0..n).map(|i| x[i * n + j]).collect())).collect();
    let (mut loss, mut gradient) = (0.0, vec![0.0; n * n]);
    for (i, j) in (0..n * n).map(|at| (at / n, at % n)) {
        let (v, weight) = (x[i * n + j], 0.5 / n as f64);
        for (largest, total) in [rows[i], columns[j]] {
            gradient[i * n + j] += weight * ((v - largest).exp() / total - f64::from(u8::from(i == j)));
            if i == j {
                loss += weight * (largest - v + total.ln());
            }
        }
    }
    (loss, gradient)
}

#[test]
fn large_logits_cost_no_digits() {
    for x in [
        vec![100.0, 90.0, 90.0, 100.0],
        vec![1e4, 1e4 + 1.0, 1e4 - 2.0, 1e4],
        vec![-65536.0, -65535.5, -65540.0, -65536.25, -65536.0, -65537.0, -65536.0, -65536.5, -65535.0],
        vec![1e38; 4],
        vec![3e38, -3e38, -3e38, 3e38],
    ] {
        let n = x.len().isqrt();
        let (want, wanted) = far_logits(&wide(&x), n);
        let x = Dev::default().tensor_from_vec(x, (n, n));
        for (name, loss) in [
            ("fused", ops::symmetric_cross_entropy(x.leaky_trace()).unwrap()),
            ("composed", composed::symmetric_cross_entropy(x.leaky_trace()).unwrap()),
        ] {
            let got = f64::from(loss.as_vec()[0]);
            assert!((got - want).abs() <= 1e-7 + 1e-6 * want, "{name}: {got} instead of {want}");
            let gradient = gradient(&loss.backward(), &x);
            assert_close(name, &gradient, &wanted, 1e-6);
            let sum: f32 = gradient.iter().sum();
            assert!(sum.abs() <= 2e-7, "{name}: the gradients add up to {sum}");
        }
    }
}
