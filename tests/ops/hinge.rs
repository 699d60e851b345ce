use coembed::ops::{self, composed};

use crate::support::*;

#[test]
fn hinge_is_zero_once_the_margin_is_met() {
    let (m, s, l) = (tensor(17, (9usize,)), tensor(18, (9usize,)), tensor(19, (9usize,)));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &s), gradient(g, &l)]);
    let margin = wide(&m.as_vec());
    check(
        &[s.as_vec(), l.as_vec()],
        |v| (0..9).map(|i| (margin[i] + v[0][i] - v[1][i]).max(0.0)).collect(),
        [
            ("fused", run(ops::hinge(&m, s.leaky_trace(), l.leaky_trace()).unwrap())),
            ("composed", run(composed::hinge(&m, s.leaky_trace(), l.leaky_trace()).unwrap())),
        ],
    );
}
