use coembed::ops::{self, BatchStatistics, composed};

use crate::support::*;

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
    let (fused, statistics) = ops::batch_norm_train(x.leaky_trace(), 1, &scale, &shift, 1e-5).unwrap();
    let (composed, same) = composed::batch_norm_train(x.leaky_trace(), 1, &scale, &shift, 1e-5).unwrap();
    assert_close("mean", &statistics[0].mean.as_vec(), &wide(&same[0].mean.as_vec()), 1e-6);
    assert_close("variance", &statistics[0].variance.as_vec(), &wide(&same[0].variance.as_vec()), 1e-6);
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
    let error =
        ops::batch_norm_train(tensor(1, (1usize, 4usize)), 1, &tensor(2, (4usize,)), &tensor(3, (4usize,)), 1e-5)
            .unwrap_err();
    assert_eq!(error.to_string(), "batch norm: too few rows for a variance: 1, at least 2 needed");
}

#[test]
fn groups_of_rows_are_normalised_each_on_its_own() {
    let (x, scale, shift) = (tensor(8, (3usize, 4usize, 5usize)), tensor(9, (5usize,)), tensor(10, (5usize,)));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &scale), gradient(g, &shift)]);
    let (fused, statistics) = ops::batch_norm_train(x.leaky_trace(), 3, &scale, &shift, 1e-5).unwrap();
    let (composed, same) = composed::batch_norm_train(x.leaky_trace(), 3, &scale, &shift, 1e-5).unwrap();
    assert_eq!((statistics.len(), same.len()), (3, 3));
    for (fused, composed) in statistics.iter().zip(&same) {
        assert_close("mean", &fused.mean.as_vec(), &wide(&composed.mean.as_vec()), 1e-6);
        assert_close("variance", &fused.variance.as_vec(), &wide(&composed.variance.as_vec()), 1e-6);
    }
    check(
        &[x.as_vec(), scale.as_vec(), shift.as_vec()],
        |v| v[0].chunks(20).flat_map(|group| naive_batch_norm(group, &v[1], &v[2])).collect(),
        [("fused", run(fused)), ("composed", run(composed))],
    );
    let error = ops::batch_norm_train(x, 5, &scale, &shift, 1e-5).unwrap_err();
    assert_eq!(error.to_string(), "batch norm: remainder of the rows by the groups is 2, expected 0");
}

/// Larger than a task, so that groups lie in several.
#[test]
fn large_groups_are_those_of_the_composed_operation() {
    let (x, scale, shift) = (tensor(8, (9usize, 64usize, 70usize)), tensor(9, (70usize,)), tensor(10, (70usize,)));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &scale), gradient(g, &shift)]);
    let fused = run(ops::batch_norm_train(x.leaky_trace(), 9, &scale, &shift, 1e-5).unwrap().0);
    let composed = run(composed::batch_norm_train(x.leaky_trace(), 9, &scale, &shift, 1e-5).unwrap().0);
    assert_same(&fused, &composed);
    #[cfg(not(feature = "cuda"))]
    assert_threads_agree(|| run(ops::batch_norm_train(x.leaky_trace(), 9, &scale, &shift, 1e-5).unwrap().0));
}
