//! Every vectorised operation on every set of instructions that this machine has.

use dfdx::prelude::{
    Const, Cpu, Gradients, HasShape, OwnedTape, ReshapeTo, Shape, SumTo, Tensor, TensorFromVec, Trace,
};

use crate::ops::{self, AdamMoments, AttentionOptions, MomentUpdate, RandomStream};
use crate::processor::tests::on_every_path;

type Plain<S> = Tensor<S, f32, Cpu>;
type Traced<S> = Tensor<S, f32, Cpu, OwnedTape<f32, Cpu>>;

/// Values of all sizes, both signs.
fn tensor<S: Shape>(seed: usize, shape: S) -> Plain<S> {
    let value = |i: usize| (3.0 * ((seed * 1009 + i * 7) as f32).sin()).powi(3);
    Cpu::default().tensor_from_vec((0..shape.num_elements()).map(value).collect(), shape)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The bits of a result and of the gradients of its inputs.
fn outcome<S: Shape, I: Shape>(y: Traced<S>, inputs: &[&Plain<I>]) -> Vec<Vec<u32>> {
    let (values, len) = (y.as_vec(), y.shape().num_elements());
    let weights = tensor(99, (len,));
    let weighted = ops::mul(y.reshape_like(&(len,)), weights).unwrap();
    let gradients = ops::backward(SumTo::sum::<(), _>(weighted), Gradients::leaky()).unwrap();
    let of_inputs = inputs.iter().map(|input| bits(&gradients.get(*input).as_vec()));
    std::iter::once(bits(&values)).chain(of_inputs).collect()
}

fn of_rows(rows: usize, width: usize) -> Vec<(&'static str, Vec<Vec<u32>>)> {
    let (a, b) = (tensor(1, (rows, width)), tensor(2, (rows, width)));
    let (scale, shift) = (tensor(3, (width,)), tensor(4, (width,)));
    let some =
        Cpu::default().tensor_from_vec((0..rows * width).map(|i| (i % 3 > 0) as u8 as f32).collect(), (rows, width));
    let (x, z) = (|| a.leaky_trace(), || b.leaky_trace());
    let one = |y: Result<Traced<(usize, usize)>, _>| outcome(y.unwrap(), &[&a]);
    let both = |y: Result<Traced<(usize, usize)>, _>| outcome(y.unwrap(), &[&a, &b]);
    let (normalised, statistics) = ops::batch_norm_train(x(), 1, &scale, &shift, 1e-5).unwrap();
    vec![
        ("gelu", one(ops::gelu(x()))),
        ("quick gelu", one(ops::quick_gelu(x()))),
        ("relu", one(ops::relu(x()))),
        ("mish", one(ops::mish(x()))),
        ("scale", one(ops::scale(x(), 1.7))),
        ("softmax", one(ops::softmax(x()))),
        ("masked softmax", one(ops::masked_softmax(x(), &some))),
        ("log softmax", one(ops::log_softmax(x()))),
        ("l2 normalize", one(ops::l2_normalize(x(), 1e-12))),
        ("layer norm", one(ops::layer_norm(x(), &scale, &shift, 1e-5))),
        ("batch norm", one(Ok(normalised))),
        ("batch norm of old", one(ops::batch_norm_eval(x(), &scale, &shift, &statistics[0], 1e-5))),
        ("dropout", one(ops::dropout(x(), 0.3, Some(RandomStream { seed: 5, offset: 7 })))),
        ("add", both(ops::add(x(), z()))),
        ("gate", both(ops::sigmoid_gate(x(), z()))),
        ("cosine", outcome(ops::row_cosine(x(), z(), 1e-8).unwrap(), &[&a, &b])),
        ("distance", outcome(ops::row_squared_distance(x(), z()).unwrap(), &[&a, &b])),
        ("smooth l1", outcome(ops::smooth_l1(x(), z(), 0.5, ops::LossReduction::Sum).unwrap(), &[&a, &b])),
        ("squared error", outcome(ops::mean_squared_error(x(), &b).unwrap(), &[&a])),
    ]
}

fn of_other_shapes() -> Vec<(&'static str, Vec<Vec<u32>>)> {
    let [q, k, v] = [1, 2, 3].map(|seed| tensor(seed, (2usize, 37usize, 24usize)));
    let keys = Cpu::default().tensor_from_vec((0..74).map(|i| (i % 5 > 0) as u8 as f32).collect(), (2, 37));
    let additive = tensor(4, (37usize, 37usize));
    let options = AttentionOptions {
        keys: Some(&keys),
        additive: Some(&additive),
        causal: true,
        dropout: Some((0.2, RandomStream { seed: 3, offset: 1 })),
        heads: 3,
    };
    let attention = ops::attention(q.leaky_trace(), k.leaky_trace(), v.leaky_trace(), &options).unwrap();
    let packed = tensor(9, (2usize, 37usize, 72usize));
    let self_attention = ops::self_attention(packed.leaky_trace(), 24usize, &options).unwrap();
    let (square, weights) = (tensor(5, (37usize, 37usize)), tensor(6, (2usize, 37usize)));
    let (assignment, centres) = (tensor(7, (2usize, 37usize, 19usize)), tensor(8, (Const::<1>, 24usize, 17usize)));
    let vlad = ops::vlad(assignment.leaky_trace(), q.leaky_trace(), &centres).unwrap();
    let cross_entropy = ops::symmetric_cross_entropy(square.leaky_trace()).unwrap();
    let (pictures, filter) =
        (tensor(9, (2usize, 3usize, 9usize, 11usize)), tensor(10, (19usize, 3usize, 3usize, 3usize)));
    let steps = ops::Conv2dSteps { stride: 2, padding: 1, border: ops::Border::Replicate };
    let convolved = ops::conv2d(pictures.leaky_trace(), &filter, None, steps).unwrap();
    let pooled = ops::max_pool2d(pictures.leaky_trace(), ops::PoolSteps { kernel: 3, stride: 2, padding: 1 }).unwrap();
    vec![
        ("conv2d", outcome(convolved, &[&pictures, &filter])),
        ("max pool", outcome(pooled, &[&pictures])),
        ("attention", outcome(attention, &[&q, &k, &v])),
        ("self-attention", outcome(self_attention, &[&packed])),
        ("vlad", outcome(vlad, &[&assignment, &q])),
        ("cross-entropy", outcome(cross_entropy, &[&square])),
        ("weighted sum", outcome(ops::weighted_sum(q.leaky_trace(), &weights).unwrap(), &[&q])),
    ]
}

fn of_optimizers() -> Vec<(&'static str, Vec<Vec<u32>>)> {
    let mut all = vec![];
    for (name, eps, projecting) in
        [("adam", Some(1e-8), false), ("mean", None, false), ("projecting", Some(1e-8), true)]
    {
        let mut parameter = tensor(1, (37usize, 24usize));
        let mut moments = AdamMoments { first: tensor(2, (888,)), second: ops::scale(tensor(3, (888,)), 0.0).unwrap() };
        let loss = SumTo::sum::<(), _>(parameter.leaky_trace().square());
        let mut gradients = ops::backward(loss, Gradients::leaky()).unwrap();
        let by =
            MomentUpdate { first: (0.9, 0.1), second: (0.999, 0.001), penalty: 0.01, decay: 0.001, rate: 0.1, eps };
        let norm = ops::gradient_norm(&parameter, &mut gradients).unwrap().unwrap().to_bits();
        let mut numbers = vec![norm as u32, (norm >> 32) as u32];
        if projecting {
            let step = ops::moment_update_projecting(&mut parameter, &mut gradients, &mut moments, by).unwrap();
            numbers.extend([step.squared_length, step.along_gradient].map(|x| (x.to_bits() >> 32) as u32));
        } else {
            ops::moment_update(&mut parameter, &mut gradients, &mut moments, by).unwrap();
        }
        ops::look_ahead(&mut parameter, &mut moments.first, 0.3).unwrap();
        let tensors = [parameter.as_vec(), moments.first.as_vec(), moments.second.as_vec()];
        all.push((name, tensors.iter().map(|values| bits(values)).chain([numbers]).collect()));
    }
    all
}

#[test]
fn every_path_computes_the_same_bits() {
    let paths = on_every_path(|| [of_rows(7, 37), of_rows(130, 301), of_other_shapes(), of_optimizers()].concat());
    let (_, portable) = &paths[0];
    for (path, outcomes) in &paths[1..] {
        for ((name, outcome), (_, expected)) in outcomes.iter().zip(portable) {
            assert!(outcome == expected, "{name} with {path}");
        }
    }
}
