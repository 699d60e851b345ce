use coembed::ops::{self, composed};

use crate::support::*;

#[test]
fn add_and_scale() {
    let (a, b) = (tensor(1, (3usize, 19usize)), tensor(2, (3usize, 19usize)));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &a), gradient(g, &b)]);
    check(
        &[a.as_vec(), b.as_vec()],
        |v| v[0].iter().zip(&v[1]).map(|(a, b)| a + b).collect(),
        [
            ("fused", run(ops::add(a.leaky_trace(), b.clone()).unwrap())),
            ("composed", run(composed::add(a.leaky_trace(), b.clone()).unwrap())),
        ],
    );
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &a)]);
    check(
        &[a.as_vec()],
        |v| v[0].iter().map(|a| -2.5 * a).collect(),
        [
            ("fused", run(ops::scale(a.leaky_trace(), -2.5).unwrap())),
            ("composed", run(composed::scale(a.leaky_trace(), -2.5).unwrap())),
        ],
    );
    let error = ops::add(a, tensor(3, (3usize, 18usize))).unwrap_err();
    assert_eq!(error.to_string(), "add: size of the second term is 18, expected 19");
}

#[test]
fn adding_a_tensor_to_itself_doubles_its_gradient() {
    let x = tensor(1, (2usize, 5usize));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
    check(
        &[x.as_vec()],
        |v| v[0].iter().map(|a| 2.0 * a).collect(),
        [
            ("fused", run(ops::add(x.leaky_trace(), x.clone()).unwrap())),
            ("composed", run(composed::add(x.leaky_trace(), x.clone()).unwrap())),
        ],
    );
}

#[test]
fn mean_squared_error_over_all_values() {
    let (x, target) = (tensor(1, (4usize, 9usize)), tensor(2, (4usize, 9usize)));
    let run = |y: Traced<()>| finish(y, |g| vec![gradient(g, &x)]);
    let goal = wide(&target.as_vec());
    check(
        &[x.as_vec()],
        |v| vec![v[0].iter().zip(&goal).map(|(x, t)| (x - t).powi(2)).sum::<f64>() / 36.0],
        [
            ("fused", run(ops::mean_squared_error(x.leaky_trace(), &target).unwrap())),
            ("composed", run(composed::mean_squared_error(x.leaky_trace(), &target).unwrap())),
        ],
    );
    let empty = tensor(1, (0usize, 9usize));
    let error = ops::mean_squared_error(empty.clone(), &empty).unwrap_err();
    assert_eq!(error.to_string(), "mean squared error: too few values of a mean: 0, at least 1 needed");
}

#[test]
fn data_has_no_gradient_and_its_layers_have_the_same() {
    let (x, w, b) = (tensor(1, (3usize, 5usize)), tensor(2, (4usize, 5usize)), tensor(3, (4usize,)));
    let gradients = |y: Traced<_>| finish(y, |g| vec![gradient(g, &w), gradient(g, &b)]).gradients;
    let hidden = |x| ops::relu(x).unwrap();
    let data = gradients(ops::linear(hidden(ops::data(x.clone())), &w, Some(&b)).unwrap());
    assert_eq!(data, gradients(ops::linear(ops::relu(x.leaky_trace()).unwrap(), &w, Some(&b)).unwrap()));
    let y = ops::linear(ops::data(x.clone()), &w, Some(&b)).unwrap();
    let mut grads = y.sum::<(), _>().backward();
    // Nothing was accumulated: the gradient is allocated now, as zeros.
    grads.try_alloc_for(&x).unwrap();
    assert!(grads.get(&x).as_vec().iter().all(|g| *g == 0.0));
}

#[test]
fn operands_in_another_order_get_their_gradients() {
    use dfdx::prelude::{Axes2, Axis, BroadcastTo, PermuteTo};
    let (x, w, row) = (tensor(1, (3usize, 4usize)), tensor(2, (4usize, 3usize)), tensor(3, (4usize,)));
    let turned = || -> Plain<(usize, usize)> { w.clone().permute::<_, Axes2<1, 0>>() };
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &w)]);
    let at = |v: &[Vec<f64>], i: usize, j: usize| v[1][j * 3 + i];
    check(
        &[x.as_vec(), w.as_vec()],
        |v| (0..12).map(|k| v[0][k] + at(v, k / 4, k % 4)).collect(),
        [
            ("fused", run(ops::add(x.leaky_trace(), turned()).unwrap())),
            ("composed", run(composed::add(x.leaky_trace(), turned()).unwrap())),
        ],
    );
    let product = |v: &[Vec<f64>], i: usize, k: usize| (0..4).map(|j| v[0][i * 4 + j] * at(v, k, j)).sum::<f64>();
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &w)]);
    let fused = run(ops::matmul_nt(x.leaky_trace(), turned()).unwrap());
    check(
        &[x.as_vec(), w.as_vec()],
        |v| (0..9).map(|at| product(v, at / 3, at % 3)).collect(),
        [("fused", fused), ("again", run(ops::matmul_nt(x.leaky_trace(), turned()).unwrap()))],
    );
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &row)]);
    let rows = || -> Plain<(usize, usize)> { row.clone().broadcast_like::<_, Axis<0>>(&(3usize, 4usize)) };
    let want = ops::linear(
        x.leaky_trace(),
        &ops::to_tensor(&Dev::default(), identity(4), (4usize, 4usize)).unwrap(),
        Some(&row),
    );
    let want = run(want.unwrap());
    let got = run(ops::add(x.leaky_trace(), rows()).unwrap());
    assert_close("sum with a broadcast row", &got.output, &wide(&want.output), 1e-6);
    assert_close("gradient of the row", &got.gradients[1], &wide(&want.gradients[1]), 1e-6);
}

fn identity(n: usize) -> Vec<f32> {
    (0..n * n).map(|at| if at % (n + 1) == 0 { 1.0 } else { 0.0 }).collect()
}

#[test]
fn one_tensor_may_be_both_operands() {
    let x = tensor(1, (3usize, 4usize));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
    let product = |v: &[Vec<f64>], i: usize, k: usize| (0..4).map(|j| v[0][i * 4 + j] * v[0][k * 4 + j]).sum::<f64>();
    let fused = || ops::matmul_nt(x.leaky_trace(), x.clone()).unwrap();
    check(
        &[x.as_vec()],
        |v| (0..9).map(|at| product(v, at / 3, at % 3)).collect(),
        [("fused", run(fused())), ("again", run(fused()))],
    );
}
