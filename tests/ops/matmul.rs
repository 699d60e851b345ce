use coembed::ops::{self, Product, composed};
use dfdx::prelude::HasShape;

use crate::support::*;

/// Stored matrices of either orientation, multiplied in pairs.
fn naive(a: &[f64], b: &[f64], product: Product) -> Vec<f64> {
    let Product { count, rows, inner, columns, left_transposed, right_transposed } = product;
    let left =
        |n: usize, i: usize, k: usize| a[n * rows * inner + if left_transposed { k * rows + i } else { i * inner + k }];
    let right = |n: usize, k: usize, j: usize| {
        b[n * inner * columns + if right_transposed { j * inner + k } else { k * columns + j }]
    };
    let places = (0..count * rows * columns).map(|p| (p / columns / rows, p / columns % rows, p % columns));
    places.map(|(n, i, j)| (0..inner).map(|k| left(n, i, k) * right(n, k, j)).sum()).collect()
}

macro_rules! case {
    ($op:ident, $a:expr, $b:expr, $count:literal, [$lt:literal, $rt:literal]) => {{
        let (a, b) = (tensor(1, $a), tensor(2, $b));
        let product =
            Product { count: $count, rows: 3, inner: 4, columns: 5, left_transposed: $lt, right_transposed: $rt };
        let fused = ops::$op(a.leaky_trace(), b.leaky_trace()).unwrap();
        let composed = composed::matmul(a.leaky_trace(), b.leaky_trace(), product, *fused.shape()).unwrap();
        let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &a), gradient(g, &b)]);
        check(
            &[a.as_vec(), b.as_vec()],
            |v| naive(&v[0], &v[1], product),
            [("fused", run(fused)), ("composed", run(composed))],
        );
    }};
}

#[test]
fn matmul_with_and_without_transposes() {
    case!(matmul, (3usize, Const::<4>), (Const::<4>, 5usize), 1, [false, false]);
    case!(matmul, (2usize, 3usize, 4usize), (2usize, 4usize, 5usize), 2, [false, false]);
    case!(matmul, (Const::<2>, 3usize, 3usize, 4usize), (Const::<2>, 3usize, 4usize, 5usize), 6, [false, false]);
    case!(matmul_nt, (Const::<2>, Const::<3>, Const::<4>), (Const::<2>, 5usize, Const::<4>), 2, [false, true]);
    case!(matmul_tn, (7usize, Const::<4>, 3usize), (7usize, Const::<4>, Const::<5>), 7, [true, false]);
    case!(matmul_tn, (4usize, 3usize), (4usize, 5usize), 1, [true, false]);
}

#[test]
fn matmul_refuses_sizes_that_disagree() {
    let error = ops::matmul(tensor(1, (2usize, 3usize, 4usize)), tensor(2, (2usize, 5usize, 6usize))).unwrap_err();
    assert_eq!(error.to_string(), "matmul: inner size of the right operand is 5, expected 4");
    let error = ops::matmul_nt(tensor(1, (2usize, 3usize, 4usize)), tensor(2, (3usize, 5usize, 4usize))).unwrap_err();
    assert_eq!(error.to_string(), "matmul: leading axis of the right operand is 3, expected 2");
}

#[test]
fn matmul_of_empty_matrices() {
    let none = ops::matmul(tensor(1, (0usize, 3usize, 4usize)), tensor(2, (0usize, 4usize, 5usize))).unwrap();
    assert!(ops::to_vec(&none).unwrap().is_empty());
    let zero = ops::matmul(tensor(1, (2usize, 3usize, 0usize)), tensor(2, (2usize, 0usize, 5usize))).unwrap();
    assert_eq!(zero.as_vec(), [0.0; 30]);
}

#[test]
fn matmul_does_not_depend_on_the_number_of_threads() {
    for count in [3, 24] {
        assert_threads_agree(|| {
            let (a, b) = (tensor(1, (count, 65usize, 130usize)), tensor(2, (count, 130usize, 70usize)));
            let y = ops::matmul(a.leaky_trace(), b.leaky_trace()).unwrap();
            finish(y, |g| vec![gradient(g, &a), gradient(g, &b)])
        });
    }
}
