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

#[test]
fn mish_is_x_times_tanh_of_softplus() {
    let x = tensor(8, (3usize, Const::<8>));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
    check(
        &[x.as_vec()],
        |v| v[0].iter().map(|v| v * v.exp().ln_1p().tanh()).collect(),
        [
            ("fused", run(ops::mish(x.leaky_trace()).unwrap())),
            ("composed", run(composed::mish(x.leaky_trace()).unwrap())),
        ],
    );
}

#[test]
fn mish_is_stable_far_from_zero() {
    let far: Vec<f32> = vec![-3e38, -200.0, -30.0, -12.0, 0.0, 19.5, 20.5, 90.0, 3e38];
    let x: Plain<(usize,)> = Dev::default().tensor_from_vec(far.clone(), (9,));
    for (name, y) in [("fused", ops::mish(x.leaky_trace())), ("composed", composed::mish(x.leaky_trace()))] {
        let y = y.unwrap();
        let values = y.as_vec();
        let gradient = y.sum::<(), _>().backward().get(&x).as_vec();
        for (i, x) in far.iter().map(|x| f64::from(*x)).enumerate() {
            let e = x.min(300.0).exp();
            let (tanh, sigmoid) = (e.ln_1p().tanh(), 1.0 / (1.0 + (-x).exp()));
            let want = [x * tanh, tanh + x * (1.0 - tanh * tanh) * sigmoid];
            for (got, want) in [values[i], gradient[i]].into_iter().zip(want) {
                assert!((f64::from(got) - want).abs() <= 2e-6 * want.abs() + 1e-30, "{name} at {x}: {got}, not {want}");
            }
        }
    }
    let nan: Plain<(usize,)> = Dev::default().tensor_from_vec(vec![f32::NAN], (1,));
    assert!(ops::mish(nan).unwrap().as_vec()[0].is_nan());
}

/// Φ by integrating the density from 0, in steps that make the error of Simpson's rule vanish against f32.
fn normal(x: f64) -> f64 {
    let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let (n, h) = (2000, x / 2000.0);
    let weight = |i: usize| if i == 0 || i == n { 1.0 } else { [2.0, 4.0][i % 2] };
    0.5 + (0..=n).map(|i| weight(i) * density(i as f64 * h)).sum::<f64>() * h / 3.0
}

#[test]
fn gelu_is_x_times_the_normal_distribution() {
    let x = tensor(7, (3usize, 13usize));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
    check(
        &[x.as_vec()],
        |v| v[0].iter().map(|v| v * normal(*v)).collect(),
        [
            ("fused", run(ops::gelu(x.leaky_trace()).unwrap())),
            ("composed", run(composed::gelu(x.leaky_trace()).unwrap())),
        ],
    );
    let far = Dev::default().tensor_from_vec(vec![-3e38, -50.0, -8.0, 0.0, 8.0, 3e38], (6usize,));
    let y = ops::gelu(far).unwrap().as_vec();
    assert_eq!((y[0], y[3], y[4], y[5]), (0.0, 0.0, 8.0, 3e38));
    assert!(y[1] == 0.0 && (-1e-13..0.0).contains(&y[2]), "{y:?}");
}

#[test]
fn quick_gelu_is_x_times_a_steep_sigmoid() {
    let x = tensor(7, (3usize, 13usize));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
    check(
        &[x.as_vec()],
        |v| v[0].iter().map(|v| v / (1.0 + (-1.702 * v).exp())).collect(),
        [
            ("fused", run(ops::quick_gelu(x.leaky_trace()).unwrap())),
            ("composed", run(composed::quick_gelu(x.leaky_trace()).unwrap())),
        ],
    );
}

/// `f` and its derivative far from 0, where they are those of 0 or of x, under a cotangent whose product with x is no number of f32.
#[test]
fn activations_of_every_finite_value_are_finite() {
    type Vector<T> = Tensor<(usize,), f32, Dev, T>;
    type Function = fn(Vector<OwnedTape<f32, Dev>>) -> Result<Vector<OwnedTape<f32, Dev>>, ops::OpError>;
    let far = [3.4e38f32, 3e38, 2e38, 1e30, 2e19, 1e10, 300.0, 150.0, 110.0];
    let x: Vec<f32> = far.iter().flat_map(|x| [*x, -x]).collect();
    let tensor: Plain<(usize,)> = Dev::default().tensor_from_vec(x.clone(), (x.len(),));
    let functions: [(&str, Function); 6] = [
        ("GELU", ops::gelu),
        ("composed GELU", composed::gelu),
        ("quick GELU", ops::quick_gelu),
        ("composed quick GELU", composed::quick_gelu),
        ("mish", ops::mish),
        ("composed mish", composed::mish),
    ];
    for (name, f) in functions {
        let y = f(tensor.leaky_trace()).unwrap();
        let values = y.as_vec();
        let gradient = gradient(&(y * 10.0).sum::<(), _>().backward(), &tensor);
        for ((x, y), g) in x.iter().zip(&values).zip(&gradient) {
            assert!((y - x.max(0.0)).abs() < 1e-34, "{name} of {x:e} is {y:e}");
            assert!((g - if *x > 0.0 { 10.0 } else { 0.0 }).abs() < 1e-34, "{name} at {x:e} has the gradient {g:e}");
        }
        let nan: Plain<(usize,)> = Dev::default().tensor_from_vec(vec![f32::NAN], (1,));
        assert!(f(nan.leaky_trace()).unwrap().as_vec()[0].is_nan(), "{name} of NaN");
    }
}

/// Around the places where the composed functions change from one form to another.
#[test]
fn activations_have_no_step_where_their_form_changes() {
    let x: Vec<f32> = (-1400..1400).map(|i| 0.05 * i as f32).collect();
    let tensor: Plain<(usize,)> = Dev::default().tensor_from_vec(x.clone(), (x.len(),));
    let run = |y: Result<Traced<(usize,)>, ops::OpError>| finish(y.unwrap(), |g| vec![gradient(g, &tensor)]);
    for (fused, composed) in [
        (run(ops::gelu(tensor.leaky_trace())), run(composed::gelu(tensor.leaky_trace()))),
        (run(ops::quick_gelu(tensor.leaky_trace())), run(composed::quick_gelu(tensor.leaky_trace()))),
        (run(ops::mish(tensor.leaky_trace())), run(composed::mish(tensor.leaky_trace()))),
    ] {
        for (fused, composed) in [(&fused.output, &composed.output), (&fused.gradients[0], &composed.gradients[0])] {
            for ((x, a), b) in x.iter().zip(fused).zip(composed) {
                assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "at {x}: {a} and {b}");
            }
        }
    }
}
