//! Every optimizer against a naive f64 loop, and stopped and restored in the middle of a run.

use std::num::NonZeroU32;

use coembed::blocks::Parameters;
use coembed::ops::WeightDecay;
use coembed::train::{
    Adam, AdamConfig, AnyOptimizer, Checkpoint, LookAhead, Optimizer, OptimizerConfig, ParameterGroup, RAdamConfig,
    RangerConfig, RestoreError, Sgd, SgdConfig, StateValues, Swats, SwatsConfig, state_dict,
};
use dfdx::prelude::{Backward, Cpu, Gradients, HasShape, SumTo, Tensor, TensorFromVec, Trace};

const N: usize = 7;

/// Two parameters of different shapes, `a` and `b`.
#[derive(Clone)]
struct Model {
    a: Tensor<(usize,), f32, Cpu>,
    b: Tensor<(usize, usize), f32, Cpu>,
}

impl Parameters<Cpu> for Model {
    coembed::visit_fields! { Cpu; a: trained, b: trained }
}

/// Reproducible numbers in [-1, 1).
fn values(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

impl Model {
    fn new() -> Self {
        let device = Cpu::default();
        Self { a: device.tensor_from_vec(values(1, N), (N,)), b: device.tensor_from_vec(values(2, 6), (2, 3)) }
    }

    fn gradients(&self, step: u64) -> Gradients<f32, Cpu> {
        let device = Cpu::default();
        let ga = device.tensor_from_vec(values(100 + step, N), (N,));
        let gb = device.tensor_from_vec(values(200 + step, 6), *self.b.shape());
        let a = (self.a.leaky_trace() * ga).sum::<(), _>();
        let b = (self.b.leaky_trace() * gb).sum::<(), _>();
        (a + b).backward()
    }
}

fn look_ahead(steps: u32, alpha: f32) -> LookAhead {
    LookAhead { steps: NonZeroU32::new(steps).unwrap(), alpha }
}

fn configs() -> Vec<OptimizerConfig> {
    let groups = vec![ParameterGroup { pattern: "b".into(), learning_rate: Some(0.3), ..Default::default() }];
    vec![
        OptimizerConfig::Sgd(SgdConfig { learning_rate: 0.01, momentum: 0.9, groups: groups.clone() }),
        OptimizerConfig::Adam(AdamConfig {
            learning_rate: 0.05,
            weight_decay: WeightDecay::Penalty(0.1),
            warm_up: 4,
            groups: groups.clone(),
            ..AdamConfig::default()
        }),
        OptimizerConfig::RAdam(RAdamConfig {
            learning_rate: 0.05,
            weight_decay: 0.1,
            groups: groups.clone(),
            ..RAdamConfig::default()
        }),
        OptimizerConfig::Ranger(RangerConfig {
            learning_rate: 0.05,
            weight_decay: 0.1,
            look_ahead: look_ahead(3, 0.25),
            groups: groups.clone(),
            ..RangerConfig::default()
        }),
        // Switches at the second step, whatever the gradients are, unless the scale is negative.
        OptimizerConfig::Swats(SwatsConfig {
            learning_rate: 0.05,
            weight_decay: 0.1,
            tolerance: 1e9,
            groups,
            ..SwatsConfig::default()
        }),
        OptimizerConfig::Swats(SwatsConfig { learning_rate: 0.05, ..SwatsConfig::default() }),
    ]
}

/// The published formulas, one value after the other, for the parameter of that many values.
fn naive(config: &OptimizerConfig, start: Vec<f32>, gradient_seed: u64, group: bool, steps: u64) -> Vec<f64> {
    let n = start.len();
    let mut p: Vec<f64> = start.into_iter().map(f64::from).collect();
    let (mut m, mut v, mut slow) = (vec![0.0; n], vec![0.0; n], p.clone());
    let rate = |own: f32| f64::from(if group { 0.3 } else { own });
    for t in 1..=steps {
        let gradient: Vec<f64> = values(gradient_seed + t, n).into_iter().map(f64::from).collect();
        let tf = t as f64;
        for i in 0..n {
            let mut g = gradient[i];
            match config {
                OptimizerConfig::Sgd(c) => {
                    m[i] = f64::from(c.momentum) * m[i] + g;
                    p[i] -= rate(c.learning_rate) * m[i];
                }
                OptimizerConfig::Adam(c) => {
                    let lr = rate(c.learning_rate) * (tf / f64::from(c.warm_up)).min(1.0);
                    if let WeightDecay::Penalty(lambda) = c.weight_decay {
                        g += f64::from(lambda) * p[i];
                    }
                    m[i] = c.beta1 * m[i] + (1.0 - c.beta1) * g;
                    v[i] = c.beta2 * v[i] + (1.0 - c.beta2) * g * g;
                    let (mean, square) = (m[i] / (1.0 - c.beta1.powf(tf)), v[i] / (1.0 - c.beta2.powf(tf)));
                    p[i] -= lr * mean / (square.sqrt() + f64::from(c.eps));
                }
                OptimizerConfig::RAdam(c) => {
                    let lr = rate(c.learning_rate);
                    let by = (lr, f64::from(c.weight_decay), c.beta1, c.beta2, f64::from(c.eps));
                    rectified(by, tf, t >= 6, &mut p[i], g, &mut m[i], &mut v[i]);
                }
                OptimizerConfig::Ranger(c) => {
                    let lr = rate(c.learning_rate);
                    let by = (lr, f64::from(c.weight_decay), c.beta1, c.beta2, f64::from(c.eps));
                    rectified(by, tf, t >= 6, &mut p[i], g, &mut m[i], &mut v[i]);
                    if t.is_multiple_of(u64::from(c.look_ahead.steps.get())) {
                        slow[i] += f64::from(c.look_ahead.alpha) * (p[i] - slow[i]);
                        p[i] = slow[i];
                    }
                }
                OptimizerConfig::Swats(_) => unreachable!("has a test of its own"),
            }
        }
    }
    p
}

fn rectified(
    (lr, decay, beta1, beta2, eps): (f64, f64, f64, f64, f64),
    t: f64,
    adaptive: bool,
    p: &mut f64,
    g: f64,
    m: &mut f64,
    v: &mut f64,
) {
    *m = beta1 * *m + (1.0 - beta1) * g;
    *v = beta2 * *v + (1.0 - beta2) * g * g;
    let longest = 2.0 / (1.0 - beta2) - 1.0;
    let n = longest - 2.0 * t * beta2.powf(t) / (1.0 - beta2.powf(t));
    *p -= decay * lr * *p;
    if adaptive {
        let rho = (1.0 - beta2.powf(t)) * (n - 4.0) / (longest - 4.0) * (n - 2.0) / n * longest / (longest - 2.0);
        *p -= lr * rho.sqrt() / (1.0 - beta1.powf(t)) * *m / (v.sqrt() + eps);
    } else {
        *p -= lr * *m / (1.0 - beta1.powf(t));
    }
}

fn assert_close(what: &str, got: &[f32], want: &[f64]) {
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(*g) - w).abs() < 2e-5, "{what} [{i}]: got {g}, want {w}");
    }
}

