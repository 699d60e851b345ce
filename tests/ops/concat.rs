use coembed::ops::{self, composed};

use dfdx::prelude::Axis;

use crate::support::*;

#[test]
fn concat_keeps_the_order_of_its_parts() {
    let (a, b) = (tensor(13, (3usize, Const::<4>)), tensor(14, (3usize, Const::<4>)));
    let run = |y: Traced<(usize, Const<8>)>| finish(y, |g| vec![gradient(g, &a), gradient(g, &b)]);
    let traced = || vec![a.leaky_trace(), b.leaky_trace()];
    check(
        &[a.as_vec(), b.as_vec()],
        |v| v[0].chunks(4).zip(v[1].chunks(4)).flat_map(|(a, b)| [a, b].concat()).collect(),
        [
            ("fused", run(ops::concat(traced(), Const).unwrap())),
            ("composed", run(composed::concat(traced(), 1, (3usize, Const::<8>)).unwrap())),
        ],
    );
    let error = ops::concat(traced(), 7usize).unwrap_err();
    assert_eq!(error.to_string(), "concat: size of the result along the axis is 7, expected 8");
}

#[test]
fn concat_along_every_axis() {
    // Two parts of different sizes; `row`: values of a part from the axis on.
    macro_rules! case {
        ($axis:literal, $a:expr, $b:expr, $shape:expr, $row:expr) => {{
            let (a, b) = (tensor(1, $a), tensor(2, $b));
            let traced = || vec![a.leaky_trace(), b.leaky_trace()];
            let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &a), gradient(g, &b)]);
            check(
                &[a.as_vec(), b.as_vec()],
                |v| v[0].chunks($row[0]).zip(v[1].chunks($row[1])).flat_map(|(a, b)| [a, b].concat()).collect(),
                [
                    ("fused", run(ops::concat_along(traced(), Axis::<$axis>, $shape).unwrap())),
                    ("composed", run(composed::concat(traced(), $axis, $shape).unwrap())),
                ],
            );
        }};
    }
    case!(0, (2usize, 3usize), (4usize, 3usize), (Const::<6>, 3usize), [6, 12]);
    case!(1, (2usize, 3usize, Const::<4>), (2usize, 1usize, Const::<4>), (2usize, 4usize, Const::<4>), [12, 4]);
    case!(2, (2usize, 3usize, 1usize), (2usize, 3usize, 2usize), (2usize, 3usize, 3usize), [1, 2]);
    case!(
        2,
        (2usize, 1usize, 3usize, 2usize),
        (2usize, 1usize, 2usize, 2usize),
        (2usize, 1usize, 5usize, 2usize),
        [6, 4]
    );
    case!(0, (3usize,), (2usize,), (5usize,), [3, 2]);
}

#[test]
fn concat_refuses_parts_that_do_not_fit() {
    let error = |parts: Vec<Plain<(usize, usize)>>, shape: (usize, usize)| {
        ops::concat_along(parts, Axis::<0>, shape).unwrap_err().to_string()
    };
    let part = |rows, width| tensor(1, (rows, width));
    assert_eq!(error(vec![], (0, 0)), "concat: too few parts: 0, at least 1 needed");
    assert_eq!(error(vec![part(1, 2), part(1, 3)], (2, 2)), "concat: another axis of a part is 3, expected 2");
    let other = ops::concat_along(vec![part(1, 2)], Axis::<0>, (1usize, 1usize, 2usize)).unwrap_err();
    assert_eq!(other.to_string(), "concat: number of axes of the result is 3, expected 2");
    let none = ops::concat_along(vec![part(0, 2), part(0, 2)], Axis::<0>, (0usize, 2usize)).unwrap();
    assert!(ops::to_vec(&none).unwrap().is_empty());
}
