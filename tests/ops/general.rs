use coembed::ops;

use crate::support::*;

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
fn results_do_not_depend_on_the_number_of_threads() {
    assert_threads_agree(|| {
        let (x, w, b) = (tensor(1, (300usize, 257usize)), tensor(2, (200usize, 257usize)), tensor(3, (200usize,)));
        let y = ops::linear(x.leaky_trace(), &w, Some(&b)).unwrap();
        let y = ops::l2_normalize(y, 1e-12).unwrap();
        let (y, _) = ops::batch_norm_train(y, 1, &tensor(4, (200usize,)), &b, 1e-5).unwrap();
        let gate = dfdx::prelude::WithEmptyTape::with_empty_tape(&y);
        finish(ops::sigmoid_gate(y, gate).unwrap(), |g| vec![gradient(g, &x), gradient(g, &w)])
    });
}

/// What no sum over many threads is in: on a card, too, it repeats bit for bit.
#[test]
fn element_wise_operations_and_products_repeat_bit_for_bit() {
    let (x, w) = (tensor(1, (70usize, 90usize)), tensor(2, (90usize, 80usize)));
    let run = || {
        let y = ops::mish(ops::gelu(ops::quick_gelu(x.leaky_trace()).unwrap()).unwrap()).unwrap();
        let y = ops::permute(y, dfdx::prelude::Axes2::<1, 0>).unwrap();
        let y = ops::matmul_tn(ops::scale(ops::relu(y).unwrap(), 0.3).unwrap(), w.clone()).unwrap();
        let gate = dfdx::prelude::WithEmptyTape::with_empty_tape(&y);
        finish(ops::sigmoid_gate(y, gate).unwrap(), |g| vec![gradient(g, &x), gradient(g, &w)])
    };
    assert!(run() == run());
}

#[test]
fn parameters_that_meet_no_rows_have_gradients_of_zeros() {
    use dfdx::prelude::Axis;
    let (x, w, b) = (tensor(1, (0usize, 4usize)), tensor(2, (3usize, 4usize)), tensor(3, (3usize,)));
    let y = ops::layer_norm(ops::linear(x.leaky_trace(), &w, Some(&b)).unwrap(), &b, &b, 1e-5).unwrap();
    let y = ops::reduce(ops::relu(y).unwrap(), Axis::<0>, ops::Reduction::Sum).unwrap();
    let outcome = finish(y, |g| vec![gradient(g, &w), gradient(g, &b)]);
    assert_eq!(outcome.output, [0.0; 3]);
    assert_eq!(outcome.gradients, [vec![0.0; 12], vec![0.0; 3]]);
}

#[test]
fn options_that_are_no_numbers_are_refused_by_name() {
    use coembed::losses::{InfoNceLoss, MaxMarginLoss};
    let (x, rows) = (tensor(1, (3usize, 3usize)), tensor(2, (3usize,)));
    let statistics = ops::BatchStatistics { mean: rows.clone(), variance: rows.clone() };
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let errors = [
            ("l2 normalize: eps", ops::l2_normalize(x.clone(), bad).unwrap_err()),
            ("cosine: eps", ops::row_cosine(x.clone(), x.clone(), bad).unwrap_err()),
            ("layer norm: eps", ops::layer_norm(x.clone(), &rows, &rows, bad).unwrap_err()),
            ("batch norm: eps", ops::batch_norm_train(x.clone(), 1, &rows, &rows, bad).unwrap_err()),
            ("batch norm: eps", ops::batch_norm_eval(x.clone(), &rows, &rows, &statistics, bad).unwrap_err()),
            ("smooth L1: beta", ops::smooth_l1(x.clone(), x.clone(), bad, ops::LossReduction::Mean).unwrap_err()),
            ("max margin: the margin", MaxMarginLoss { margin: bad, fix_norm: true }.forward(x.clone()).unwrap_err()),
            ("InfoNCE: the temperature", InfoNceLoss { temperature: bad }.forward(x.clone()).unwrap_err()),
            ("dropout: the rate", ops::dropout(x.clone(), bad, None).unwrap_err()),
        ];
        for (named, error) in errors {
            assert!(error.to_string().starts_with(named), "{error}");
        }
    }
    for temperature in [0.0, -0.07, 1e-39] {
        assert!(InfoNceLoss { temperature }.forward(x.clone()).is_err(), "{temperature}");
    }
}
