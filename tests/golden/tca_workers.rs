//! Temporal Context Aggregation: what several workers share and combine.

use std::num::NonZeroUsize;

use coembed::ops::WeightDecay;
use coembed::train::distributed::{
    self, Accumulation, DistributedSampler, Mt19937, adasum, average_f16, compress_f16, sum_f16, torch_permutation,
};
use coembed::train::{AdamConfig, AnyOptimizer, Optimizer, OptimizerConfig};
use dfdx::prelude::{Gradients, HasShape, SumTo, Tensor, TensorFromVec, Trace};

use crate::support::{Case, Dev};

/// Names of tensors within `input.w<n>.`, and the tensors of the n workers.
fn tensors(case: &Case) -> Vec<(String, Vec<Vec<f32>>)> {
    let names = case
        .names("input.w")
        .into_iter()
        .filter_map(|name| Some(name.strip_prefix("input.")?.strip_suffix(".rank0")?.to_string()));
    let of = |name: &String| case.names(&format!("input.{name}.rank")).iter().map(|rank| case.f32(rank)).collect();
    names.map(|name| (name.clone(), of(&name))).collect()
}

fn views<T>(tensors: &[Vec<T>]) -> Vec<&[T]> {
    tensors.iter().map(Vec::as_slice).collect()
}

struct One {
    parameter: Tensor<(usize, usize), f32, Dev>,
}

impl coembed::blocks::Parameters<Dev> for One {
    coembed::visit_fields! { Dev; parameter: trained }
}

/// What the first step of Adam with a gradient adds to a parameter.
fn adam_delta(case: &Case, name: &str, rank: usize) -> Vec<f32> {
    let (before, gradient) = (case.f32(&format!("{name}.param")), case.f32(&format!("{name}.grad_rank{rank}")));
    let shape = case.shape(&format!("{name}.param"));
    let device = Dev::default();
    let mut model = One { parameter: device.tensor_from_vec(before.clone(), (shape[0], shape[1])) };
    let config = AdamConfig {
        learning_rate: case.number("lr") as f32,
        weight_decay: WeightDecay::Penalty(case.number("weight_decay") as f32),
        ..AdamConfig::default()
    };
    let mut optimizer: AnyOptimizer<Dev> = OptimizerConfig::Adam(config).build().unwrap();
    let gradients: Gradients<f32, Dev> = {
        use dfdx::prelude::Backward;
        let gradient = device.tensor_from_vec(gradient, *model.parameter.shape());
        (model.parameter.leaky_trace() * gradient).sum::<(), _>().backward()
    };
    optimizer.step(&mut model, gradients).unwrap();
    model.parameter.as_vec().into_iter().zip(before).map(|(after, before)| after - before).collect()
}

pub fn adasum_pair() {
    let case = Case::load("tca", "adasum_pair");
    for (name, workers) in tensors(&case) {
        let exact: Vec<Vec<f64>> =
            workers.iter().map(|tensor| tensor.iter().map(|v| f64::from(*v)).collect()).collect();
        case.compare_f32(&format!("output.{name}"), &adasum(&views(&workers)).unwrap());
        case.compare(&format!("output.{name}_f64"), &adasum(&views(&exact)).unwrap());
        for level in case.names(&format!("output.{name}.level1_ranks")) {
            let ranks: Vec<usize> = level.bytes().rev().take(2).map(|digit| usize::from(digit - b'0')).collect();
            case.compare_f32(&level, &distributed::adasum_pair(&workers[ranks[1]], &workers[ranks[0]]).unwrap());
        }
    }
    for name in case.names("input.step_w").iter().filter_map(|name| name.strip_suffix(".param")) {
        let workers = case.names(&format!("{name}.grad_rank")).len();
        let deltas: Vec<Vec<f32>> = (0..workers).map(|rank| adam_delta(&case, name, rank)).collect();
        let combined = adasum(&views(&deltas)).unwrap();
        let output = name.replace("input.", "output.");
        case.compare_f32(&format!("{output}.delta"), &combined);
        let after: Vec<f32> =
            case.f32(&format!("{name}.param")).iter().zip(combined).map(|(before, delta)| before + delta).collect();
        case.compare_f32(&format!("{output}.param_after"), &after);
    }
    case.finish();
}

/// Bits are compared, but of NaN only that it is one.
fn compare_bits(case: &Case, name: &str, got: &[f32]) {
    let bits = |values: &[f32]| {
        let bits = values.iter().map(|value| if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() });
        bits.collect::<Vec<_>>()
    };
    assert_eq!(bits(got), bits(&case.f32(name)), "{name}");
    case.compare_f32(name, got);
}

pub fn fp16_allreduce() {
    let case = Case::load("tca", "fp16_allreduce");
    for (name, workers) in tensors(&case) {
        for (rank, tensor) in workers.iter().enumerate() {
            compare_bits(&case, &format!("output.{name}.compressed_rank{rank}"), &compress_f16(tensor));
        }
        let (workers, output) = (views(&workers), format!("output.{name}"));
        compare_bits(&case, &format!("{output}.sum_f16"), &sum_f16(&workers, Accumulation::Half).unwrap());
        compare_bits(&case, &format!("{output}.average"), &average_f16(&workers, Accumulation::Half).unwrap());
        let single = average_f16(&workers, Accumulation::Single).unwrap();
        compare_bits(&case, &format!("{output}.average_f32_accumulation"), &single);
    }
    case.finish();
}

pub fn distributed_sampler() {
    let case = Case::load("tca", "distributed_sampler");
    let numbers = |name: &str| case.i64(name).into_iter().map(|n| n as usize).collect::<Vec<_>>();
    let as_f64 = |indices: Vec<usize>| indices.into_iter().map(|index| index as f64).collect::<Vec<_>>();
    for name in case.names("input.case").iter().filter_map(|name| name.strip_suffix(".items_workers_batch")) {
        let sizes = numbers(&format!("{name}.items_workers_batch"));
        let (items, workers, batch) = (sizes[0], sizes[1], NonZeroUsize::new(sizes[2]).unwrap());
        let of = |rank| DistributedSampler::new(items, workers, rank, 0).unwrap();
        let epochs = case.i64(&format!("{name}.epochs"));
        let indices =
            epochs.iter().flat_map(|&epoch| (0..workers).flat_map(move |rank| of(rank).indices(epoch as u64)));
        let output = name.replace("input.", "output.");
        case.compare(&format!("{output}.indices"), &as_f64(indices.collect()));
        case.compare(&format!("{output}.steps_per_epoch"), &[of(0).full_batches(batch) as f64]);
    }
    for name in case.names("input.perm").iter().filter_map(|name| name.strip_suffix(".n_seed")) {
        let sizes = case.i64(&format!("{name}.n_seed"));
        let order = torch_permutation(sizes[0] as usize, sizes[1] as u64).unwrap();
        case.compare(&name.replace("input.", "output."), &as_f64(order));
    }
    let full = numbers("input.full.items_workers_epoch");
    let indices = DistributedSampler::new(full[0], full[1], 0, 0).unwrap().indices(full[2] as u64);
    let ends = [&indices[..32], &indices[indices.len() - 32..]].concat();
    case.compare("output.full.first32_last32", &as_f64(ends));
    let mut draws = Mt19937::new(case.i64("input.perm0.n_seed")[1] as u64);
    let first: Vec<f64> = (0..10).map(|_| f64::from(draws.next_u32())).collect();
    case.compare("output.mt19937_first_10_of_perm0_seed", &first);
    case.finish();
}
