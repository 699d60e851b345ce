//! Opening a device, and that two devices train alike.
//!
//! Under `scripts/cuda-emulate.sh` these run on a driver that may lack something: `EXPECTED_DEVICE_ERROR` then says what is to be named.

use coembed::ops::{self, AdamMoments, AdamStep, OpError, OpsDevice, WeightDecay};
use dfdx::prelude::{Backward, Cpu, Tensor};

#[cfg(not(feature = "cuda"))]
type Dev = Cpu;
#[cfg(feature = "cuda")]
type Dev = dfdx::prelude::Cuda;

/// Whether the driver is one that lacks something.
fn expected() -> Option<String> {
    std::env::var("EXPECTED_DEVICE_ERROR").ok()
}

#[test]
fn a_device_opens_or_says_what_is_missing() {
    match (Dev::open(), expected()) {
        (Ok(_), None) => {}
        (Err(error), Some(expected)) => assert!(error.to_string().contains(&expected), "{error}"),
        (Ok(_), Some(expected)) => panic!("opened in spite of: {expected}"),
        (Err(error), None) => panic!("{error}"),
    }
}

/// The losses of some steps of a network that has the operations of most.
fn losses<D: OpsDevice>(device: &D) -> Result<Vec<f32>, OpError> {
    const BATCH: usize = 12;
    let values = |seed: usize, n: usize| (0..n).map(|i| ((i * 37 + seed * 101) % 89) as f32 / 89.0 - 0.5).collect();
    let tensor = |seed, shape: (usize, usize)| ops::to_tensor(device, values(seed, shape.0 * shape.1), shape);
    let zeros = |n: usize| ops::to_tensor(device, vec![0.0; n], (n,));
    let inputs = [tensor(1, (BATCH, 20))?, tensor(2, (BATCH, 20))?];
    let mut weights: [Tensor<(usize, usize), f32, D>; 2] = [tensor(3, (16, 20))?, tensor(4, (16, 20))?];
    let (mut scale, shift) = (ops::to_tensor(device, vec![1.0; 16], (16usize,))?, zeros(16)?);
    let mut moments = vec![];
    for n in [320, 320, 16] {
        moments.push(AdamMoments { first: zeros(n)?, second: zeros(n)? });
    }
    let mut losses = vec![];
    for number in 1..=6 {
        let embed = |i: usize| {
            let hidden = ops::gelu(ops::linear(ops::data(inputs[i].clone()), &weights[i], None)?)?;
            ops::l2_normalize(ops::layer_norm(hidden, &scale, &shift, 1e-5)?, 1e-12)
        };
        let loss = ops::symmetric_cross_entropy(ops::scale(ops::matmul_nt(embed(0)?, embed(1)?)?, 5.0)?)?;
        losses.push(loss.as_vec()[0]);
        let mut gradients = loss.backward();
        let weight_decay = WeightDecay::Penalty(0.0);
        let step = AdamStep { number, learning_rate: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay };
        let [first, second, third] = moments.as_mut_slice() else { unreachable!() };
        ops::adam(&mut weights[0], &mut gradients, first, step)?;
        ops::adam(&mut weights[1], &mut gradients, second, step)?;
        ops::adam(&mut scale, &mut gradients, third, step)?;
    }
    Ok(losses)
}

#[test]
fn a_device_trains_as_the_cpu_does() {
    if expected().is_some() {
        return;
    }
    let (ours, cpu) = (losses(&Dev::open().unwrap()).unwrap(), losses(&Cpu::open().unwrap()).unwrap());
    assert!(cpu[5] < 0.9 * cpu[0], "{cpu:?}");
    assert!(ours.iter().zip(&cpu).all(|(a, b)| (a - b).abs() < 1e-4 * b), "{ours:?} {cpu:?}");
}
