//! Every operation, on every device of this build, against (a) the same operation composed of dfdx's own,
//! (b) a naive f64 loop and (c) finite differences of that loop.

use coembed::ops::{self, BatchStatistics, OpError, composed};
use dfdx::prelude::{Backward, Const, Gradients, OwnedTape, Shape, SumTo, Tensor, TensorFromVec, Trace};
use rand::{Rng, SeedableRng};

#[cfg(not(feature = "cuda"))]
type Dev = dfdx::prelude::Cpu;
#[cfg(feature = "cuda")]
type Dev = dfdx::prelude::Cuda;

type Traced<S> = Tensor<S, f32, Dev, OwnedTape<f32, Dev>>;
type Plain<S> = Tensor<S, f32, Dev>;

fn values(seed: u64, n: usize) -> Vec<f32> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random_range(-1.5..1.5)).collect()
}

fn tensor<S: Shape>(seed: u64, shape: S) -> Plain<S> {
    Dev::default().tensor_from_vec(values(seed, shape.num_elements()), shape)
}

fn wide(v: &[f32]) -> Vec<f64> {
    v.iter().map(|x| f64::from(*x)).collect()
}

#[track_caller]
fn assert_close(what: &str, got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(0.1f64, |m, w| m.max(w.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(*g) - w).abs() <= tolerance * scale, "{what}[{i}]: {g} instead of {w}");
    }
}

/// Values of an operation and the gradients of `Σ output · cotangent` with respect to its inputs.
struct Outcome {
    output: Vec<f32>,
    gradients: Vec<Vec<f32>>,
}

fn finish<S: Shape>(output: Traced<S>, gradients_of: impl FnOnce(&Gradients<f32, Dev>) -> Vec<Vec<f32>>) -> Outcome {
    let shape = *dfdx::prelude::HasShape::shape(&output);
    let values = output.as_vec();
    let loss = (output * tensor(99, shape)).sum::<(), _>();
    Outcome { output: values, gradients: gradients_of(&loss.backward()) }
}

/// Checks two implementations of an operation against a naive f64 function of its flattened inputs.
#[track_caller]
fn check(inputs: &[Vec<f32>], naive: impl Fn(&[Vec<f64>]) -> Vec<f64>, implementations: [(&str, Outcome); 2]) {
    let inputs: Vec<Vec<f64>> = inputs.iter().map(|v| wide(v)).collect();
    let want = naive(&inputs);
    let cotangent = wide(&values(99, want.len()));
    let loss = |x: &[Vec<f64>]| naive(x).iter().zip(&cotangent).map(|(y, c)| y * c).sum::<f64>();
    let step = 1e-6;
    let mut gradients = vec![];
    for i in 0..inputs.len() {
        gradients.push(Vec::with_capacity(inputs[i].len()));
        for j in 0..inputs[i].len() {
            let mut moved = inputs.clone();
            moved[i][j] = inputs[i][j] + step;
            let up = loss(&moved);
            moved[i][j] = inputs[i][j] - step;
            gradients[i].push((up - loss(&moved)) / (2.0 * step));
        }
    }
    for (name, outcome) in implementations {
        assert_close(name, &outcome.output, &want, 2e-6);
        assert_eq!(outcome.gradients.len(), gradients.len(), "{name}: one gradient per input");
        for (i, (got, want)) in outcome.gradients.iter().zip(&gradients).enumerate() {
            assert_close(&format!("{name}, gradient {i}"), got, want, 1e-5);
        }
    }
}

fn gradient<S: Shape>(grads: &Gradients<f32, Dev>, t: &Plain<S>) -> Vec<f32> {
    grads.get(t).as_vec()
}

/// `f(row)` over rows of width `w`.
fn by_row(x: &[f64], w: usize, f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    x.chunks(w).flat_map(f).collect()
}

fn naive_linear(x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
    let (o, i) = (b.len(), w.len() / b.len());
    by_row(x, i, |row| (0..o).map(|k| b[k] + (0..i).map(|j| row[j] * w[k * i + j]).sum::<f64>()).collect())
}

#[test]
fn linear_with_bias_and_collapsed_leading_axes() {
    // Sizes known at compile time, at run time, and mixed; two and three axes.
    macro_rules! case {
        ($x:expr, $w:expr, $b:expr) => {{
            let (x, w, b) = (tensor(1, $x), tensor(2, $w), tensor(3, $b));
            let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &w), gradient(g, &b)]);
            check(
                &[x.as_vec(), w.as_vec(), b.as_vec()],
                |v| naive_linear(&v[0], &v[1], &v[2]),
                [
                    ("fused", run(ops::linear(x.leaky_trace(), &w, Some(&b)).unwrap())),
                    ("composed", run(composed::linear(x.leaky_trace(), &w, Some(&b)).unwrap())),
                ],
            );
        }};
    }
    case!((Const::<5>, Const::<7>), (Const::<3>, Const::<7>), (Const::<3>,));
    case!((5usize, 7usize), (3usize, 7usize), (3usize,));
    case!((2usize, Const::<3>, Const::<4>), (6usize, Const::<4>), (6usize,));
    case!((1usize, 19usize), (Const::<33>, 19usize), (Const::<33>,));
}

