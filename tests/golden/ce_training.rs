//! Collaborative Experts and its relatives: optimizers and schedules.

use std::num::NonZeroUsize;

use coembed::train::{AnyOptimizer, Optimizer, OptimizerConfig, RAdamConfig, RangerConfig, Schedule};
use dfdx::prelude::{Gradients, Tensor, TensorFromVec, Trace};

use crate::support::{Case, Dev};

struct Two {
    p0: Tensor<(usize, usize), f32, Dev>,
    p1: Tensor<(usize,), f32, Dev>,
}

impl coembed::blocks::Parameters<Dev> for Two {
    coembed::visit_fields! { Dev; p0: trained, p1: trained }
}

/// Gradients of the two parameters: those of `sum(p · g)`.
fn gradients(model: &Two, g0: Vec<f32>, g1: Vec<f32>) -> Gradients<f32, Dev> {
    use dfdx::prelude::{Backward, HasShape, SumTo};
    let device = Dev::default();
    let g0 = device.tensor_from_vec(g0, *model.p0.shape());
    let g1 = device.tensor_from_vec(g1, *model.p1.shape());
    let first = (model.p0.leaky_trace() * g0).sum::<(), _>();
    let second = (model.p1.leaky_trace() * g1).sum::<(), _>();
    (first + second).backward()
}

fn steps(name: &str, config: impl Fn(f32, f32) -> OptimizerConfig) {
    let case = Case::load("ce", name);
    let option = |key: &str| case.number(key) as f32;
    let mut optimizer: AnyOptimizer<Dev> =
        config(option("optimizer_lr"), option("optimizer_weight_decay")).build().unwrap();
    let device = Dev::default();
    let (shape, n) = (case.shape("input.p0"), case.shape("input.p1")[0]);
    let mut model = Two {
        p0: device.tensor_from_vec(case.f32("input.p0"), (shape[0], shape[1])),
        p1: device.tensor_from_vec(case.f32("input.p1"), (n,)),
    };
    let (all0, all1) = (case.f32("input.grads_p0"), case.f32("input.grads_p1"));
    let (mut after0, mut after1) = (vec![], vec![]);
    for (g0, g1) in all0.chunks(shape[0] * shape[1]).zip(all1.chunks(n)) {
        let gradients = gradients(&model, g0.to_vec(), g1.to_vec());
        optimizer.step(&mut model, gradients).unwrap();
        after0.extend(model.p0.as_vec());
        after1.extend(model.p1.as_vec());
    }
    case.compare_f32("output.p0_after_each_step", &after0);
    case.compare_f32("output.p1_after_each_step", &after1);
    case.finish();
}

pub fn optimizer_radam() {
    steps("optimizer_radam", |learning_rate, weight_decay| {
        OptimizerConfig::RAdam(RAdamConfig { learning_rate, weight_decay, ..RAdamConfig::default() })
    });
}

pub fn optimizer_ranger() {
    steps("optimizer_ranger", |learning_rate, weight_decay| {
        OptimizerConfig::Ranger(RangerConfig { learning_rate, weight_decay, ..RangerConfig::default() })
    });
}

/// The options of the schedules stand in words in the fixture:
/// `StepLR(EPOCHS, GAMMA) from RATE; cosine with restarts T_max=PERIOD T_mult=FACTOR eta_min=RATE from RATE`.
pub fn lr_schedules() {
    let case = Case::load("ce", "lr_schedules");
    let (steps, restarts) = case.meta("what").split_once(';').unwrap();
    let number = |text: &str, key: &str| -> f64 {
        let rest = &text[text.find(key).unwrap() + key.len()..];
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().unwrap()
    };
    let size = |text: &str, key: &str| NonZeroUsize::new(number(text, key) as usize).unwrap();
    let (first, restart_first) = (number(steps, "from "), number(restarts, "from "));
    let decay = Schedule::StepDecay { epochs: size(steps, "StepLR("), gamma: number(steps, ", ") };
    let cosine = Schedule::CosineRestarts {
        period: size(restarts, "T_max="),
        multiplier: size(restarts, "T_mult="),
        floor: number(restarts, "eta_min=") / restart_first,
    };
    for (name, rate, schedule) in
        [("output.step_lr", first, decay), ("output.cosine_restart_lr", restart_first, cosine)]
    {
        let epochs = case.shape(name)[0];
        let at = |epoch: usize| rate * f64::from(schedule.factor(epoch as f64, epochs));
        case.compare(name, &(0..epochs).map(at).collect::<Vec<_>>());
    }
    case.finish();
}
