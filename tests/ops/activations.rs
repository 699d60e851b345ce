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
