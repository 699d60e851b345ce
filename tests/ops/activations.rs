use coembed::ops::{self, composed};

use crate::support::*;

#[test]
fn relu_has_no_gradient_at_zero() {
    let x = tensor(7, (3usize, 8usize));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
    check(
        &[x.as_vec()],
        |v| v[0].iter().map(|v| v.max(0.0)).collect(),
        [
            ("fused", run(ops::relu(x.leaky_trace()).unwrap())),
            ("composed", run(composed::relu(x.leaky_trace()).unwrap())),
        ],
    );
    let zero: Plain<(usize,)> = Dev::default().tensor_from_vec(vec![0.0, -0.0], (2,));
    let got = finish(ops::relu(zero.leaky_trace()).unwrap(), |g| vec![gradient(g, &zero)]);
    assert_eq!(got.gradients[0], [0.0, 0.0]);
}
