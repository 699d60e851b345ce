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
