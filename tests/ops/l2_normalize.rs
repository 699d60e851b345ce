use coembed::ops::{self, composed};

use crate::support::*;

#[test]
fn l2_normalize_scales_rows_to_unit_length() {
    let x = tensor(4, (6usize, Const::<11>));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
    check(
        &[x.as_vec()],
        |v| {
            by_row(&v[0], 11, |row| {
                let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
                row.iter().map(|v| v / norm).collect()
            })
        },
        [
            ("fused", run(ops::l2_normalize(x.leaky_trace(), 1e-12).unwrap())),
            ("composed", run(composed::l2_normalize(x.leaky_trace(), 1e-12).unwrap())),
        ],
    );
}

#[test]
fn l2_normalize_clamps_the_norm() {
    // A zero row stays zero; below eps the divisor is the constant eps.
    let x: Plain<(usize, Const<2>)> = Dev::default().tensor_from_vec(vec![0.0, 0.0, 3.0, 4.0], (2, Const));
    for (name, y) in [
        ("fused", ops::l2_normalize(x.leaky_trace(), 0.5).unwrap()),
        ("composed", composed::l2_normalize(x.leaky_trace(), 0.5).unwrap()),
    ] {
        let got = finish(y, |g| vec![gradient(g, &x)]);
        assert_close(name, &got.output, &[0.0, 0.0, 0.6, 0.8], 1e-6);
        let cotangent = values(99, 4);
        assert_close(
            name,
            &got.gradients[0][..2],
            &[2.0 * f64::from(cotangent[0]), 2.0 * f64::from(cotangent[1])],
            1e-6,
        );
    }
}
