use coembed::ops::{self, OpError, composed};

use crate::support::*;

fn naive_linear(x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
    let (o, i) = (b.len(), w.len() / b.len());
    by_row(x, i, |row| (0..o).map(|k| b[k] + (0..i).map(|j| row[j] * w[k * i + j]).sum::<f64>()).collect())
}

#[test]
fn linear_with_bias_and_collapsed_leading_axes() {
    // Sizes known at compile time, at run time, and mixed; two and three axes.
    macro_rules! case {
        ($x:expr, $w:expr, $b:expr) => {{
            let (x, w, b) = (tensor(1, $x), tensor(2, $w), tensor(3, $b));
            let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &w), gradient(g, &b)]);
            check(
                &[x.as_vec(), w.as_vec(), b.as_vec()],
                |v| naive_linear(&v[0], &v[1], &v[2]),
                [
                    ("fused", run(ops::linear(x.leaky_trace(), &w, Some(&b)).unwrap())),
                    ("composed", run(composed::linear(x.leaky_trace(), &w, 0, Some(&b)).unwrap())),
                ],
            );
        }};
    }
    case!((Const::<5>, Const::<7>), (Const::<3>, Const::<7>), (Const::<3>,));
    case!((5usize, 7usize), (3usize, 7usize), (3usize,));
    case!((2usize, Const::<3>, Const::<4>), (6usize, Const::<4>), (6usize,));
    case!((1usize, 19usize), (Const::<33>, 19usize), (Const::<33>,));
}

#[test]
fn linear_refuses_run_time_widths_that_disagree() {
    let error = ops::linear(tensor(1, (2usize, 7usize)), &tensor(2, (3usize, 6usize)), None).unwrap_err();
    assert_eq!(error, OpError::Shape { op: "linear", what: "input width", expected: 6, got: 7 });
    assert_eq!(error.to_string(), "linear: input width is 7, expected 6");
}

#[test]
fn linear_of_no_rows_is_empty() {
    let y = ops::linear(tensor(1, (0usize, Const::<4>)), &tensor(2, (Const::<3>, Const::<4>)), None).unwrap();
    assert!(ops::to_vec(&y).unwrap().is_empty());
}

#[test]
fn a_permuted_weight_gets_its_gradient_in_its_own_order() {
    use dfdx::prelude::{Axes2, PermuteTo};
    let (x, w) = (tensor(1, (3usize, 4usize)), tensor(2, (4usize, 5usize)));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &w)]);
    let turned: Plain<(usize, usize)> = w.clone().permute::<_, Axes2<1, 0>>();
    check(
        &[x.as_vec(), w.as_vec()],
        |v| by_row(&v[0], 4, |row| (0..5).map(|k| (0..4).map(|j| row[j] * v[1][j * 5 + k]).sum()).collect()),
        [
            ("fused", run(ops::linear(x.leaky_trace(), &turned, None).unwrap())),
            ("composed", run(composed::linear(x.leaky_trace(), &turned, 0, None).unwrap())),
        ],
    );
}

#[test]
fn the_shares_of_two_parts_sum_to_the_layer_over_their_concatenation() {
    let (x, w, b) = (tensor(1, (4usize, 3usize)), tensor(2, (Const::<5>, 7usize)), tensor(3, (Const::<5>,)));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &w), gradient(g, &b)]);
    check(
        &[x.as_vec(), w.as_vec(), b.as_vec()],
        |v| {
            by_row(&v[0], 3, |x| {
                (0..5).map(|o| v[2][o] + (0..3).map(|i| x[i] * v[1][o * 7 + 2 + i]).sum::<f64>()).collect()
            })
        },
        [
            ("fused", run(ops::linear_columns(x.leaky_trace(), &w, 2, Some(&b)).unwrap())),
            ("composed", run(composed::linear(x.leaky_trace(), &w, 2, Some(&b)).unwrap())),
        ],
    );
    let error = ops::linear_columns(x, &w, 5, None).unwrap_err();
    assert!(error.to_string().contains("columns of the weight is 2, expected 3"), "{error}");
}
