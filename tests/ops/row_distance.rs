use coembed::ops::{self, composed};

use crate::support::*;

#[test]
fn row_distances() {
    let (a, b) = (tensor(15, (5usize, 13usize)), tensor(16, (5usize, 13usize)));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &a), gradient(g, &b)]);
    let rows = |v: &[Vec<f64>], f: fn(&[f64], &[f64]) -> f64| -> Vec<f64> {
        v[0].chunks(13).zip(v[1].chunks(13)).map(|(a, b)| f(a, b)).collect()
    };
    let both = [a.as_vec(), b.as_vec()];
    check(
        &both,
        |v| rows(v, |a, b| a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum()),
        [
            ("fused", run(ops::row_squared_distance(a.leaky_trace(), b.leaky_trace()).unwrap())),
            ("composed", run(composed::row_squared_distance(a.leaky_trace(), b.leaky_trace()).unwrap())),
        ],
    );
    check(
        &both,
        |v| {
            rows(v, |a, b| {
                let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
                dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
            })
        },
        [
            ("fused", run(ops::row_cosine(a.leaky_trace(), b.leaky_trace(), 1e-18).unwrap())),
            ("composed", run(composed::row_cosine(a.leaky_trace(), b.leaky_trace(), 1e-18).unwrap())),
        ],
    );
}

#[test]
fn a_tensor_used_twice_collects_both_gradients() {
    // distance(x, x) is 0 with gradient 0 whichever side it flows through.
    let x = tensor(20, (4usize, 6usize));
    let y = ops::row_squared_distance(x.leaky_trace(), x.leaky_trace()).unwrap();
    let got = finish(y, |g| vec![gradient(g, &x)]);
    assert_eq!(got.output, [0.0; 4]);
    assert_eq!(got.gradients[0], [0.0; 24]);
}
