use coembed::ops::{self, LossReduction, composed};

use crate::support::*;

fn naive(x: &[f64], target: &[f64], beta: f64, reduction: LossReduction) -> Vec<f64> {
    let terms = x.iter().zip(target).map(|(x, t)| (x - t).abs());
    let sum: f64 = terms.map(|d| if d < beta { 0.5 * d * d / beta } else { d - 0.5 * beta }).sum();
    vec![if reduction == LossReduction::Mean { sum / x.len() as f64 } else { sum }]
}

#[test]
fn smooth_l1_is_a_parabola_near_zero() {
    for reduction in [LossReduction::Mean, LossReduction::Sum] {
        for beta in [1.0f32, 0.3, 0.0] {
            let (x, target) = (tensor(1, (4usize, Const::<5>)), tensor(2, (4usize, Const::<5>)));
            let run = |y: Traced<()>| finish(y, |g| vec![gradient(g, &x), gradient(g, &target)]);
            check(
                &[x.as_vec(), target.as_vec()],
                |v| naive(&v[0], &v[1], f64::from(beta), reduction),
                [
                    ("fused", run(ops::smooth_l1(x.leaky_trace(), target.leaky_trace(), beta, reduction).unwrap())),
                    (
                        "composed",
                        run(composed::smooth_l1(x.leaky_trace(), target.leaky_trace(), beta, reduction).unwrap()),
                    ),
                ],
            );
        }
    }
}

#[test]
fn smooth_l1_at_its_limits() {
    let x = || tensor(1, (4usize,));
    let same = x();
    let y = ops::smooth_l1(same.leaky_trace(), same.clone(), 0.0, LossReduction::Mean).unwrap();
    assert_eq!(y.as_vec(), [0.0]);
    assert_eq!(gradient(&y.backward(), &same), [0.0; 4]);
    let error = ops::smooth_l1(x(), tensor(2, (5usize,)), 1.0, LossReduction::Mean).unwrap_err();
    assert_eq!(error.to_string(), "smooth L1: size of the target is 5, expected 4");
    for beta in [-1.0, f32::NAN] {
        let error = ops::smooth_l1(x(), x(), beta, LossReduction::Mean).unwrap_err();
        assert_eq!(error.to_string(), "smooth L1: beta is not a number from 0 on");
    }
    let none = || tensor(1, (0usize, 3usize));
    assert_eq!(ops::smooth_l1(none(), none(), 1.0, LossReduction::Sum).unwrap().as_vec(), [0.0]);
    let error = ops::smooth_l1(none(), none(), 1.0, LossReduction::Mean).unwrap_err();
    assert_eq!(error.to_string(), "smooth L1: too few values of a mean: 0, at least 1 needed");
}

#[test]
fn smooth_l1_does_not_depend_on_the_number_of_threads() {
    assert_threads_agree(|| {
        let (x, target) = (tensor(1, (300usize, 300usize)), tensor(2, (300usize, 300usize)));
        let y = ops::smooth_l1(x.leaky_trace(), target.leaky_trace(), 0.7, LossReduction::Mean).unwrap();
        finish(y, |g| vec![gradient(g, &x), gradient(g, &target)])
    });
}
