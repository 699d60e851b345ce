use coembed::ops::{self, OpError, composed};

use crate::support::*;

fn naive(x: &[f64], scale: &[f64], shift: &[f64]) -> Vec<f64> {
    let w = scale.len();
    by_row(x, w, |row| {
        let mean = row.iter().sum::<f64>() / w as f64;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / w as f64;
        (0..w).map(|c| scale[c] * (row[c] - mean) / (variance + 1e-5).sqrt() + shift[c]).collect()
    })
}

#[test]
fn layer_norm_normalises_every_row() {
    macro_rules! case {
        ($x:expr, $w:expr) => {{
            let (x, scale, shift) = (tensor(1, $x), tensor(2, $w), tensor(3, $w));
            let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &scale), gradient(g, &shift)]);
            check(
                &[x.as_vec(), scale.as_vec(), shift.as_vec()],
                |v| naive(&v[0], &v[1], &v[2]),
                [
                    ("fused", run(ops::layer_norm(x.leaky_trace(), &scale, &shift, 1e-5).unwrap())),
                    ("composed", run(composed::layer_norm(x.leaky_trace(), &scale, &shift, 1e-5).unwrap())),
                ],
            );
        }};
    }
    case!((5usize, Const::<7>), (Const::<7>,));
    case!((2usize, Const::<3>, 21usize), (21usize,));
    case!((1usize, 16usize), (16usize,));
}

#[test]
fn layer_norm_gives_the_same_bits_on_any_number_of_threads() {
    assert_threads_agree(|| {
        let (x, scale, shift) = (tensor(1, (700usize, 130usize)), tensor(2, (130usize,)), tensor(3, (130usize,)));
        let y = ops::layer_norm(x.leaky_trace(), &scale, &shift, 1e-5).unwrap();
        finish(y, |g| vec![gradient(g, &x), gradient(g, &scale), gradient(g, &shift)])
    });
}

#[test]
fn layer_norm_of_data_trains_its_parameters() {
    let (x, scale, shift) = (tensor(1, (4usize, 7usize)), tensor(2, (7usize,)), tensor(3, (7usize,)));
    let gradients = |y: Traced<_>| finish(y, |g| vec![gradient(g, &scale), gradient(g, &shift)]).gradients;
    let data = gradients(ops::layer_norm(ops::data(x.clone()), &scale, &shift, 1e-5).unwrap());
    assert_eq!(data, gradients(ops::layer_norm(x.leaky_trace(), &scale, &shift, 1e-5).unwrap()));
}

#[test]
fn layer_norm_refuses_run_time_widths_that_disagree() {
    let error =
        ops::layer_norm(tensor(1, (2usize, 7usize)), &tensor(2, (6usize,)), &tensor(3, (7usize,)), 1e-5).unwrap_err();
    assert_eq!(error, OpError::Shape { op: "layer norm", what: "width of the scale", expected: 7, got: 6 });
    let empty = ops::layer_norm(tensor(1, (0usize, 7usize)), &tensor(2, (7usize,)), &tensor(3, (7usize,)), 1e-5);
    assert!(ops::to_vec(&empty.unwrap()).unwrap().is_empty());
}
