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

#[test]
fn rows_of_every_finite_length_have_a_cosine() {
    const WIDTH: usize = 5;
    const EPS: f32 = 1e-18;
    let (one, other) = ([0.9f32, -0.5, 1.0, 0.0, 0.25], [0.2f32, -1.0, 0.5, 1.0, -0.75]);
    let lengths = [3.4e38, 1e30, 2e19, 1e9, 1.0, 1e-9, 1e-15, 1e-38];
    let pairs: Vec<(f32, f32)> = lengths.iter().flat_map(|a| lengths.map(|b| (*a, b))).collect();
    let fill = |row: [f32; WIDTH], scale: &dyn Fn(&(f32, f32)) -> f32| -> Vec<f32> {
        pairs.iter().flat_map(|pair| row.map(|v| v * scale(pair))).collect()
    };
    let (a, b) = (fill(one, &|pair| pair.0), fill(other, &|pair| pair.1));
    let tensor =
        |v: &[f32]| -> Plain<(usize, usize)> { Dev::default().tensor_from_vec(v.to_vec(), (pairs.len(), WIDTH)) };
    let (ta, tb) = (tensor(&a), tensor(&b));
    let cotangent = wide(&values(99, pairs.len()));
    for (name, y) in [
        ("fused", ops::row_cosine(ta.leaky_trace(), tb.leaky_trace(), EPS).unwrap()),
        ("composed", composed::row_cosine(ta.leaky_trace(), tb.leaky_trace(), EPS).unwrap()),
    ] {
        let got = finish(y, |g| vec![gradient(g, &ta), gradient(g, &tb)]);
        for (i, pair) in pairs.iter().enumerate() {
            let at = i * WIDTH..(i + 1) * WIDTH;
            let (a, b) = (wide(&a[at.clone()]), wide(&b[at.clone()]));
            let norm = |x: &[f64]| (x.iter().map(|v| v * v).sum::<f64>() + f64::from(EPS)).sqrt();
            let (na, nb) = (norm(&a), norm(&b));
            let cos = a.iter().zip(&b).map(|(a, b)| (a / na) * (b / nb)).sum::<f64>();
            let close = |what: &str, got: f32, want: f64, scale: f64| {
                let error = (f64::from(got) - want).abs();
                assert!(error <= 1e-5 * scale + 1e-44, "{name} {pair:?}: {what} {got:e}, not {want:e}");
            };
            close("cosine", got.output[i], cos, cos.abs().max(1e-30));
            for (which, x, y, nx, ny) in [(0, &a, &b, na, nb), (1, &b, &a, nb, na)] {
                let want: Vec<f64> =
                    x.iter().zip(y).map(|(x, y)| cotangent[i] * (y / ny - x / nx * cos) / nx).collect();
                let largest = want.iter().fold(0.0f64, |m, w| m.max(w.abs()));
                for (got, want) in got.gradients[which][at.clone()].iter().zip(&want) {
                    close("gradient", *got, *want, largest);
                }
            }
        }
    }
}
