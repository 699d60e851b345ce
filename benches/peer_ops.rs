//! Forward and backward of single operations, for comparison with `benches/peers/ops.py`; see docs/performance.md.

#[path = "common/device.rs"]
mod device;
#[path = "common/inputs.rs"]
mod inputs;
#[path = "common/peer.rs"]
mod peer;

use coembed::ops::{self, OpError};
use device::{Dev, device, seed};
use dfdx::prelude::{
    Backward, Gradients, Merge, OwnedTape, PutTape, Shape, SplitTape, Tensor, TensorFromVec, Trace, ZerosTensor,
};
use inputs::values;
use peer::{Clock, Work};

type Plain<S> = Tensor<S, f32, Dev>;
type Traced<S> = Tensor<S, f32, Dev, OwnedTape<f32, Dev>>;

fn tensor<S: Shape>(seed: u32, shape: S, scale: f32) -> Plain<S> {
    device().tensor_from_vec(values(seed, shape.num_elements(), scale), shape)
}

fn mean_abs(x: &[f32]) -> f64 {
    x.iter().map(|v| f64::from(v.abs())).sum::<f64>() / x.len() as f64
}

/// Forward, then backward from a given gradient of the result; neither making that gradient nor reading the results is on the clock.
fn forward_backward<S: Shape>(
    clock: &mut Clock,
    cotangent: &[f32],
    forward: impl FnOnce() -> Result<Traced<S>, OpError>,
    inputs: impl FnOnce(&mut Gradients<f32, Dev>) -> Vec<f64>,
) -> f64 {
    let y = clock.time(forward).unwrap();
    let (y, tape) = y.split_tape();
    let mean = mean_abs(&y.as_vec());
    let mut gradients = Gradients::leaky();
    seed(&mut gradients, &y, cotangent);
    let (end, seeded) = device().zeros::<()>().traced(gradients).split_tape();
    let end = end.put_tape(tape.merge(seeded));
    drop(y);
    let mut gradients = clock.time(|| end.backward());
    mean + inputs(&mut gradients).iter().sum::<f64>()
}

fn grad<S: Shape>(gradients: &mut Gradients<f32, Dev>, t: &Plain<S>) -> f64 {
    gradients.try_alloc_for(t).unwrap();
    mean_abs(&gradients.get(t).as_vec())
}

fn matmul<const N: usize>() -> Work {
    let (a, b) = (tensor(1, (N, N), 1.0), tensor(2, (N, N), 1.0));
    Box::new(move |clock| {
        let y = clock.time(|| ops::linear(a.clone(), &b, None)).unwrap();
        mean_abs(&y.as_vec())
    })
}

/// An operation of one tensor.
fn unary<S: Shape>(shape: S, forward: fn(Traced<S>) -> Result<Traced<S>, OpError>) -> Work {
    let (x, cotangent) = (tensor(1, shape, 4.0), values(9, shape.num_elements(), 1.0));
    Box::new(move |clock| forward_backward(clock, &cotangent, || forward(x.leaky_trace()), |g| vec![grad(g, &x)]))
}

const WIDE: (usize, usize) = (19200, 1024);

fn layer_norm() -> Work {
    let shape = (64usize, 300usize, 1024usize);
    let (x, cotangent) = (tensor(1, shape, 4.0), values(9, shape.num_elements(), 1.0));
    let (scale, shift) = (tensor(2, (1024usize,), 1.0), tensor(3, (1024usize,), 1.0));
    Box::new(move |clock| {
        forward_backward(
            clock,
            &cotangent,
            || ops::layer_norm(x.leaky_trace(), &scale, &shift, 1e-5),
            |g| vec![grad(g, &x), grad(g, &scale), grad(g, &shift)],
        )
    })
}

fn gate() -> Work {
    let (x, gate, cotangent) = (tensor(1, WIDE, 4.0), tensor(2, WIDE, 1.0), values(9, WIDE.num_elements(), 1.0));
    Box::new(move |clock| {
        forward_backward(
            clock,
            &cotangent,
            || ops::sigmoid_gate(x.leaky_trace(), gate.clone()),
            |g| vec![grad(g, &x), grad(g, &gate)],
        )
    })
}

fn main() {
    peer::main(&[
        ("matmul_1024", matmul::<1024>),
        ("matmul_2048", matmul::<2048>),
        ("softmax", || unary((64usize, 300usize, 300usize), ops::softmax)),
        ("layer_norm", layer_norm),
        ("gelu", || unary(WIDE, ops::gelu)),
        ("l2_normalize", || unary(WIDE, |x| ops::l2_normalize(x, 1e-12))),
        ("gate", gate),
    ]);
}