#[test]
fn every_optimizer_follows_its_formulas() {
    for config in configs().into_iter().filter(|config| !matches!(config, OptimizerConfig::Swats(_))) {
        let (mut model, mut optimizer) = (Model::new(), config.build::<Cpu>().unwrap());
        for step in 1..=13 {
            let gradients = model.gradients(step);
            optimizer.step(&mut model, gradients).unwrap();
        }
        assert_close(&format!("{config:?} a"), &model.a.as_vec(), &naive(&config, values(1, N), 100, false, 13));
        assert_close(&format!("{config:?} b"), &model.b.as_vec(), &naive(&config, values(2, 6), 200, true, 13));
    }
}

/// SWATS by its algorithm, tensor by tensor in the order of the model.
fn naive_swats(config: &SwatsConfig, steps: u64) -> (Vec<Vec<f64>>, Option<f64>) {
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    let mut parameters = [wide(values(1, N)), wide(values(2, 6))];
    let mut m = [vec![0.0; N], vec![0.0; 6]];
    let mut v = m.clone();
    let (mut scale, mut switched, mut sgd_rate) = ([0.0; 2], [false; 2], None);
    let (beta1, beta2) = (config.beta1, config.beta2);
    for t in 1..=steps {
        for k in 0..2 {
            let mut g = wide(values(100 * (k as u64 + 1) + t, parameters[k].len()));
            for (g, p) in g.iter_mut().zip(&parameters[k]) {
                *g += f64::from(config.weight_decay) * p;
            }
            if let Some(rate) = sgd_rate {
                for i in 0..g.len() {
                    m[k][i] = if switched[k] { beta1 * m[k][i] + g[i] } else { g[i] };
                    parameters[k][i] -= (1.0 - beta1) * rate * m[k][i];
                }
                switched[k] = true;
                continue;
            }
            let own = if k == 1 { config.groups.first().and_then(|group| group.learning_rate) } else { None };
            let (lr, tf) = (f64::from(own.unwrap_or(config.learning_rate)), t as f64);
            let (mut length, mut along) = (0.0, 0.0);
            for i in 0..g.len() {
                m[k][i] = beta1 * m[k][i] + (1.0 - beta1) * g[i];
                v[k][i] = beta2 * v[k][i] + (1.0 - beta2) * g[i] * g[i];
                let root = (v[k][i] / (1.0 - beta2.powf(tf))).sqrt();
                let step = -lr * m[k][i] / (1.0 - beta1.powf(tf)) / (root + f64::from(config.eps));
                parameters[k][i] += step;
                length += step * step;
                along += step * g[i];
            }
            let gamma = length / -along;
            scale[k] = beta2 * scale[k] + (1.0 - beta2) * gamma;
            let mean = scale[k] / (1.0 - beta2.powf(tf));
            if t > 1 && mean > 0.0 && (mean - gamma).abs() <= 1e-8 + config.tolerance * gamma.abs() {
                sgd_rate = Some(mean);
            }
        }
    }
    (parameters.to_vec(), sgd_rate)
}

