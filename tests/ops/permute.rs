use coembed::ops::{self, composed};
use dfdx::prelude::{Axes2, Axes3, Axes4};

use crate::support::*;

/// Values of row-major `sizes` in the order in which axis `k` of the result is axis `axes[k]`.
fn naive(x: &[f64], sizes: &[usize], axes: &[usize]) -> Vec<f64> {
    let place = |mut i: usize| {
        let mut at = vec![0; axes.len()];
        for axis in axes.iter().rev() {
            at[*axis] = i % sizes[*axis];
            i /= sizes[*axis];
        }
        at.iter().zip(sizes).fold(0, |place, (i, size)| place * size + i)
    };
    (0..x.len()).map(|i| x[place(i)]).collect()
}

macro_rules! case {
    ($shape:expr, $sizes:expr, $order:ident<$($axis:literal),*>) => {{
        let x = tensor(1, $shape);
        let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
        check(
            &[x.as_vec()],
            |v| naive(&v[0], &$sizes, &[$($axis),*]),
            [
                ("fused", run(ops::permute(x.leaky_trace(), $order::<$($axis),*>).unwrap())),
                ("composed", run(composed::permute::<_, _, $order<$($axis),*>, _, _>(x.leaky_trace()).unwrap())),
            ],
        );
    }};
}

#[test]
fn permute_of_two_axes() {
    case!((3usize, Const::<5>), [3, 5], Axes2<1, 0>);
    case!((1usize, 7usize), [1, 7], Axes2<1, 0>);
    case!((2usize, 3usize, 5usize), [2, 3, 5], Axes3<0, 2, 1>);
    case!((2usize, 3usize, 5usize), [2, 3, 5], Axes3<1, 0, 2>);
    case!((2usize, 3usize, 5usize), [2, 3, 5], Axes3<2, 1, 0>);
    case!((2usize, 3usize, Const::<2>, 5usize), [2, 3, 2, 5], Axes4<0, 2, 1, 3>);
    case!((2usize, 3usize, 2usize, 5usize), [2, 3, 2, 5], Axes4<0, 3, 2, 1>);
    case!((2usize, 3usize, 2usize, 5usize), [2, 3, 2, 5], Axes4<3, 1, 2, 0>);
}

#[test]
fn permute_of_more_axes() {
    case!((2usize, 3usize, 5usize), [2, 3, 5], Axes3<1, 2, 0>);
    case!((2usize, 3usize, 5usize), [2, 3, 5], Axes3<2, 0, 1>);
    case!((2usize, 3usize, 2usize, 5usize), [2, 3, 2, 5], Axes4<1, 3, 0, 2>);
    case!((2usize, 3usize, 2usize, 5usize), [2, 3, 2, 5], Axes4<2, 3, 1, 0>);
}

#[test]
fn permute_beyond_one_tile_and_of_nothing() {
    for shape in [(70usize, 3usize, 45usize), (33, 40, 65), (0, 3, 4)] {
        let x = ops::to_tensor(&Dev::default(), values(3, shape.0 * shape.1 * shape.2), shape).unwrap();
        let data = ops::to_vec(&x).unwrap();
        let got: Plain<(usize, usize, usize)> = ops::permute(x, Axes3::<2, 1, 0>).unwrap();
        let want: Vec<f32> =
            naive(&wide(&data), &[shape.0, shape.1, shape.2], &[2, 1, 0]).iter().map(|v| *v as f32).collect();
        assert_eq!(ops::to_vec(&got).unwrap(), want, "{shape:?}");
    }
}

#[test]
fn permute_does_not_depend_on_the_number_of_threads() {
    assert_threads_agree(|| {
        let x = tensor(1, (40usize, 50usize, 60usize));
        finish(ops::permute(x.leaky_trace(), Axes3::<0, 2, 1>).unwrap(), |g| vec![gradient(g, &x)])
    });
}
