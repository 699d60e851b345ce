//! The device that a program beside its peer computes on: the CPU or, with the feature `cuda`, the first GPU.

use coembed::ops::OpsDevice;
use dfdx::prelude::{Gradients, Shape, Synchronize, Tensor};

#[cfg(not(feature = "cuda"))]
pub type Dev = dfdx::prelude::Cpu;
#[cfg(feature = "cuda")]
pub type Dev = dfdx::prelude::Cuda;

/// The device, opened once.
pub fn device() -> Dev {
    thread_local!(static DEVICE: Dev = Dev::open().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(1)
    }));
    DEVICE.with(Clone::clone)
}

/// Waits for what the device still does.
pub fn synchronize() {
    device().synchronize();
}

/// Gives a result its gradient, where a loss behind it is not to be timed.
#[allow(dead_code)]
pub fn seed<S: Shape>(gradients: &mut Gradients<f32, Dev>, y: &Tensor<S, f32, Dev>, cotangent: &[f32]) {
    let slot = &mut **gradients.get_or_alloc_mut(y).unwrap();
    #[cfg(not(feature = "cuda"))]
    slot.copy_from_slice(cotangent);
    #[cfg(feature = "cuda")]
    slot.device().htod_sync_copy_into(cotangent, slot).unwrap();
}
