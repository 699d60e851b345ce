use coembed::ops::{
    self, AdamMoments, AdamStep, MomentUpdate, OpError, Rectification, RectifiedStep, StepProjection, Unrectified,
    WeightDecay, composed,
};
use dfdx::prelude::ZerosTensor;

use crate::support::*;

type Step<R> =
    fn(&mut Plain<(usize,)>, &mut Gradients<f32, Dev>, &mut AdamMoments<Dev>, MomentUpdate) -> Result<R, OpError>;

fn step(number: u32, weight_decay: WeightDecay) -> AdamStep {
    AdamStep { number, learning_rate: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay }
}

fn moments(n: usize) -> AdamMoments<Dev> {
    let zeros = || Dev::default().zeros_like(&(n,));
    AdamMoments { first: zeros(), second: zeros() }
}

/// The parameter after so many steps, and what the steps returned.
fn run<R>(f: Step<R>, steps: u32, update: impl Fn(u32) -> MomentUpdate) -> (Vec<f32>, Vec<R>) {
    let (mut p, mut moments) = (tensor(22, (19usize,)), moments(19));
    let returned = (1..=steps).map(|number| {
        let mut grads = (p.leaky_trace() * tensor(23 + u64::from(number), (19usize,))).sum::<(), _>().backward();
        f(&mut p, &mut grads, &mut moments, update(number)).unwrap()
    });
    let returned = returned.collect();
    (p.as_vec(), returned)
}

fn gradient(number: u32) -> Vec<f64> {
    wide(&values(23 + u64::from(number), 19))
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
        let update = |number| step(number, decay).update().unwrap();
        assert_close("fused", &run(ops::moment_update, 3, update).0, &want, 1e-6);
        assert_close("composed", &run(composed::moment_update, 3, update).0, &want, 1e-6);
    }
}

#[test]
fn a_projected_step_is_the_same_step() {
    let update = |number| step(number, WeightDecay::Penalty(0.3)).update().unwrap();
    let (want, _) = run(ops::moment_update, 2, update);
    for (name, f) in [
        ("fused", ops::moment_update_projecting as Step<StepProjection>),
        ("composed", composed::moment_update_projecting),
    ] {
        let (got, projections) = run(f, 2, update);
        assert_close(name, &got, &wide(&want), 1e-6);
        let (before, after) = (run(ops::moment_update, 1, update).0, &want);
        let pairs = before.iter().zip(after).zip(gradient(2));
        let (mut squared_length, mut along) = (0.0, 0.0);
        for ((p, q), g) in pairs {
            let (p, q) = (f64::from(*p), f64::from(*q));
            squared_length += (q - p) * (q - p);
            along += (q - p) * (g + 0.3 * p);
        }
        let StepProjection { squared_length: got_length, along_gradient } = projections[1];
        assert!((got_length - squared_length).abs() < 1e-4 * squared_length, "{name}: {got_length} {squared_length}");
        assert!((along_gradient - along).abs() < 1e-4 * along.abs(), "{name}: {along_gradient} {along}");
    }
}

#[test]
fn rectified_adam_follows_its_formula() {
    let kinds = [
        (Rectification::AboveFour, Unrectified::Momentum, 5),
        (Rectification::AtLeastFive, Unrectified::Momentum, 6),
        (Rectification::AboveFive, Unrectified::Still, 6),
    ];
    for (rectification, unrectified, adaptive_from) in kinds {
        let (mut want, mut m, mut v) = (wide(&values(22, 19)), vec![0.0; 19], vec![0.0; 19]);
        for t in 1..=8u32 {
            let (power1, power2) = (0.95f64.powi(t as i32), 0.999f64.powi(t as i32));
            let (longest, t) = (1999.0, f64::from(t));
            let n = longest - 2.0 * t * power2 / (1.0 - power2);
            let rho = ((1.0 - power2) * (n - 4.0) / (longest - 4.0) * (n - 2.0) / n * longest / (longest - 2.0)).sqrt();
            for (i, g) in gradient(t as u32).into_iter().enumerate() {
                m[i] = 0.95 * m[i] + 0.05 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                want[i] -= 0.01 * 0.3 * want[i];
                if t as u32 >= adaptive_from {
                    want[i] -= 0.01 * rho / (1.0 - power1) * m[i] / (v[i].sqrt() + 1e-5);
                } else if unrectified == Unrectified::Momentum {
                    want[i] -= 0.01 / (1.0 - power1) * m[i];
                }
            }
        }
        let update = |number| {
            let (learning_rate, weight_decay) = (0.01, 0.3);
            let (beta1, beta2, eps) = (0.95, 0.999, 1e-5);
            let step =
                RectifiedStep { number, learning_rate, beta1, beta2, eps, weight_decay, rectification, unrectified };
            let update = step.update().unwrap();
            assert_eq!(update.eps.is_some(), number >= adaptive_from, "{rectification:?} at step {number}");
            update
        };
        assert_close("fused", &run(ops::moment_update, 8, update).0, &want, 2e-6);
        assert_close("composed", &run(composed::moment_update, 8, update).0, &want, 2e-6);
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
