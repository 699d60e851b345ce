use coembed::ops::{self, AroundAxis, EmptyRows, ReduceMask, Reduction, TieGradient, composed};
use dfdx::prelude::{Axis, HasShape};

use crate::support::*;

const REDUCTIONS: [Reduction; 5] = [
    Reduction::Sum,
    Reduction::Mean,
    Reduction::Max(TieGradient::ToAll),
    Reduction::Max(TieGradient::Shared),
    Reduction::Max(TieGradient::First),
];

/// Reduces the valid ones of `length` values, `inner` apart.
fn naive(x: &[f64], around: AroundAxis, valid: impl Fn(usize) -> bool, reduction: Reduction, empty: f64) -> Vec<f64> {
    let AroundAxis { outer, length, inner } = around;
    let places = (0..outer * inner).map(|i| (i / inner, i % inner));
    places
        .map(|(o, e)| {
            let steps = (0..length).map(|t| o * length + t).filter(|row| valid(*row));
            let values: Vec<f64> = steps.map(|row| x[row * inner + e]).collect();
            match reduction {
                _ if values.is_empty() => empty,
                Reduction::Sum => values.iter().sum(),
                Reduction::Mean => values.iter().sum::<f64>() / values.len() as f64,
                Reduction::Max(_) => values.into_iter().fold(f64::NEG_INFINITY, f64::max),
            }
        })
        .collect()
}

#[test]
fn reduce_along_every_axis() {
    macro_rules! case {
        ($shape:expr, $axis:literal, $outer:literal, $length:literal, $inner:literal) => {
            for reduction in REDUCTIONS {
                let x = tensor(1, $shape);
                let around = AroundAxis { outer: $outer, length: $length, inner: $inner };
                let y = ops::reduce(x.leaky_trace(), Axis::<$axis>, reduction).unwrap();
                let shape = *y.shape();
                let composed = composed::reduce(x.leaky_trace(), around, None, reduction, shape).unwrap();
                check(
                    &[x.as_vec()],
                    |v| naive(&v[0], around, |_| true, reduction, 0.0),
                    [
                        ("fused", finish(y, |g| vec![gradient(g, &x)])),
                        ("composed", finish(composed, |g| vec![gradient(g, &x)])),
                    ],
                );
            }
        };
    }
    case!((7usize,), 0, 1, 7, 1);
    case!((Const::<3>, 19usize), 1, 3, 19, 1);
    case!((3usize, Const::<5>), 0, 1, 3, 5);
    case!((2usize, Const::<4>, 5usize), 0, 1, 2, 20);
    case!((2usize, 4usize, 5usize), 1, 2, 4, 5);
    case!((Const::<2>, Const::<4>, Const::<5>), 2, 8, 5, 1);
    case!((2usize, 3usize, 4usize, 2usize), 1, 2, 3, 8);
    case!((2usize, 3usize, Const::<4>, 2usize), 3, 24, 2, 1);
}

#[test]
fn masked_reduce_skips_padding() {
    let mask = vec![1.0, 1.0, 0.0, 0.0, /* */ 0.0, 1.0, 0.0, 1.0, /* */ 0.0, 0.0, 0.0, 0.0];
    let around = AroundAxis { outer: 3, length: 4, inner: 2 };
    for reduction in REDUCTIONS {
        // What stands at padding must not matter, not even NaN and infinity.
        let mut data = values(2, 24);
        (data[4], data[5], data[8]) = (f32::NAN, f32::INFINITY, 1e30);
        let x: Plain<(usize, Const<4>, usize)> = Dev::default().tensor_from_vec(data, (3, Const, 2));
        let valid: Plain<(usize, Const<4>)> = Dev::default().tensor_from_vec(mask.clone(), (3, Const));
        let plain: Plain<(usize, usize)> = Dev::default().tensor_from_vec(mask.clone(), (3, 4));
        let fused = ops::masked_reduce(x.leaky_trace(), &valid, reduction, EmptyRows::Value(-1e10)).unwrap();
        let reduce_mask = Some(ReduceMask { valid: &plain, empty: -1e10 });
        let composed = composed::reduce(x.leaky_trace(), around, reduce_mask, reduction, *fused.shape()).unwrap();
        let outcomes = [("fused", fused), ("composed", composed)].map(|(name, y)| {
            let mut outcome = finish(y, |g| vec![gradient(g, &x)]);
            assert_eq!(outcome.output[4..], [-1e10; 2], "{name}: the empty sequence");
            outcome.output.truncate(4);
            (name, outcome)
        });
        let finite: Vec<f32> = x.as_vec().into_iter().map(|v| if v.abs() < 1e20 { v } else { 0.0 }).collect();
        let first_two = |v: &[Vec<f64>]| naive(&v[0], around, |row| mask[row] != 0.0, reduction, 0.0)[..4].to_vec();
        check(&[finite], first_two, outcomes);
        let refused = ops::masked_reduce(x.clone(), &valid, reduction, EmptyRows::Refuse).unwrap_err();
        assert_eq!(refused.to_string(), "masked reduce: too few valid steps of a sequence: 0, at least 1 needed");
    }
}