#[test]
fn swats_switches_from_adam_to_gradient_descent() {
    let mut switched = 0;
    for config in configs() {
        let OptimizerConfig::Swats(config) = config else { continue };
        let (mut model, mut optimizer) = (Model::new(), Swats::<Cpu>::new(config.clone()));
        for step in 1..=6 {
            let gradients = model.gradients(step);
            optimizer.step(&mut model, gradients).unwrap();
        }
        let (want, rate) = naive_swats(&config, 6);
        assert_close("a", &model.a.as_vec(), &want[0]);
        assert_close("b", &model.b.as_vec(), &want[1]);
        assert_eq!(optimizer.rule().sgd_rate().is_some(), rate.is_some());
        switched += usize::from(rate.is_some());
    }
    assert_eq!(switched, 1, "one configuration should switch, the other should not");
}

#[test]
fn a_restored_optimizer_goes_on_to_the_same_bits() {
    for config in configs() {
        for stop in [0, 1, 2, 3, 7] {
            let run = |stop: Option<u64>| {
                let (mut model, mut optimizer) = (Model::new(), config.build::<Cpu>().unwrap());
                for step in 1..=10 {
                    if Some(step - 1) == stop {
                        let (state, saved) = (optimizer.state().unwrap(), state_dict(&model).unwrap());
                        let checkpoint = Checkpoint { model: saved, optimizer: state, ..Checkpoint::default() };
                        let folder = tempfile::tempdir().unwrap();
                        let path = folder.path().join("a.safetensors");
                        checkpoint.save(&path).unwrap();
                        let read = Checkpoint::open(&path).unwrap();
                        (model, optimizer) = (Model::new(), config.build().unwrap());
                        assert!(coembed::train::load(&mut model, &read.model).unwrap().is_complete());
                        optimizer.restore(&Cpu::default(), &model, read.optimizer).unwrap();
                    }
                    optimizer.set_rate_factor(0.9_f32.powi(step as i32));
                    let gradients = model.gradients(step);
                    optimizer.step(&mut model, gradients).unwrap();
                }
                (state_dict(&model).unwrap(), optimizer.state().unwrap())
            };
            assert!(run(Some(stop)) == run(None), "{config:?} stopped after {stop} steps");
        }
    }
}

