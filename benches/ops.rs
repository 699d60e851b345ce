//! Forward and backward of every operation that trains something, at one size each, with optimiser steps at the end. Throughput is in
//! elements of the first input (of the parameter, for optimisers).

#[path = "common/inputs.rs"]
mod inputs;

use std::hint::black_box;
use std::time::Duration;

use coembed::ops::{self, AdamMoments, AdamStep, AttentionOptions, OpError, Reduction, WeightDecay};
use coembed::ops::{Conv1dSteps, EmptyRows, LossReduction, MarginTerms, RandomStream, TieGradient};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dfdx::prelude::{
    Axes3, Axis, Backward, Cpu, HasShape, OwnedTape, Shape, SplitTape, Tensor, TensorFromVec, Trace, ZerosTensor,
};

type Plain<S> = Tensor<S, f32, Cpu>;
type Traced<S> = Tensor<S, f32, Cpu, OwnedTape<f32, Cpu>>;

/// Tokens of a batch, and their width.
const TOKENS: (usize, usize) = (2048, 512);
/// The same tokens as sequences.
const SEQUENCES: (usize, usize, usize) = (64, 32, 512);
/// Pairs of a batch of a contrastive loss.
const SQUARE: (usize, usize) = (1024, 1024);

fn tensor<S: Shape>(seed: u32, shape: S) -> Plain<S> {
    Cpu::default().tensor_from_vec(inputs::values(seed, shape.num_elements(), 2.0), shape)
}

/// Ones for the first three quarters of every sequence, zeros behind.
fn mask() -> Plain<(usize, usize)> {
    let (batch, steps, _) = SEQUENCES;
    let valid = (0..batch * steps).map(|i| f32::from(u8::from(i % steps < steps * 3 / 4))).collect();
    Cpu::default().tensor_from_vec(valid, (batch, steps))
}

fn bench(c: &mut Criterion, name: &str, elements: usize, mut run: impl FnMut()) {
    let mut group = c.benchmark_group("ops");
    group.throughput(Throughput::Elements(elements as u64));
    group.bench_function(name, |b| b.iter(&mut run));
    group.finish();
}

/// Forward, mean squared error, backward. That loss is part of the time: two passes over the result.
fn op<S: Shape, O: Shape>(
    c: &mut Criterion,
    name: &str,
    x: &Plain<S>,
    forward: impl Fn(Traced<S>) -> Result<Traced<O>, OpError>,
) {
    let target = Cpu::default().zeros_like(forward(x.leaky_trace()).unwrap().shape());
    bench(c, name, x.shape().num_elements(), || {
        let y = forward(x.leaky_trace()).unwrap();
        black_box(ops::mean_squared_error(y, &target).unwrap().backward());
    });
}

fn products(c: &mut Criterion) {
    let (x, other, bias) = (tensor(1, (512, 512)), tensor(2, (512, 512)), tensor(3, (512,)));
    op(c, "linear", &x, |x| ops::linear(x, &other, Some(&bias)));
    op(c, "matmul", &x, |x| ops::matmul(x, other.clone()));

    let (sequences, key, value) = (tensor(1, SEQUENCES), tensor(2, SEQUENCES), tensor(3, SEQUENCES));
    let valid = mask();
    for (name, keys) in [("attention", None), ("attention_key_mask", Some(&valid))] {
        let options = AttentionOptions { keys, ..AttentionOptions::new(8) };
        op(c, name, &sequences, |x| ops::attention(x, key.clone(), value.clone(), &options));
    }
    let (signal, filters) = (tensor(1, (32, 128, 64)), tensor(2, (128, 128, 3)));
    let steps = Conv1dSteps { stride: 1, padding: 1 };
    op(c, "conv1d", &signal, |x| ops::conv1d(x, &filters, None, steps));
    // Pictures get no gradient.
    let (pictures, filters) = (tensor(1, (2, 3, 224, 224)), tensor(2, (384, 3, 16, 16)));
    op(c, "patch_embedding", &pictures, |x| ops::patch_embedding(ops::data(x.split_tape().0), &filters, None));
    let (table, tokens) = (tensor(1, (8192, 256)), inputs::values(4, 4096, 1.0));
    let tokens: Vec<usize> = tokens.iter().map(|x| ((x + 0.5) * 8192.0) as usize).collect();
    op(c, "embedding", &table, |table| ops::embedding(table, &tokens, (4096, 256), None));
}