#[test]
fn ties_of_the_maximum_share_the_gradient_as_asked() {
    // Along the last axis, and along the first one with an inner axis.
    let rows: Plain<(usize, usize)> = Dev::default().tensor_from_vec(vec![1.0, 3.0, 3.0, 2.0, 3.0], (1, 5));
    let columns: Plain<(usize, usize)> = Dev::default().tensor_from_vec(vec![1.0, 3.0, 3.0, 2.0, 3.0], (5, 1));
    let wide: Plain<(usize, usize)> =
        Dev::default().tensor_from_vec(vec![1.0, 9.0, 3.0, 0.0, 3.0, 0.0, 2.0, 0.0, 3.0, 0.0], (5, 2));
    let third = 1.0 / 3.0;
    for (ties, want) in [
        (TieGradient::ToAll, [0.0, 1.0, 1.0, 0.0, 1.0]),
        (TieGradient::Shared, [0.0, third, third, 0.0, third]),
        (TieGradient::First, [0.0, 1.0, 0.0, 0.0, 0.0]),
    ] {
        let max = Reduction::Max(ties);
        let of = |y: Traced<(usize,)>, x: &Plain<(usize, usize)>| y.sum::<(), _>().backward().get(x).as_vec();
        assert_eq!(of(ops::reduce(rows.leaky_trace(), Axis::<1>, max).unwrap(), &rows), want, "{ties:?} in rows");
        assert_eq!(
            of(ops::reduce(columns.leaky_trace(), Axis::<0>, max).unwrap(), &columns),
            want,
            "{ties:?} in columns"
        );
        let pairs = of(ops::reduce(wide.leaky_trace(), Axis::<0>, max).unwrap(), &wide);
        assert_eq!(pairs.iter().copied().step_by(2).collect::<Vec<_>>(), want, "{ties:?} beside another column");
        assert_eq!(pairs[1], 1.0);
        let around = AroundAxis { outer: 1, length: 5, inner: 1 };
        let composed = composed::reduce(rows.leaky_trace(), around, None, max, (1usize,)).unwrap();
        assert_eq!(of(composed, &rows), want, "{ties:?} composed");
    }
}

#[test]
fn reduce_of_nothing() {
    let none = tensor(1, (3usize, 0usize));
    assert_eq!(ops::to_vec(&ops::reduce(none.clone(), Axis::<1>, Reduction::Sum).unwrap()).unwrap(), [0.0; 3]);
    let columns = ops::reduce(none.clone(), Axis::<0>, Reduction::Mean).unwrap();
    assert!(ops::to_vec(&columns).unwrap().is_empty());
    let error = ops::reduce(none, Axis::<1>, Reduction::Mean).unwrap_err();
    assert_eq!(error.to_string(), "reduce: too few values along the axis: 0, at least 1 needed");
    let (x, mask) = (tensor(1, (2usize, 3usize, 4usize)), tensor(2, (2usize, 4usize)));
    let error = ops::masked_reduce(x, &mask, Reduction::Mean, EmptyRows::Refuse).unwrap_err();
    assert_eq!(error.to_string(), "masked reduce: steps of the mask is 4, expected 3");
    let (x, mask) = (tensor(1, (0usize, 3usize, 4usize)), tensor(2, (0usize, 3usize)));
    let sequences = ops::masked_reduce(x, &mask, Reduction::Mean, EmptyRows::Refuse).unwrap();
    assert!(ops::to_vec(&sequences).unwrap().is_empty());
}

#[test]
fn the_maximum_of_values_with_nan_is_nan() {
    let mut data = vec![1.0; 20];
    data[3] = f32::NAN;
    let x: Plain<(usize, usize)> = Dev::default().tensor_from_vec(data, (1, 20));
    let max = Reduction::Max(TieGradient::First);
    assert!(ops::reduce(x.clone(), Axis::<1>, max).unwrap().as_vec()[0].is_nan());
    let columns = ops::reduce(x, Axis::<0>, max).unwrap().as_vec();
    assert!(columns[3].is_nan() && columns[4] == 1.0);
}

#[test]
fn reductions_do_not_depend_on_the_number_of_threads() {
    for reduction in REDUCTIONS {
        assert_threads_agree(|| {
            let x = tensor(1, (40usize, 30usize, 700usize));
            let mask = ops::to_tensor(&Dev::default(), values(3, 1200).iter().map(|v| v.max(0.0)).collect(), (40, 30))
                .unwrap();
            let y = ops::masked_reduce(x.leaky_trace(), &mask, reduction, EmptyRows::Refuse).unwrap();
            finish(ops::reduce(y, Axis::<1>, reduction).unwrap(), |g| vec![gradient(g, &x)])
        });
    }
}