#[test]
fn a_frozen_group_stays_and_so_does_a_parameter_without_a_gradient() {
    for mut config in configs() {
        let frozen = vec![ParameterGroup { pattern: "b*".into(), frozen: true, ..Default::default() }];
        match &mut config {
            OptimizerConfig::Sgd(c) => c.groups = frozen,
            OptimizerConfig::Adam(c) => c.groups = frozen,
            OptimizerConfig::RAdam(c) => c.groups = frozen,
            OptimizerConfig::Ranger(c) => c.groups = frozen,
            OptimizerConfig::Swats(c) => c.groups = frozen,
        }
        let (mut model, mut optimizer) = (Model::new(), config.build::<Cpu>().unwrap());
        let gradients = model.gradients(1);
        optimizer.step(&mut model, gradients).unwrap();
        assert_eq!(model.b.as_vec(), values(2, 6));
        assert_ne!(model.a.as_vec(), values(1, N));
    }
    // With momentum and weight decay a zero gradient would move them; PyTorch leaves them, and their step counts, alone.
    for config in configs() {
        let (mut model, mut optimizer) = (Model::new(), config.build::<Cpu>().unwrap());
        let gradients = model.gradients(1);
        optimizer.step(&mut model, gradients).unwrap();
        let (before, state) = (state_dict(&model).unwrap(), optimizer.state().unwrap());
        optimizer.step(&mut model, Gradients::leaky()).unwrap();
        assert!(state_dict(&model).unwrap() == before && optimizer.state().unwrap() == state, "{config:?}");
        // One of two: the other one alone moves.
        let only_a = model.a.leaky_trace().square().sum::<(), _>().backward();
        optimizer.step(&mut model, only_a).unwrap();
        let after = state_dict(&model).unwrap();
        assert!(after["a"] != before["a"] && after["b"] == before["b"], "{config:?}");
        let steps = |name: &str| optimizer.state().unwrap()[&format!("{name}.steps")].values.clone();
        assert_eq!((steps("a"), steps("b")), (StateValues::I64(vec![2]), StateValues::I64(vec![1])));
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused_and_changes_nothing() {
    let configs = configs();
    let stepped = |config: &OptimizerConfig| {
        let (mut model, mut optimizer) = (Model::new(), config.build::<Cpu>().unwrap());
        let gradients = model.gradients(1);
        optimizer.step(&mut model, gradients).unwrap();
        optimizer
    };
    let restore = |optimizer: &mut AnyOptimizer<Cpu>, state| optimizer.restore(&Cpu::default(), &Model::new(), state);
    let mut adam = stepped(&configs[1]);
    let before = adam.state().unwrap();
    let error = restore(&mut adam, stepped(&configs[3]).state().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "optimizer state: unexpected entry a.slow_weights");
    let mut state = before.clone();
    state.remove("b.second_moment").unwrap();
    let error = restore(&mut adam, state).unwrap_err();
    assert_eq!(error.to_string(), "optimizer state: there is no entry b.second_moment");
    let mut state = before.clone();
    let entry = state.remove("a.steps").unwrap();
    state.insert("a.first_moment".into(), entry);
    assert!(matches!(restore(&mut adam, state), Err(RestoreError::Missing { .. })));
    for (entry, from) in
        [("a.first_moment", "a.steps"), ("a.steps", "a.first_moment"), ("a.first_moment", "b.first_moment")]
    {
        let mut state = before.clone();
        state.insert(entry.into(), before[from].clone());
        assert!(matches!(restore(&mut adam, state), Err(RestoreError::Mismatch { .. })), "{entry} from {from}");
    }
    assert!(adam.state().unwrap() == before);
}

#[test]
fn optimizers_are_named_in_configurations_and_checked() {
    let read = |text: &str| ron::from_str::<OptimizerConfig>(text);
    let ranger = read("Ranger((learning_rate: 0.1, weight_decay: 0.001))").unwrap();
    let want = RangerConfig { learning_rate: 0.1, weight_decay: 0.001, ..RangerConfig::default() };
    assert_eq!(ranger, OptimizerConfig::Ranger(want));
    for config in configs() {
        assert_eq!(read(&ron::to_string(&config).unwrap()).unwrap(), config);
    }
    let bad = [
        "Ranger((learning_rat: 0.1))",
        "Lion(())",
        "Ranger((look_ahead: (steps: 0)))",
        "Adam((weight_decay: Both(0.1)))",
    ];
    for text in bad {
        assert!(read(text).is_err(), "{text}");
    }
    let out_of_range = [
        ("Adam((beta2: 1.0))", "optimizer: beta2 is 1, expected at least 0 and below 1"),
        ("Sgd((learning_rate: -1.0))", "optimizer: learning_rate is -1, expected a finite number, at least 0"),
        (
            "Sgd((groups: [(pattern: \"*bias\", weight_decay: Some(0.1))]))",
            "optimizer: groups.weight_decay is 0.10000000149011612, expected 0: this optimizer has no weight decay",
        ),
        ("RAdam((eps: 0.0))", "optimizer: eps is 0, expected a finite number above 0"),
        ("Ranger((look_ahead: (alpha: 2.0)))", "optimizer: look_ahead.alpha is 2, expected between 0 and 1"),
    ];
    for (text, message) in out_of_range {
        assert_eq!(read(text).unwrap().build::<Cpu>().unwrap_err().to_string(), message);
    }
}

/// Those that no `build` has checked, too: a step with a number that is none would spoil every parameter.
#[test]
fn steps_with_numbers_that_are_none_are_refused_by_name() {
    let refused = |mut optimizer: AnyOptimizer<Cpu>, factor: f32| {
        let mut model = Model::new();
        let gradients = model.gradients(1);
        optimizer.set_rate_factor(factor);
        let error = optimizer.step(&mut model, gradients).unwrap_err().to_string();
        assert_eq!(model.a.as_vec(), values(1, N));
        error
    };
    let sgd =
        |learning_rate, momentum| AnyOptimizer::Sgd(Sgd::new(SgdConfig { learning_rate, momentum, groups: vec![] }));
    let adam = |change: fn(&mut AdamConfig)| {
        let mut config = AdamConfig::default();
        change(&mut config);
        AnyOptimizer::Adam(Adam::new(config))
    };
    assert_eq!(refused(sgd(f32::NAN, 0.9), 1.0), "sgd: the learning rate is not a finite number");
    assert_eq!(refused(sgd(0.1, 0.9), f32::NAN), "sgd: the learning rate is not a finite number");
    assert_eq!(refused(sgd(0.1, f32::INFINITY), 1.0), "sgd: the momentum is not a finite number");
    assert_eq!(
        refused(adam(|c| c.learning_rate = f32::INFINITY), 1.0),
        "adam: the learning rate is not a finite number"
    );
    assert_eq!(refused(adam(|c| c.beta1 = f64::NAN), 1.0), "adam: beta1 is not at least 0 and below 1");
    assert_eq!(refused(adam(|c| c.beta2 = 1.0), 1.0), "adam: beta2 is not at least 0 and below 1");
    assert_eq!(refused(adam(|c| c.eps = f32::NAN), 1.0), "adam: eps is not a finite number of at least 0");
    let decay = adam(|c| c.weight_decay = WeightDecay::Decoupled(f32::NAN));
    assert_eq!(refused(decay, 1.0), "adam: the weight decay is not a finite number");
}