#[test]
fn linear_refuses_run_time_widths_that_disagree() {
    let error = ops::linear(tensor(1, (2usize, 7usize)), &tensor(2, (3usize, 6usize)), None).unwrap_err();
    assert_eq!(error, OpError::Shape { op: "linear", what: "input width", expected: 6, got: 7 });
    assert_eq!(error.to_string(), "linear: input width is 7, expected 6");
}

#[test]
fn linear_of_no_rows_is_empty() {
    let y = ops::linear(tensor(1, (0usize, Const::<4>)), &tensor(2, (Const::<3>, Const::<4>)), None).unwrap();
    assert!(ops::to_vec(&y).unwrap().is_empty());
}

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

#[test]
fn sigmoid_gate_multiplies_by_the_sigmoid() {
    let (v, g) = (tensor(5, (4usize, 9usize)), tensor(6, (4usize, 9usize)));
    let run = |y: Traced<_>| finish(y, |grads| vec![gradient(grads, &v), gradient(grads, &g)]);
    check(
        &[v.as_vec(), g.as_vec()],
        |x| x[0].iter().zip(&x[1]).map(|(v, g)| v / (1.0 + (-g).exp())).collect(),
        [
            ("fused", run(ops::sigmoid_gate(v.leaky_trace(), g.leaky_trace()).unwrap())),
            ("composed", run(composed::sigmoid_gate(v.leaky_trace(), g.leaky_trace()).unwrap())),
        ],
    );
    let error = ops::sigmoid_gate(tensor(5, (4usize, 9usize)), tensor(6, (4usize, 8usize))).unwrap_err();
    assert_eq!(error.to_string(), "sigmoid gate: size of the gate is 8, expected 9");
}

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

fn naive_batch_norm(x: &[f64], scale: &[f64], shift: &[f64]) -> Vec<f64> {
    let (w, rows) = (scale.len(), (x.len() / scale.len()) as f64);
    let mean: Vec<f64> = (0..w).map(|c| x.iter().skip(c).step_by(w).sum::<f64>() / rows).collect();
    let variance: Vec<f64> =
        (0..w).map(|c| x.iter().skip(c).step_by(w).map(|v| (v - mean[c]).powi(2)).sum::<f64>() / rows).collect();
    by_row(x, w, |row| (0..w).map(|c| scale[c] * (row[c] - mean[c]) / (variance[c] + 1e-5).sqrt() + shift[c]).collect())
}

#[test]
fn batch_norm_in_training_uses_the_statistics_of_the_batch() {
    let (x, scale, shift) = (tensor(8, (6usize, Const::<5>)), tensor(9, (Const::<5>,)), tensor(10, (Const::<5>,)));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &scale), gradient(g, &shift)]);
    let (fused, statistics) = ops::batch_norm_train(x.leaky_trace(), &scale, &shift, 1e-5).unwrap();
    let (composed, same) = composed::batch_norm_train(x.leaky_trace(), &scale, &shift, 1e-5).unwrap();
    assert_close("mean", &statistics.mean.as_vec(), &wide(&same.mean.as_vec()), 1e-6);
    assert_close("variance", &statistics.variance.as_vec(), &wide(&same.variance.as_vec()), 1e-6);
    check(
        &[x.as_vec(), scale.as_vec(), shift.as_vec()],
        |v| naive_batch_norm(&v[0], &v[1], &v[2]),
        [("fused", run(fused)), ("composed", run(composed))],
    );
}

#[test]
fn batch_norm_in_evaluation_uses_given_statistics() {
    let (x, scale, shift) = (tensor(8, (6usize, 5usize)), tensor(9, (5usize,)), tensor(10, (5usize,)));
    let variance = Dev::default().tensor_from_vec(values(12, 5).iter().map(|v| v.abs() + 0.3).collect(), (5usize,));
    let statistics = BatchStatistics { mean: tensor(11, (5usize,)), variance };
    let (mean, variance) = (wide(&statistics.mean.as_vec()), wide(&statistics.variance.as_vec()));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &scale), gradient(g, &shift)]);
    check(
        &[x.as_vec(), scale.as_vec(), shift.as_vec()],
        |v| {
            by_row(&v[0], 5, |r| {
                (0..5).map(|c| v[1][c] * (r[c] - mean[c]) / (variance[c] + 1e-5).sqrt() + v[2][c]).collect()
            })
        },
        [
            ("fused", run(ops::batch_norm_eval(x.leaky_trace(), &scale, &shift, &statistics, 1e-5).unwrap())),
            ("composed", run(composed::batch_norm_eval(x.leaky_trace(), &scale, &shift, &statistics, 1e-5).unwrap())),
        ],
    );
}

