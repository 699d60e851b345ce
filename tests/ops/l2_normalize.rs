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

/// Rows of one direction at lengths from the smallest numbers to the largest.
fn rows_of_every_length() -> Vec<f32> {
    let direction = [0.9f32, -0.5, 1.0, 0.0, 1e-3, 0.25, -1.0];
    let scales = [3.4e38, 3e38, 1e30, 2e19, 3e18, 1e12, 1e9, 1.0, 1e-9, 1e-11, 1e-15, 1e-30, 1e-38, 1e-44];
    scales.iter().flat_map(|scale| direction.map(|v| v * scale)).collect()
}

#[test]
fn rows_of_every_finite_length_are_normalised() {
    const WIDTH: usize = 7;
    let values = rows_of_every_length();
    let rows = values.len() / WIDTH;
    let x: Plain<(usize, usize)> = Dev::default().tensor_from_vec(values.clone(), (rows, WIDTH));
    let cotangent: Vec<f64> = wide(&crate::support::values(99, values.len()));
    for eps in [1e-12, 1e-30] {
        for (name, y) in [
            ("fused", ops::l2_normalize(x.leaky_trace(), eps).unwrap()),
            ("composed", composed::l2_normalize(x.leaky_trace(), eps).unwrap()),
        ] {
            let got = finish(y, |g| vec![gradient(g, &x)]);
            for (i, row) in values.chunks(WIDTH).enumerate() {
                let (row, at) = (wide(row), i * WIDTH..(i + 1) * WIDTH);
                let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
                let divisor = norm.max(f64::from(eps));
                let y: Vec<f64> = row.iter().map(|v| v / divisor).collect();
                let g = &cotangent[at.clone()];
                let along = if norm > f64::from(eps) { y.iter().zip(g).map(|(y, g)| y * g).sum() } else { 0.0 };
                let dx: Vec<f64> = y.iter().zip(g).map(|(y, g)| (g - y * along) / divisor).collect();
                for (what, got, want) in
                    [("value", &got.output[at.clone()], &y), ("gradient", &got.gradients[0][at], &dx)]
                {
                    let largest = want.iter().fold(0.0f64, |m, w| m.max(w.abs()));
                    for (got, want) in got.iter().zip(want) {
                        let error = (f64::from(*got) - want).abs();
                        assert!(
                            error <= 1e-5 * largest + 1e-44,
                            "{name}, length {norm:e}: {what} {got:e}, not {want:e}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_with_a_value_that_is_no_number_has_no_direction() {
    let x: Plain<(usize, usize)> = Dev::default().tensor_from_vec(vec![1.0, f32::NAN, 3.0, 4.0], (2, 2));
    let y = ops::l2_normalize(x, 1e-12).unwrap().as_vec();
    assert!(y[0].is_nan() && y[1].is_nan() && y[2] == 0.6);
}
