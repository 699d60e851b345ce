use coembed::ops::{self, composed};

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
            ("composed", run(composed::concat(traced(), Const).unwrap())),
        ],
    );
    let error = ops::concat(traced(), 7usize).unwrap_err();
    assert_eq!(error.to_string(), "concat: width of the result is 7, expected 8");
}