fn activations(c: &mut Criterion) {
    let (x, other) = (tensor(1, TOKENS), tensor(2, TOKENS));
    op(c, "gelu", &x, ops::gelu);
    op(c, "quick_gelu", &x, ops::quick_gelu);
    op(c, "relu", &x, ops::relu);
    op(c, "mish", &x, ops::mish);
    op(c, "sigmoid_gate", &x, |x| ops::sigmoid_gate(x, other.clone()));
    op(c, "dropout", &x, |x| ops::dropout(x, 0.1, Some(RandomStream { seed: 1, offset: 0 })));
    op(c, "add", &x, |x| ops::add(x, other.clone()));
    op(c, "scale", &x, |x| ops::scale(x, 0.5));
}

fn rows(c: &mut Criterion) {
    let (x, scale, shift) = (tensor(1, TOKENS), tensor(2, (TOKENS.1,)), tensor(3, (TOKENS.1,)));
    op(c, "softmax", &x, ops::softmax);
    op(c, "log_softmax", &x, ops::log_softmax);
    op(c, "layer_norm", &x, |x| ops::layer_norm(x, &scale, &shift, 1e-5));
    op(c, "batch_norm_train", &x, |x| ops::batch_norm_train(x, 1, &scale, &shift, 1e-5).map(|(y, _)| y));
    op(c, "l2_normalize", &x, |x| ops::l2_normalize(x, ops::NORM_EPS));
}

fn arrangements(c: &mut Criterion) {
    let (x, sequences, valid) = (tensor(1, TOKENS), tensor(1, SEQUENCES), mask());
    let max = Reduction::Max(TieGradient::First);
    for (name, reduction) in [("reduce_sum", Reduction::Sum), ("reduce_max", max)] {
        op(c, name, &sequences, |x| ops::reduce(x, Axis::<1>, reduction));
    }
    for (name, reduction) in [("masked_reduce_mean", Reduction::Mean), ("masked_reduce_max", max)] {
        op(c, name, &sequences, |x| ops::masked_reduce(x, &valid, reduction, EmptyRows::Value(0.0)));
    }
    op(c, "permute", &sequences, |x| ops::permute::<_, (usize, usize, usize), _, _, _>(x, Axes3::<0, 2, 1>));
    let other = tensor(2, TOKENS);
    op(c, "concat", &x, |x| ops::concat(vec![x, other.leaky_trace()], 2 * TOKENS.1));
}

fn losses(c: &mut Criterion) {
    let (scores, x, other) = (tensor(1, SQUARE), tensor(1, TOKENS), tensor(2, TOKENS));
    op(c, "symmetric_cross_entropy", &scores, ops::symmetric_cross_entropy);
    op(c, "max_margin", &scores, |x| ops::max_margin(x, 0.2, MarginTerms::NonMatching));
    op(c, "smooth_l1", &x, |x| ops::smooth_l1(x, other.clone(), 1.0, LossReduction::Mean));
    op(c, "mean_squared_error", &x, |x| ops::mean_squared_error(x, &other));
    op(c, "row_cosine", &x, |x| ops::row_cosine(x, other.clone(), ops::NORM_EPS));
    op(c, "row_squared_distance", &x, |x| ops::row_squared_distance(x, other.clone()));
    let n = (TOKENS.0 * TOKENS.1,);
    let (margins, small, large) = (tensor(1, n), tensor(2, n), tensor(3, n));
    op(c, "hinge", &small, |small| ops::hinge(&margins, small, large.clone()));
}

fn optimisers(c: &mut Criterion) {
    let n = TOKENS.0 * TOKENS.1;
    let zeros = || Cpu::default().zeros_like(&(n,));
    let mut parameter = tensor(1, TOKENS);
    let target = tensor(2, TOKENS);
    let mut gradients = ops::mean_squared_error(parameter.leaky_trace(), &target).unwrap().backward();
    let mut moments = AdamMoments { first: zeros(), second: zeros() };
    let weight_decay = WeightDecay::Decoupled(0.01);
    let step = AdamStep { number: 1, learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay };
    bench(c, "adam", n, || ops::adam(&mut parameter, &mut gradients, &mut moments, step).unwrap());
    let mut velocity = zeros();
    bench(c, "sgd_momentum", n, || {
        ops::sgd_momentum(&mut parameter, &mut gradients, &mut velocity, 1e-3, 0.9).unwrap();
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = products, activations, rows, arrangements, losses, optimisers
}
criterion_main!(benches);