#[test]
fn batch_norm_of_one_row_is_refused_in_training() {
    let error = ops::batch_norm_train(tensor(1, (1usize, 4usize)), &tensor(2, (4usize,)), &tensor(3, (4usize,)), 1e-5)
        .unwrap_err();
    assert!(error.to_string().contains("at least two rows"), "{error}");
}

#[test]
fn concat_keeps_the_order_of_its_parts() {
    let (a, b) = (tensor(13, (3usize, Const::<4>)), tensor(14, (3usize, Const::<4>)));
    let run = |y: Traced<(usize, Const<8>)>| finish(y, |g| vec![gradient(g, &a), gradient(g, &b)]);
    let traced = || vec![a.leaky_trace(), b.leaky_trace()];
    check(
        &[a.as_vec(), b.as_vec()],
        |v| v[0].chunks(4).zip(v[1].chunks(4)).flat_map(|(a, b)| [a, b].concat()).collect(),
        [
            ("fused", run(ops::concat(traced(), Const).unwrap())),
            ("composed", run(composed::concat(traced(), Const).unwrap())),
        ],
    );
    let error = ops::concat(traced(), 7usize).unwrap_err();
    assert_eq!(error.to_string(), "concat: width of the result is 7, expected 8");
}

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
fn select_rows_adds_the_gradients_of_a_row_picked_twice() {
    let x = tensor(30, (4usize, Const::<5>));
    let rows = [3, 1, 3, 0, 3];
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
    check(
        &[x.as_vec()],
        |v| rows.iter().flat_map(|row| v[0][row * 5..][..5].to_vec()).collect(),
        [
            ("fused", run(ops::select_rows(x.leaky_trace(), &rows).unwrap())),
            ("composed", run(composed::select_rows(x.leaky_trace(), &rows).unwrap())),
        ],
    );
    let error = ops::select_rows(x.clone(), &[0, 4]).unwrap_err();
    assert_eq!(error.to_string(), "select rows: there is no row 4, only 4");
}

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
fn strided_inputs_are_read_in_logical_order() {
    use dfdx::prelude::{Axes2, PermuteTo};
    let x = tensor(21, (3usize, 5usize));
    let transposed: Plain<(usize, usize)> = x.clone().permute::<_, Axes2<1, 0>>();
    let got = ops::relu(transposed).unwrap().as_vec();
    let data = x.as_vec();
    let want: Vec<f32> =
        (0..5).flat_map(|j| (0..3).map(move |i| (i, j))).map(|(i, j)| data[i * 5 + j].max(0.0)).collect();
    assert_eq!(got, want);
}

#[test]
fn sgd_with_momentum_follows_its_formula() {
    let step = |f: fn(
        &mut Plain<(usize,)>,
        &mut Gradients<f32, Dev>,
        &mut Plain<(usize,)>,
        f32,
        f32,
    ) -> Result<(), OpError>| {
        let mut p = tensor(22, (6usize,));
        let mut v = tensor(23, (6usize,));
        for seed in [24, 25] {
            let mut grads = (p.leaky_trace() * tensor(seed, (6usize,))).sum::<(), _>().backward();
            f(&mut p, &mut grads, &mut v, 0.1, 0.9).unwrap();
        }
        p.as_vec()
    };
    let (mut p, mut v) = (wide(&values(22, 6)), wide(&values(23, 6)));
    for seed in [24, 25] {
        for (i, g) in wide(&values(seed, 6)).into_iter().enumerate() {
            v[i] = 0.9 * v[i] + g;
            p[i] -= 0.1 * v[i];
        }
    }
    assert_close("fused", &step(ops::sgd_momentum), &p, 1e-6);
    assert_close("composed", &step(composed::sgd_momentum), &p, 1e-6);
}

#[cfg(not(feature = "cuda"))]
#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (x, w, b) = (tensor(1, (300usize, 257usize)), tensor(2, (200usize, 257usize)), tensor(3, (200usize,)));
            let y = ops::linear(x.leaky_trace(), &w, Some(&b)).unwrap();
            let y = ops::l2_normalize(y, 1e-12).unwrap();
            let (y, _) = ops::batch_norm_train(y, &tensor(4, (200usize,)), &b, 1e-5).unwrap();
            let gate = dfdx::prelude::WithEmptyTape::with_empty_tape(&y);
            let out = finish(ops::sigmoid_gate(y, gate).unwrap(), |g| vec![gradient(g, &x), gradient(g, &w)]);
            (out.output, out.gradients)
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(5), "bits differ between thread counts");
}
