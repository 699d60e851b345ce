//! The device, known only at run time.

use coembed::ops::OpsDevice;
use dfdx::prelude::Cpu;
use miette::Result;

/// Something to do on a device that is known only at run time.
pub trait Job {
    fn run<D: OpsDevice>(self, device: D) -> Result<()>;
}

/// Runs a job on the device that the command line asks for; by default on a GPU where the build can.
pub fn on_device(gpu: Option<bool>, job: impl Job) -> Result<()> {
    if !gpu.unwrap_or(cfg!(feature = "cuda")) {
        return job.run(Cpu::default());
    }
    #[cfg(feature = "cuda")]
    return job.run(dfdx::prelude::Cuda::open().map_err(|e| miette::miette!("{e}"))?);
    #[cfg(not(feature = "cuda"))]
    miette::bail!("--gpu needs a build with --features cuda");
}
