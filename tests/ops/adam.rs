use coembed::ops::{self, AdamMoments, AdamStep, OpError, WeightDecay, composed};
use dfdx::prelude::ZerosTensor;

use crate::support::*;

type Step = fn(&mut Plain<(usize,)>, &mut Gradients<f32, Dev>, &mut AdamMoments<Dev>, AdamStep) -> Result<(), OpError>;

fn step(number: u32, weight_decay: WeightDecay) -> AdamStep {
    AdamStep { number, learning_rate: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay }
}

fn moments(n: usize) -> AdamMoments<Dev> {
    let zeros = || Dev::default().zeros_like(&(n,));
    AdamMoments { first: zeros(), second: zeros() }
}

fn run(f: Step, decay: WeightDecay) -> Vec<f32> {
    let (mut p, mut moments) = (tensor(22, (19usize,)), moments(19));
    for number in 1..=3 {
        let mut grads = (p.leaky_trace() * tensor(23 + u64::from(number), (19usize,))).sum::<(), _>().backward();
        f(&mut p, &mut grads, &mut moments, step(number, decay)).unwrap();
    }
    p.as_vec()
}

#[test]
fn adam_follows_its_formula() {
    for decay in [WeightDecay::Penalty(0.0), WeightDecay::Penalty(0.3), WeightDecay::Decoupled(0.3)] {
        let mut want = wide(&values(22, 19));
        let (mut m, mut v) = (vec![0.0; 19], vec![0.0; 19]);
        for t in 1..=3i32 {
            for (i, g) in wide(&values(23 + t as u64, 19)).into_iter().enumerate() {
                let g = if let WeightDecay::Penalty(lambda) = decay { g + f64::from(lambda) * want[i] } else { g };
                if let WeightDecay::Decoupled(lambda) = decay {
                    want[i] -= 0.01 * f64::from(lambda) * want[i];
                }
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                let (m, v) = (m[i] / (1.0 - 0.9f64.powi(t)), v[i] / (1.0 - 0.999f64.powi(t)));
                want[i] -= 0.01 * m / (v.sqrt() + 1e-8);
            }
        }
        assert_close("fused", &run(ops::adam, decay), &want, 1e-6);
        assert_close("composed", &run(composed::adam, decay), &want, 1e-6);
    }
}

#[test]
fn adam_refuses_moments_of_another_size() {
    let mut p = tensor(1, (4usize,));
    let mut grads = (p.leaky_trace() * tensor(2, (4usize,))).sum::<(), _>().backward();
    let error = ops::adam(&mut p, &mut grads, &mut moments(3), step(1, WeightDecay::Penalty(0.0))).unwrap_err();
    assert_eq!(error.to_string(), "adam: first moment is 3, expected 4");
    let error = ops::adam(&mut p, &mut grads, &mut moments(4), step(0, WeightDecay::Penalty(0.0))).unwrap_err();
    assert!(error.to_string().contains("count from 1"), "{error}");
}
